"""KVStreams without a chain: owners, admins, posted roots, and the entries that changes make.

The tests run it beside the contract. Writers are not here: replicas know them from the log.
Source: docs/protocol/storage.md#streams.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.core.hashing import Digest
from offchain.core.typed_data import domain_of
from offchain.storage.kv.entry import AccessChange
from offchain.storage.kv.op import Scheme, Subject
from offchain.storage.kv.proof import Leaf, Proof, StreamRoot, stream_id
from offchain.storage.kv.proof import verify_absence as lacks
from offchain.storage.kv.proof import verify_presence as holds
from offchain.storage.kv.roles import Action, Role
from offchain.storage.log_entries import MAX_PREFIX_BYTES
from offchain.storage.reverts_log import (
    GrantInvalid,
    NoRight,
    RootNotNewer,
    RootRefused,
    StreamExists,
    StreamUnknown,
)

NEEDED_SEATS: Final = 4
FOR_EVER: Final = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Grant:
    """A right as it is given; `quota` in bytes, `expiry` in log time, 0: no bound."""

    role: Role
    subject: Subject
    prefix: bytes = b""
    quota: int = 0
    expiry: int = 0


@dataclass(slots=True)
class StreamState:
    """One stream; `admins` are those of each generation, with the last second of their right."""

    owner: bytes
    generation: int = 1
    admins: dict[tuple[int, bytes], int] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    head: int = 0  # seq + 1 of the newest root
    posted_at: int = 0
    group: int = 0


def streams_domain(*, chain_id: int, streams: bytes) -> Digest:
    """The EIP-712 domain separator of operations and roots; `streams` is KVStreams."""
    return domain_of("Apogee KV", "1", chain_id=chain_id, contract=streams)


@dataclass(slots=True)
class StreamBook:
    """Streams by id; each change answers the entry that it makes."""

    chain_id: int
    streams: dict[bytes, StreamState] = field(default_factory=dict)

    def create(self, owner: bytes, salt: bytes) -> AccessChange:
        """Raises: StreamExists."""
        stream = stream_id(self.chain_id, owner, salt)
        if stream in self.streams:
            raise StreamExists(stream=stream.hex())
        self.streams[stream] = StreamState(owner)
        return _change(Action.CREATE, stream, 1, Grant(Role.OWNER, Subject.account(owner)))

    def transfer_owner(self, stream: bytes, to: bytes, *, sender: bytes) -> AccessChange:
        """Raises: NoRight, GrantInvalid."""
        state = self.streams.get(stream)
        if state is None or state.owner != sender:
            raise NoRight(stream=stream.hex())
        if not any(to):
            raise GrantInvalid(owner=to.hex())
        state.owner = to
        state.generation += 1
        right = Grant(Role.OWNER, Subject.account(to))
        return _change(Action.TRANSFER, stream, state.generation, right)

    def grant(self, stream: bytes, grant: Grant, *, sender: bytes, now: int) -> AccessChange:
        """Raises: GrantInvalid, StreamUnknown, NoRight."""
        check_grant(grant, now=now)
        state = self._may_change(stream, grant.subject, grant.role, sender, now)
        if grant.role is Role.ADMIN:
            state.admins[state.generation, grant.subject.digest] = grant.expiry or FOR_EVER
        return _change(Action.GRANT, stream, state.generation, grant)

    def revoke(self, stream: bytes, subject: Subject, *, sender: bytes, now: int) -> AccessChange:
        """Raises: GrantInvalid, StreamUnknown, NoRight."""
        _check_subject(subject)
        state = self._may_change(stream, subject, Role.OWNER, sender, now)
        state.admins.pop((state.generation, subject.digest), None)
        return _change(Action.REVOKE, stream, state.generation, Grant(Role.OWNER, subject))

    def is_admin(self, stream: bytes, account: bytes, *, now: int) -> bool:
        state = self.streams.get(stream)
        if state is None:
            return False
        last = state.admins.get((state.generation, Subject.account(account).digest), 0)
        return last >= now

    def post_root(self, root: StreamRoot, group: int, *, log_size: int, now: int) -> None:
        """By enough seats of a replica group, which the caller knows.

        Raises: StreamUnknown, RootRefused, RootNotNewer.
        """
        state = self.streams.get(root.stream)
        if state is None:
            raise StreamUnknown(stream=root.stream.hex())
        if not 1 <= root.generation <= state.generation or root.seq >= log_size:
            raise RootRefused(generation=root.generation, seq=root.seq)
        if root.seq < state.head:
            raise RootNotNewer(seq=root.seq, newest=state.head - 1)
        state.head, state.posted_at, state.group = root.seq + 1, now, group
        state.roots[root.seq] = root.digest

    def verify(self, root: StreamRoot, leaf: Leaf, siblings: tuple[bytes, ...]) -> bool:
        """Whether a key has a value under a posted root."""
        return self._is_posted(root) and holds(root.tree_root, leaf, siblings)

    def verify_absence(self, root: StreamRoot, key_hash: bytes, proof: Proof) -> bool:
        """Whether a key has no value under a posted root."""
        return self._is_posted(root) and lacks(root.tree_root, key_hash, proof)

    def _is_posted(self, root: StreamRoot) -> bool:
        state = self.streams.get(root.stream)
        return state is not None and state.roots.get(root.seq) == root.digest

    def _may_change(
        self, stream: bytes, subject: Subject, role: Role, sender: bytes, now: int
    ) -> StreamState:
        state = self.streams.get(stream)
        if state is None:
            raise StreamUnknown(stream=stream.hex())
        if state.owner == sender:
            return state
        if not self.is_admin(stream, sender, now=now):
            raise NoRight(stream=stream.hex(), sender=sender.hex())
        if role is Role.OWNER and subject == Subject.account(sender):
            return state
        if role is Role.ADMIN or (state.generation, subject.digest) in state.admins:
            raise NoRight(stream=stream.hex(), reason="admins are the owner's to change")
        return state


def check_grant(grant: Grant, *, now: int) -> None:
    """Raises: GrantInvalid."""
    if grant.role is Role.OWNER:
        raise GrantInvalid(role=grant.role.name)
    has_prefix = len(grant.prefix) > 0
    if has_prefix != (grant.role is Role.KEY_WRITER) or len(grant.prefix) > MAX_PREFIX_BYTES:
        raise GrantInvalid(prefix=grant.prefix.hex())
    if grant.expiry and grant.expiry <= now:
        raise GrantInvalid(expiry=grant.expiry, now=now)
    _check_subject(grant.subject)


def _check_subject(subject: Subject) -> None:
    is_account = not any(subject.digest[:12])
    if is_account != (subject.scheme is Scheme.ACCOUNT) or not any(subject.digest):
        raise GrantInvalid(subject=subject.digest.hex())


def _change(action: Action, stream: bytes, generation: int, grant: Grant) -> AccessChange:
    return AccessChange(
        action=action,
        stream=stream,
        generation=generation,
        role=grant.role,
        subject=grant.subject,
        prefix=grant.prefix,
        quota=grant.quota,
        expiry=grant.expiry,
    )
