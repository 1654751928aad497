"""Log, market, seats and proofs together, all real: whatever happens, no wei is lost.

The market's model follows what the seats' contract says of every seat; misses, losses and demands
go through the real court.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.storage.market_book import GroupOffer
from offchain.storage.model import FileState
from offchain.storage.reverts_market import MARKET
from tests.support.da import raw
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage import LOCAL, opening_of
from tests.support.storage_log import a_submission
from tests.support.storage_proofs import ANSWER
from tests.support.storage_seats import LONGEST, PRICE, draw_successor, open_group, took
from tests.support.storage_whole import WholeSite, deploy_storage

SEATS = 3
BOND = 10**17
WAITS = st.sampled_from([1, ANSWER + 1, EPOCH, 3 * EPOCH, 9 * EPOCH])
LENGTHS = st.sampled_from([1, 1_000_000, 40_000_000_000 // 2])
STORED: list[tuple[WholeSite, int]] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(native_evm: None) -> Iterator[None]:
    """One deployment with a group of three seats for all runs; each run undoes what it did."""
    boa.env.set_random_seed("all of storage")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_storage()
        STORED.append((site, open_group(site.seats, "local")))
        yield


class AllOfStorage(RuleBasedStateMachine):
    """Owners, operators that lose bytes or stay silent, successors, demanders, and time."""

    @initialize()
    def begin(self) -> None:
        self.site, self.group = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.market, self.proofs = self.site.market, self.site.proofs
        self.owner, self.relayer = a_wallet("owner"), a_wallet("relayer")
        self.book = self.site.book()
        seats = [self.paid(seat) for seat in range(SEATS)]
        offer = GroupOffer(2 * PRICE * SEATS, LONGEST, self.market.group(self.group).moved)
        self.book.open_group(self.group, LOCAL, seats, terms=offer)
        self.files: list[bytes] = []
        self.demands: dict[bytes, tuple[Any, ...]] = {}
        self.nonce = 0

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # Files

    @rule(length=LENGTHS, term=st.sampled_from([1, 4, 30]))
    def store(self, length: int, term: int) -> None:
        self.nonce += 1
        segments = -(-length // 32_505_856)
        submission = a_submission(
            self.owner, nonce=self.nonce, profile=LOCAL, length=length, segments=segments,
            term_epochs=term,
        )  # fmt: skip
        file_id, entropy = self.site.submit(submission)
        value = submission.max_cost
        self.book.open(file_id, opening_of(submission), value=value, now=self.now)
        self.files.append(file_id)
        epoch = self.book.clock.epoch_of(self.now)
        randomness = bytes(self.site.seats.beacon.randomness(epoch))
        with suppress(ApogeeError):
            self.book.place(file_id, randomness=randomness, entropy=entropy, now=self.now)
            self.market.place(file_id, sender=self.relayer)
            assert self.market.file(file_id).group == self.group
            self.book.confirm(file_id, now=self.now)
            self.site.confirm(file_id)

    @precondition(lambda self: self.files)
    @rule(
        data=st.data(),
        act=st.sampled_from(["refund", "close", "declare_lost", "release", "renew"]),
    )
    def end_or_renew(self, data: st.DataObject, act: str) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        try:
            if act == "release":
                self.book.release(file_id, raw(self.owner), now=self.now)
            elif act == "renew":
                self.book.renew(file_id, 3, value=10**15, now=self.now)
            else:
                getattr(self.book, act)(file_id, now=self.now)
        except ApogeeError as fault:
            with pytest.raises(boa.BoaError) as caught:
                self.send(act, file_id)
            reason = str(caught.value.stack_trace.last_frame.pretty_vm_reason)
            assert MARKET[reason] is type(fault)
            return
        self.send(act, file_id)

    def send(self, act: str, file_id: bytes) -> None:
        if act == "renew":
            self.market.renew(file_id, 3, value=10**15, sender=self.relayer)
        else:
            getattr(self.market, act)(file_id, sender=self.owner)

    @rule(seat=st.integers(0, SEATS - 1))
    def collect(self, seat: int) -> None:
        if self.paid(seat)[1]:
            assert self.book.collect(self.group, seat, now=self.now) == self.market.collect(
                self.group, seat, sender=self.relayer
            )

    @rule(who=st.integers(0, 7))
    def withdraw(self, who: int) -> None:
        account = self.accounts()[who]
        with suppress(ApogeeError):
            amount = self.book.withdraw(raw(account))
            assert amount == self.market.withdraw(account, sender=account)

    # Seats and proofs

    @rule(seat=st.integers(0, SEATS - 1))
    def lose(self, seat: int) -> None:
        """Its operator gives a seat up: fined, vacant."""
        operator = self.site.seats.operator(self.site.seats.seats.seat(self.group, seat)[0])
        with suppress(boa.BoaError):
            self.proofs.declare_loss(self.group, seat, sender=operator.owner)
        self.follow()

    @rule(seat=st.integers(0, SEATS - 1), back=st.integers(0, 1))
    def default(self, seat: int, back: int) -> None:
        """A miss is shown; a seat that is suspect is drawn each epoch."""
        epoch = max(self.book.clock.epoch_of(self.now) - back, 0)
        kept = self.market.bytes_at(self.group, epoch)
        if kept:
            place = self.proofs.position(epoch, self.group, seat, 0)
            stored = [one for one in self.files if self.book.files[one].started]
            [file_id] = [
                one for one in stored
                if 0 <= place - self.book.files[one].first_byte < self.book.files[one].kept
            ]  # fmt: skip
            with suppress(boa.BoaError):
                self.proofs.default_(epoch, self.group, seat, [], file_id, sender=self.relayer)
        self.follow()

    @rule(seat=st.integers(0, SEATS - 1))
    def succeed(self, seat: int) -> None:
        """A vacant seat gets the operator that the beacon names."""
        record = self.site.seats.seats.seat(self.group, seat)
        with suppress(boa.BoaError):
            if record.redraw_epoch and draw_successor(self.site.seats, self.group, seat, "local"):
                self.follow()
                segments = self.market.group(self.group).segments
                arguments = (self.group, seat, segments)
                signature = took(self.site.seats, *arguments)
                self.site.seats.seats.take_over(*arguments, signature, sender=self.relayer)
        self.follow()

    @precondition(lambda self: self.files)
    @rule(data=st.data(), seat=st.integers(0, SEATS - 1))
    def demand(self, data: st.DataObject, seat: int) -> None:
        wanted = (data.draw(st.sampled_from(self.files)), 0, seat, 512 * seat, 0)
        with suppress(boa.BoaError):
            name = bytes(self.proofs.demand(wanted, value=BOND, sender=self.relayer))
            self.demands[name] = wanted

    @precondition(lambda self: self.demands)
    @rule(data=st.data())
    def close_demand(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.demands)))
        with suppress(boa.BoaError):
            self.proofs.close(self.demands[name], sender=self.relayer)
            del self.demands[name]
        self.follow()

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)
        self.proofs.measure(sender=self.relayer)

    # What always holds

    @invariant()
    def invariant_sto_2_no_wei_is_lost_between_the_contracts(self) -> None:
        balance = boa.env.get_balance(self.market.address)
        assert self.book.owed == self.book.balance == balance
        for account in self.accounts():
            assert self.book.credits.get(raw(account), 0) == self.market.credit_of(account)
        for address in (self.site.seats.log.address, self.site.seats.seats.address):
            assert boa.env.get_balance(address) == 0
        bonds = sum(self.proofs.demand_of(name).bond for name in self.demands)
        credited = sum(self.proofs.credit_of(account) for account in self.accounts())
        assert boa.env.get_balance(self.proofs.address) == bonds + credited

    @invariant()
    def invariant_sto_7_seats_that_serve_and_only_they_are_paid(self) -> None:
        group, flow = self.market.group(self.group), self.book.groups[self.group]
        assert (group.rate, group.bytes, group.escrow) == (flow.rate, flow.bytes, flow.escrow)
        assert (group.cost_integral, group.byte_integral) == (flow.cost, flow.byte_seconds)
        assert group.rate == sum(self.paid(seat)[1] for seat in range(SEATS))

    @invariant()
    def invariant_sto_16_files_of_any_state_can_be_wound_up(self) -> None:
        with boa.env.anchor():
            boa.env.time_travel(seconds=100 * EPOCH)
            self.market.advance(self.group)
            for file_id, file in self.book.files.items():
                if file.state in {FileState.SUBMITTED, FileState.PLACED}:
                    self.market.refund(file_id)
                elif file.state is FileState.STORED:
                    self.market.close(file_id)
            for seat in range(SEATS):
                if self.paid(seat)[1]:
                    self.market.collect(self.group, seat)
            assert self.market.group(self.group).escrow <= len(self.files) + SEATS

    # Parts

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def accounts(self) -> list[str]:
        operators = [operator.owner for operator in self.site.seats.operators]
        return [self.owner, self.relayer, *operators]

    def paid(self, seat: int) -> tuple[int, int]:
        operator, price = self.site.seats.seats.paid_price(self.group, seat)
        return int(operator), int(price)

    def follow(self) -> None:
        """Tell the model what became of the seats in the last call."""
        for seat, pay in enumerate(self.book.groups[self.group].seats):
            operator, price = self.paid(seat)
            if (operator, price) != (pay.operator, pay.price):
                self.book.change_seat(self.group, seat, operator, price, now=self.now)


def test_whole__a_seat_is_lost__its_pay_stops_and_no_wei_is_lost() -> None:
    """The steps that random ones reach seldom, one by one."""
    all_of_it = AllOfStorage()
    all_of_it.begin()
    try:
        all_of_it.store(1_000_000, 30)
        assert all_of_it.book.files[all_of_it.files[0]].state is FileState.STORED
        all_of_it.wait(3 * EPOCH)
        all_of_it.lose(1)
        assert all_of_it.paid(1)[1] == 0
        all_of_it.invariant_sto_7_seats_that_serve_and_only_they_are_paid()
        all_of_it.wait(EPOCH)
        all_of_it.succeed(1)
        all_of_it.collect(0)
        all_of_it.invariant_sto_2_no_wei_is_lost_between_the_contracts()
        all_of_it.invariant_sto_7_seats_that_serve_and_only_they_are_paid()
        all_of_it.invariant_sto_16_files_of_any_state_can_be_wound_up()
    finally:
        all_of_it.teardown()


TestAllOfStorage = AllOfStorage.TestCase
# a step is a dozen contracts with real signatures: a few runs in the quick profile, many in `deep`
TestAllOfStorage.settings = settings(
    max_examples=max(settings.default.max_examples // 5, 2), stateful_step_count=15
)
