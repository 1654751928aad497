"""What AgentNFT says of its tokens: the model that the contract is held against.

Pure: whoever calls decides beforehand whether a call is allowed, by the `may_` questions.
Source: docs/protocol/agents.md#token.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.agents.onchain_nft import Entry
from offchain.core.hashing import Digest, keccak
from offchain.core.units import BPS

EVER: Final = (1 << 48) - 1
MAX_USERS: Final = 32
LONGEST_LOCK: Final = 48 * 3_600
NOBODY: Final = bytes(20)


@dataclass(slots=True)
class Right:
    """Until when somebody may use an agent: by the owner's word, and by a lease."""

    owned: int = 0
    leased: int = 0

    def stands(self, now: int) -> bool:
        return now < max(self.owned, self.leased)


@dataclass(slots=True)
class BookedToken:
    """`royalty`: receiver and share; `pays_owner_of`: a token whose owner gets it instead."""

    owner: bytes
    entries: list[Entry]
    threshold: int
    since: int
    royalty: tuple[bytes, int] = (NOBODY, 0)
    pays_owner_of: int = 0
    parent: int = 0
    may_clone: bool = True
    epoch: int = 0
    approved: bytes = NOBODY
    locker: bytes = NOBODY
    until: int = 0
    pending: tuple[bytes, tuple[Entry, ...]] | None = None
    rights: dict[bytes, Right] = field(default_factory=dict)


@dataclass(slots=True)
class NftBook:
    """Tokens by id; ids run from 1 and none ends."""

    tokens: dict[int, BookedToken] = field(default_factory=dict)

    def mint(
        self,
        to: bytes,
        entries: Sequence[Entry],
        *,
        threshold: int,
        royalty: tuple[bytes, int] = (NOBODY, 0),
        now: int,
    ) -> int:
        number = len(self.tokens) + 1
        self.tokens[number] = BookedToken(to, list(entries), threshold, now, royalty)
        return number

    def update(self, token: int, entries: Sequence[Entry], threshold: int) -> None:
        one = self.tokens[token]
        one.entries, one.threshold = list(entries), threshold or one.threshold

    def hand_over(self, token: int, to: bytes, outputs: Sequence[Entry], *, now: int) -> None:
        """New owner and data; nothing that the old one granted stays."""
        one = self.tokens[token]
        one.owner, one.entries, one.since = to, list(outputs), now
        one.epoch += 1
        one.approved, one.rights = NOBODY, {}
        self.release(token)

    def clone(self, token: int, to: bytes, outputs: Sequence[Entry], *, now: int) -> int:
        """By its owner: it pays royalty as its parent does."""
        parent = self.tokens[token]
        number = self.mint(to, outputs, threshold=parent.threshold, now=now)
        child = self.tokens[number]
        child.parent, child.royalty = token, parent.royalty
        child.pays_owner_of = parent.pays_owner_of
        return number

    def clone_for(
        self, token: int, to: bytes, outputs: Sequence[Entry], *, bps: int, again: bool, now: int
    ) -> int:
        """Under a licence: whoever owns the parent earns from sales of the clone."""
        number = self.clone(token, to, outputs, now=now)
        child = self.tokens[number]
        child.royalty, child.pays_owner_of, child.may_clone = (NOBODY, bps), token, again
        return number

    def lock(self, token: int, locker: bytes, until: int) -> None:
        one = self.tokens[token]
        one.locker, one.until, one.pending = locker, until, None

    def prepare(self, token: int, to: bytes, outputs: Sequence[Entry]) -> None:
        self.tokens[token].pending = (to, tuple(outputs))

    def release(self, token: int) -> None:
        one = self.tokens[token]
        one.locker, one.until, one.pending = NOBODY, 0, None

    def is_locked(self, token: int, now: int) -> bool:
        return now < self.tokens[token].until

    def lock_of(self, token: int, now: int) -> tuple[bytes, int]:
        one = self.tokens[token]
        return (one.locker, one.until) if self.is_locked(token, now) else (NOBODY, 0)

    def grant(self, token: int, user: bytes, until: int, *, leased: bool) -> None:
        right = self.tokens[token].rights.setdefault(user, Right())
        end = min(until, EVER)
        if leased:
            right.leased = end
        else:
            right.owned = end

    def revoke(self, token: int, user: bytes) -> None:
        self.tokens[token].rights[user] = Right()

    def may_revoke(self, token: int, user: bytes, now: int) -> bool:
        right = self.tokens[token].rights.get(user, Right())
        return right.stands(now) and now >= right.leased

    def users_of(self, token: int, now: int) -> set[bytes]:
        rights = self.tokens[token].rights
        return {user for user, right in rights.items() if right.stands(now)}

    def has_place(self, token: int, user: bytes, now: int) -> bool:
        """Whether a user can be let in: known, or one of 32 places is free."""
        return user in self.users_of(token, now) or len(self.users_of(token, now)) < MAX_USERS

    def data_root(self, token: int) -> Digest:
        one = self.tokens[token]
        words = [word for entry in one.entries for word in (entry.data_hash, entry.roots_hash)]
        return keccak(*words, one.threshold.to_bytes(32, "big"))

    def royalty_info(self, token: int, price: int) -> tuple[bytes, int]:
        one = self.tokens[token]
        receiver, bps = one.royalty
        if one.pays_owner_of:
            receiver = self.tokens[one.pays_owner_of].owner
        return receiver, price * bps // BPS
