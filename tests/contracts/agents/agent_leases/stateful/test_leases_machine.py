"""Rentals, moves, locks, new data and orders in any order: nothing is paid twice or lost."""

from typing import Any

import boa
from eth_utils import to_checksum_address
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from offchain.agents.leases_book import BookedLease, BookedOrder, LeasesBook
from offchain.core.hashing import keccak
from tests.support.agents import Piece, forms
from tests.support.agents_leases import DELIVER, FEE, HOUR, OBJECT, PRICE, LeaseSite

PEOPLE = ("one", "two", "three")
WHO = st.sampled_from(PEOPLE)
ROYALTY = 500
MACHINE = settings(max_examples=10, stateful_step_count=30)


def person(name: str) -> str:
    """Somebody's account, the same whenever he is named."""
    return str(to_checksum_address(keccak(name.encode())[12:]))


def raw(address: Any) -> bytes:
    return bytes.fromhex(str(address)[2:])


class LeasesMachine(RuleBasedStateMachine):
    site: LeaseSite

    def __init__(self) -> None:
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.began = boa.env.timestamp
        self.book = LeasesBook()
        self.piece = Piece("memory")
        self.epoch = 0
        self.digests: dict[int, bytes] = {}
        self.epochs: dict[int, int] = {}  # of orders
        self.ordered: dict[int, Piece] = {}

    def teardown(self) -> None:
        self.anchor.__exit__(None, None, None)
        boa.env.timestamp = self.began

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    @property
    def owner(self) -> str:
        return str(self.site.nft.ownerOf(self.token))

    @property
    def is_locked(self) -> bool:
        return bool(self.site.nft.is_locked(self.token))

    def is_other(self, order: int) -> bool:
        """Token or data are not those that were ordered."""
        return self.epochs[order] != self.epoch or self.ordered[order] != self.piece

    @initialize()
    def begin(self) -> None:
        self.token = self.site.tokens.mint(
            person("one"), self.piece, royalty=ROYALTY, creator=person("creator")
        )
        self.site.offer(self.token)
        self.site.license(self.token, max_clones=3)
        self.rent("two", 3)
        self.order("three")

    def attempt(self, *, allowed: bool, call: Any) -> bool:
        """The call succeeds exactly when the model says so."""
        if allowed:
            call()
            return True
        with boa.reverts():
            call()
        return False

    @rule(who=WHO, hours=st.sampled_from([1, 3]))
    def rent(self, who: str, hours: int) -> None:
        running = [
            one
            for one in self.book.leases.values()
            if one.renter == raw(person(who)) and not one.moves and self.now < one.until
        ]
        seconds = hours * HOUR
        begun = self.now
        call = lambda: self.site.rent(self.token, person(who), seconds=seconds)
        if self.attempt(allowed=not running and not self.is_locked, call=call):
            lease = BookedLease(
                raw(self.owner), raw(person(who)), PRICE, begun + HOUR, begun, begun + seconds
            )
            self.book.rent(int(self.site.leases.lease_count()), lease)

    @rule(pick=st.integers(0, 5))
    def collect(self, pick: int) -> None:
        number = pick % len(self.book.leases) + 1
        lease = self.book.leases[number]
        call = lambda: self.site.leases.collect(number)
        if self.attempt(allowed=lease.until != 0, call=call):
            self.book.collect(number, now=self.now)

    @rule(pick=st.integers(0, 5))
    def end(self, pick: int) -> None:
        number = pick % len(self.book.leases) + 1
        lease = self.book.leases[number]
        renter = to_checksum_address(lease.renter)
        call = lambda: self.site.leases.end_lease(number, sender=renter)
        allowed = lease.until != 0 and self.now < lease.over_at()
        if self.attempt(allowed=allowed, call=call):
            self.book.end(number, now=self.now)

    @rule(to=WHO)
    def move(self, to: str) -> None:
        if self.is_locked:
            with boa.reverts("agent_nft: locked"):
                self.site.move(self.token, self.piece, person(to))
            return
        self.piece = self.site.move(self.token, self.piece, person(to))
        self.epoch += 1
        for lease in self.book.leases.values():
            lease.moves.append(self.now)
        self.site.offer(self.token)
        self.site.license(self.token, max_clones=3)

    @rule(seconds=st.sampled_from([600, DELIVER]))
    def lock(self, seconds: int) -> None:
        if not self.is_locked:
            self.site.tokens.lock(self.token, seconds=seconds)

    @rule()
    def change_data(self) -> None:
        new = Piece(f"{self.piece.label}+")
        self.site.tokens.keep(new)
        call = lambda: self.site.nft.update(self.token, *forms((new,)), 0, sender=self.owner)
        if self.attempt(allowed=not self.is_locked, call=call):
            self.piece = new

    @rule(who=WHO)
    def order(self, who: str) -> None:
        taken = int(self.site.leases.clones_of(self.token))
        owner = self.owner
        call = lambda: self.site.order(self.token, person(who))
        if self.attempt(allowed=taken < 3 and not self.is_locked, call=call):
            number = int(self.site.leases.order_count())
            self.book.orders[number] = BookedOrder(raw(owner), raw(person(who)), FEE)
            self.epochs[number], self.ordered[number] = self.epoch, self.piece

    @rule(pick=st.integers(0, 5))
    def deliver(self, pick: int) -> None:
        number = pick % len(self.book.orders) + 1
        order = self.book.orders[number]
        if order.state != "ordered":
            return
        late = self.now >= int(self.site.leases.order(number).deadline)
        free = not self.is_other(number) and not self.is_locked

        def call() -> None:
            _, self.digests[number] = self.site.deliver(number, self.piece, by=person("one"))

        if self.attempt(allowed=not late and free, call=call):
            order.state = "delivered"

    @rule(pick=st.integers(0, 5), is_buyer=st.booleans())
    def settle(self, pick: int, is_buyer: bool) -> None:
        number = pick % len(self.book.orders) + 1
        order = self.book.orders[number]
        if order.state != "delivered":
            return
        sender = to_checksum_address(order.buyer) if is_buyer else person("anybody")
        due = is_buyer or self.now >= int(self.site.leases.order(number).deadline)
        call = lambda: self.site.leases.settle_clone(number, sender=sender)
        if self.attempt(allowed=due, call=call):
            self.book.settle(number, [(raw(person("creator")), ROYALTY)])

    @rule(pick=st.integers(0, 5), is_false=st.booleans())
    def refund(self, pick: int, is_false: bool) -> None:
        number = pick % len(self.book.orders) + 1
        order = self.book.orders[number]
        if is_false and order.state == "delivered":
            self.site.tokens.verifier.prove(self.digests[number])
            self.site.leases.refund_false_clone(number, [self.digests[number]])
            self.book.refund(number)
            return
        late = self.now >= int(self.site.leases.order(number).deadline)
        lost = order.state == "ordered" and (late or self.is_other(number))
        call = lambda: self.site.leases.refund_clone(number)
        if self.attempt(allowed=lost, call=call):
            self.book.refund(number)

    @rule(seconds=st.sampled_from([600, DELIVER, OBJECT]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @invariant()
    def inv_agt_13_credit_and_what_is_held_are_what_came_in(self) -> None:
        leases = self.site.leases
        for name in (*PEOPLE, "creator"):
            assert self.site.credit(person(name)) == self.book.credit[raw(person(name))]
        balance = int(boa.env.get_balance(leases.address))
        assert balance == self.book.held() + sum(self.book.credit.values())

    @invariant()
    def inv_agt_12_clones_are_within_the_licence(self) -> None:
        if self.site.nft.totalSupply():
            assert self.site.leases.clones_of(self.token) <= 3


def test_leases__any_order_of_calls__as_in_the_model(site: LeaseSite) -> None:
    machine = type("Machine", (LeasesMachine,), {"site": site})
    run_state_machine_as_test(machine, settings=MACHINE)
