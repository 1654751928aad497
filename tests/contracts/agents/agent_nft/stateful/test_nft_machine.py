"""Owners, markets and users in any order: the token says what the model says."""

from typing import Any

import boa
from eth_utils import to_checksum_address
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from offchain.agents.nft_book import NOBODY, NftBook
from offchain.core.hashing import keccak
from tests.support.agents import Piece, TokenSite, a_proof, entries, forms

PEOPLE = ("one", "two", "three")
TOKENS = st.integers(1, 4)
WHO = st.sampled_from(PEOPLE)
KEY_HASH = b"\x07" * 32
MACHINE = settings(max_examples=10, stateful_step_count=24)


def person(name: str) -> str:
    """Somebody's account, the same whenever he is named."""
    return str(to_checksum_address(keccak(name.encode())[12:]))


def raw(address: Any) -> bytes:
    return bytes.fromhex(str(address)[2:])


class NftMachine(RuleBasedStateMachine):
    site: TokenSite

    def __init__(self) -> None:
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.began = boa.env.timestamp
        self.book = NftBook()
        self.pieces: dict[int, list[Piece]] = {}
        self.prepared: dict[int, list[Piece]] = {}
        self.turn = 0

    def teardown(self) -> None:
        self.anchor.__exit__(None, None, None)
        boa.env.timestamp = self.began

    # what the machine knows

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def later(self, token: int) -> list[Piece]:
        self.turn += 1
        return [Piece(one.label, self.turn + 100, one.description) for one in self.pieces[token]]

    def proofs(self, token: int, new: list[Piece]) -> list[Any]:
        return [a_proof(*pair) for pair in zip(self.pieces[token], new, strict=True)]

    def entries(self, pieces: list[Piece]) -> list[Any]:
        return [one.entry for one in pieces]

    def owns(self, token: int, who: str) -> bool:
        return self.book.tokens[token].owner == raw(person(who))

    def attempt(self, *, allowed: bool, call: Any) -> bool:
        """The call succeeds exactly when the model says so."""
        if allowed:
            call()
            return True
        with boa.reverts():
            call()
        return False

    # rules

    @rule(who=WHO, count=st.integers(0, 2), royalty=st.sampled_from([0, 500]))
    def mint(self, who: str, count: int, royalty: int) -> None:
        if len(self.pieces) == 4:
            return
        self.turn += 1
        made = [Piece(f"{self.turn}.{i}") for i in range(count)]
        token = self.site.mint(person(who), *made, royalty=royalty)
        creator = (raw(person(who)), royalty) if royalty else (NOBODY, 0)
        number = self.book.mint(
            raw(person(who)), self.entries(made), threshold=3, royalty=creator, now=self.now
        )
        assert token == number
        self.pieces[token] = made

    @rule(token=TOKENS, who=WHO, to=WHO)
    def transfer(self, token: int, who: str, to: str) -> None:
        if token not in self.pieces:
            return
        new = self.later(token)
        allowed = self.owns(token, who) and not self.book.is_locked(token, self.now)
        call = lambda: self.site.nft.iTransfer(
            person(to), token, self.proofs(token, new), sender=person(who)
        )
        if self.attempt(allowed=allowed, call=call):
            self.book.hand_over(token, raw(person(to)), self.entries(new), now=self.now)
            self.pieces[token] = new

    @rule(token=TOKENS, who=WHO, to=WHO)
    def transfer_plain(self, token: int, who: str, to: str) -> None:
        if token not in self.pieces:
            return
        free = not self.book.is_locked(token, self.now) and not self.pieces[token]
        call = lambda: self.site.nft.transferFrom(
            person(who), person(to), token, sender=person(who)
        )
        if self.attempt(allowed=self.owns(token, who) and free, call=call):
            self.book.hand_over(token, raw(person(to)), [], now=self.now)

    @rule(token=TOKENS, who=WHO)
    def update(self, token: int, who: str) -> None:
        if token not in self.pieces or not self.pieces[token]:
            return
        new = self.later(token)
        for one in new:
            self.site.keep(one)
        allowed = self.owns(token, who) and not self.book.is_locked(token, self.now)
        call = lambda: self.site.nft.update(token, *forms(tuple(new)), 0, sender=person(who))
        if self.attempt(allowed=allowed, call=call):
            self.book.update(token, self.entries(new), 0)
            self.pieces[token] = new

    @rule(token=TOKENS, who=WHO, user=WHO, seconds=st.sampled_from([0, 600, 2**40]))
    def grant(self, token: int, who: str, user: str, seconds: int) -> None:
        if token not in self.pieces:
            return
        until = self.now + seconds
        allowed = self.owns(token, who) and not self.book.is_locked(token, self.now)
        call = lambda: self.site.nft.authorizeUsageUntil(
            token, person(user), until, sender=person(who)
        )
        if self.attempt(allowed=allowed, call=call):
            self.book.grant(token, raw(person(user)), until, leased=False)

    @rule(token=TOKENS, user=WHO)
    def lease(self, token: int, user: str) -> None:
        if token not in self.pieces:
            return
        until = self.now + 900
        call = lambda: self.site.by(
            self.site.leases, "authorizeUsageUntil", token, person(user), until
        )
        if self.attempt(allowed=not self.book.is_locked(token, self.now), call=call):
            self.book.grant(token, raw(person(user)), until, leased=True)

    @rule(token=TOKENS, who=WHO, user=WHO)
    def revoke(self, token: int, who: str, user: str) -> None:
        if token not in self.pieces:
            return
        free = self.owns(token, who) and not self.book.is_locked(token, self.now)
        allowed = free and self.book.may_revoke(token, raw(person(user)), self.now)
        call = lambda: self.site.nft.revokeAuthorization(token, person(user), sender=person(who))
        if self.attempt(allowed=allowed, call=call):
            self.book.revoke(token, raw(person(user)))

    @rule(token=TOKENS, seconds=st.sampled_from([600, 3_600]))
    def lock(self, token: int, seconds: int) -> None:
        if token not in self.pieces or self.book.is_locked(token, self.now):
            return
        until = self.site.lock(token, seconds=seconds)
        self.book.tokens[token].approved = raw(self.site.locker.address)
        self.book.lock(token, raw(self.site.locker.address), until)

    @rule(token=TOKENS, to=WHO, at_once=st.booleans())
    def prepare(self, token: int, to: str, at_once: bool) -> None:
        if token not in self.pieces:
            return
        new = self.later(token)
        call = lambda: self.site.by(
            self.site.locker,
            "prepare",
            token,
            person(to),
            KEY_HASH,
            self.proofs(token, new),
            at_once,
        )
        if not self.attempt(allowed=self.book.is_locked(token, self.now), call=call):
            return
        if at_once:
            self.book.hand_over(token, raw(person(to)), self.entries(new), now=self.now)
            self.pieces[token] = new
        else:
            self.book.prepare(token, raw(person(to)), self.entries(new))
            self.prepared[token] = new

    @rule(token=TOKENS, to=WHO)
    def finish(self, token: int, to: str) -> None:
        if token not in self.prepared:
            return
        new = self.prepared[token]
        wanted = (raw(person(to)), tuple(self.entries(new)))
        locked = self.book.is_locked(token, self.now)
        call = lambda: self.site.by(self.site.locker, "finish", token, person(to), entries(*new))
        if self.attempt(allowed=locked and self.book.tokens[token].pending == wanted, call=call):
            self.book.hand_over(token, wanted[0], wanted[1], now=self.now)
            self.pieces[token] = new

    @rule(token=TOKENS)
    def abort(self, token: int) -> None:
        if token not in self.pieces:
            return
        call = lambda: self.site.by(self.site.locker, "abort", token)
        if self.attempt(allowed=self.book.is_locked(token, self.now), call=call):
            self.book.release(token)

    @rule(token=TOKENS, who=WHO, licensed=st.booleans(), again=st.booleans())
    def clone(self, token: int, who: str, licensed: bool, again: bool) -> None:
        if token not in self.pieces or not self.pieces[token] or len(self.pieces) == 4:
            return
        new, to = self.later(token), person(who)
        proofs, free = self.proofs(token, new), not self.book.is_locked(token, self.now)
        if licensed:
            call: Any = lambda: self.site.by(
                self.site.leases, "clone_for", token, to, KEY_HASH, 300, again, proofs
            )
            allowed = free
        else:
            call = lambda: self.site.nft.iClone(to, token, proofs, sender=to)
            allowed = free and self.owns(token, who) and self.book.tokens[token].may_clone
        if not self.attempt(allowed=allowed, call=call):
            return
        made = self.entries(new)
        if licensed:
            number = self.book.clone_for(token, raw(to), made, bps=300, again=again, now=self.now)
        else:
            number = self.book.clone(token, raw(to), made, now=self.now)
        self.pieces[number] = new

    @rule(seconds=st.sampled_from([60, 900, 4_000]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    # what holds always

    @invariant()
    def inv_agt_1_and_8_and_10_contract_and_model_agree(self) -> None:
        nft = self.site.nft
        assert nft.totalSupply() == len(self.book.tokens)
        for token, one in self.book.tokens.items():
            assert raw(nft.ownerOf(token)) == one.owner
            assert raw(nft.getApproved(token)) == one.approved
            assert nft.epoch_of(token) == (one.epoch, one.since)
            assert nft.traits_of(token) == (one.threshold, one.parent, one.may_clone)
            assert nft.entries_of(token) == [(e.data_hash, e.roots_hash) for e in one.entries]
            assert bytes(nft.data_root(token)) == self.book.data_root(token)
            locker, until = nft.lock_of(token)
            assert (raw(locker), until) == self.book.lock_of(token, self.now)
            users = {raw(user) for user in nft.authorizedUsersOf(token)}
            assert users == self.book.users_of(token, self.now)
            receiver, amount = nft.royaltyInfo(token, 10_000)
            assert (raw(receiver), amount) == self.book.royalty_info(token, 10_000)
        assert nft.delivery_context().op == 0


def test_tokens__any_order_of_calls__as_in_the_model(site: TokenSite) -> None:
    machine = type("Machine", (NftMachine,), {"site": site})
    run_state_machine_as_test(machine, settings=MACHINE)
