"""Files, seats, payers and time under any order: contract and model agree, no wei is lost."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.storage.model import FileState, profile_of
from offchain.storage.reverts_market import MARKET
from tests.support.da import raw
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage import (
    LOCAL,
    PRICE,
    SOLO,
    MarketSite,
    a_file,
    booked,
    booked_model,
    mine_entropy,
    offer_of,
    open_group,
    opening_of,
    randomness_of,
    receipts,
)
from tests.support.storage_log import submission_tuple

STORED: list[MarketSite] = []
CONFIRM, GRACE, REPAIR = 36, 6 * EPOCH, 2 * EPOCH
LENGTHS = st.sampled_from([1, 253_953, 32_505_857, 20_000 * 1_000_000])
TERMS = st.sampled_from([1, 2, 9, 40, 300])
COSTS = st.sampled_from([1, 10**12, 10**16])
PRICES = st.sampled_from([0, 1, PRICE, 2 * PRICE, 3 * PRICE])
WAITS = st.sampled_from([1, CONFIRM, CONFIRM + 1, EPOCH, 3 * EPOCH, GRACE, 40 * EPOCH])


@pytest.fixture(scope="module", autouse=True)
def deployed(empty_market: MarketSite) -> None:
    """One deployment for all runs, made before any run; each run undoes what it did."""
    STORED.append(empty_market)


class FilesAndSeats(RuleBasedStateMachine):
    """Owners, seats that come and go, groups, relayers, and time."""

    @initialize()
    def begin(self) -> None:
        self.site = site = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.book = site.book()
        self.market = site.market
        self.owners = [a_wallet(f"owner {number}") for number in range(2)]
        self.relayer = a_wallet("relayer")
        self.files: list[bytes] = []
        self.nonce = 0
        self.open_group(LOCAL, 600)
        self.open_group(SOLO, 100)

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # Groups and seats

    @precondition(lambda self: len(self.book.groups) < 6)
    @rule(profile=st.sampled_from([LOCAL, SOLO]), longest=st.sampled_from([20, 600]))
    def open_group(self, profile: int, longest: int) -> None:
        group = len(self.book.groups) + 1
        seats = open_group(self.site, group, profile=profile, longest=longest)
        offer = offer_of(2 * PRICE, len(seats), longest)
        self.book.open_group(group, profile, seats, terms=offer)

    @rule(data=st.data(), operator=st.integers(0, 4), price=PRICES)
    def change_seat(self, data: st.DataObject, operator: int, price: int) -> None:
        group = data.draw(st.sampled_from(sorted(self.book.groups)))
        seat = data.draw(st.integers(0, len(self.book.groups[group].seats) - 1))
        successor = self.site.operators[operator].operator_id
        self.agree(
            lambda: self.book.change_seat(group, seat, successor, price, now=self.now),
            lambda: self.site.seats.change(group, seat, successor, price),
        )

    @rule(data=st.data())
    def shut_group(self, data: st.DataObject) -> None:
        group = data.draw(st.sampled_from(sorted(self.book.groups)))
        self.agree(lambda: self.book.shut_group(group), lambda: self.site.seats.shut(group))

    @rule(data=st.data())
    def collect(self, data: st.DataObject) -> None:
        group = data.draw(st.sampled_from(sorted(self.book.groups)))
        seat = data.draw(st.integers(0, len(self.book.groups[group].seats) - 1))
        self.agree(
            lambda: self.book.collect(group, seat, now=self.now),
            lambda: self.market.collect(group, seat, sender=self.relayer),
        )

    @rule(data=st.data())
    def advance(self, data: st.DataObject) -> None:
        group = data.draw(st.sampled_from(sorted(self.book.groups)))
        self.book.advance(group, now=self.now)
        self.market.advance(group, sender=self.relayer)

    # Files

    @rule(owner=st.integers(0, 1), profile=st.sampled_from([LOCAL, SOLO]), extra=st.integers(0, 1),
          length=LENGTHS, term=TERMS, cost=COSTS)  # fmt: skip
    def submit(
        self, owner: int, profile: int, extra: int, length: int, term: int, cost: int
    ) -> None:
        self.nonce += 1
        submission = a_file(
            self.owners[owner],
            nonce=self.nonce,
            root=keccak(b"root"),
            profile=profile,
            length=length,
            segments=-(-length // 32_505_856),
            term_epochs=term,
            max_cost=cost,
        )
        file_id = self.site.id_of(submission)
        value, sender = cost + extra, self.owners[owner]
        self.book.open(file_id, opening_of(submission), value=value, now=self.now)
        before = boa.env.get_balance(sender)
        self.site.base.log.submit(submission_tuple(submission), b"", value=value, sender=sender)
        assert before - boa.env.get_balance(sender) == cost
        self.files.append(file_id)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def place(self, data: st.DataObject) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        entropy = mine_entropy(self.site, file_id, 257)
        if boa.env.evm.patch.block_number - self.site.base.log.submitted(file_id)[1] > 8_000:
            return
        randomness = randomness_of(self.site, file_id)
        self.agree(
            lambda: self.book.place(file_id, randomness=randomness, entropy=entropy, now=self.now),
            lambda: self.market.place(file_id, sender=self.relayer),
        )

    @precondition(lambda self: self.in_state(FileState.PLACED))
    @rule(data=st.data(), absent=st.integers(0, 1))
    def confirm(self, data: st.DataObject, absent: int) -> None:
        file_id = data.draw(st.sampled_from(self.in_state(FileState.PLACED)))
        arguments = receipts(self.site, file_id, absent)
        if absent:  # local and solo need every seat
            with boa.reverts():
                self.market.confirm(*arguments, sender=self.relayer)
            return
        self.agree(
            lambda: self.book.confirm(file_id, now=self.now),
            lambda: self.market.confirm(*arguments, sender=self.relayer),
        )

    @precondition(lambda self: self.files)
    @rule(data=st.data(), length=LENGTHS, term=TERMS)
    def store_at_once(self, data: st.DataObject, length: int, term: int) -> None:
        """What random steps rarely reach in time."""
        self.submit(0, data.draw(st.sampled_from([LOCAL, SOLO])), 0, length, term, 10**16)
        file_id = self.files[-1]
        entropy = mine_entropy(self.site, file_id, 257)
        randomness = randomness_of(self.site, file_id)
        self.agree(
            lambda: self.book.place(file_id, randomness=randomness, entropy=entropy, now=self.now),
            lambda: self.market.place(file_id, sender=self.relayer),
        )
        if self.book.files[file_id].state is FileState.PLACED:
            arguments = receipts(self.site, file_id)
            self.agree(
                lambda: self.book.confirm(file_id, now=self.now),
                lambda: self.market.confirm(*arguments, sender=self.relayer),
            )

    @precondition(lambda self: self.files)
    @rule(data=st.data(), act=st.sampled_from(["refund", "close", "declare_lost"]))
    def end(self, data: st.DataObject, act: str) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: getattr(self.book, act)(file_id, now=self.now),
            lambda: getattr(self.market, act)(file_id, sender=self.relayer),
        )

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: self.book.void(file_id, now=self.now),
            lambda: self.market.void(file_id, sender=self.site.proofs),
        )

    @precondition(lambda self: self.files)
    @rule(
        data=st.data(), epochs=TERMS, is_owner=st.booleans(), extra=st.sampled_from([-1, 0, 10**9])
    )
    def renew(self, data: st.DataObject, epochs: int, is_owner: bool, extra: int) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        owner = "0x" + self.book.files[file_id].opening.owner.hex()
        payer = owner if is_owner else self.relayer
        value = 10**15
        with suppress(ApogeeError):
            price = self.book.renewal_price(file_id, epochs, raw(payer), now=self.now)
            value = max(price + extra, 0)
        before = boa.env.get_balance(payer)
        paid = self.agree(
            lambda: self.book.renew(file_id, epochs, raw(payer), value=value, now=self.now),
            lambda: self.market.renew(file_id, epochs, value=value, sender=payer),
        )
        assert before - boa.env.get_balance(payer) == (paid or 0)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), is_owner=st.booleans())
    def release(self, data: st.DataObject, is_owner: bool) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        owner = "0x" + self.book.files[file_id].opening.owner.hex()
        sender = owner if is_owner else self.relayer
        self.agree(
            lambda: self.book.release(file_id, raw(sender), now=self.now),
            lambda: self.market.release(file_id, sender=sender),
        )

    @rule(who=st.integers(0, 6))
    def withdraw(self, who: int) -> None:
        account = self.accounts()[who]
        before = boa.env.get_balance(account)
        paid = self.agree(
            lambda: self.book.withdraw(raw(account)),
            lambda: self.market.withdraw(account, sender=account),
        )
        assert boa.env.get_balance(account) == before + (paid or 0)

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    # What always holds

    @invariant()
    def invariant_sto_2_money_is_conserved_to_the_wei(self) -> None:
        balance = boa.env.get_balance(self.market.address)
        assert self.book.owed == self.book.balance == balance
        for group, flow in self.book.groups.items():
            assert flow.escrow == self.market.group(group).escrow
        for account in self.accounts():
            assert self.book.credits.get(raw(account), 0) == self.market.credit_of(account)

    @invariant()
    def invariant_sto_3_states_and_lists_are_the_models(self) -> None:
        for file_id in self.files:
            assert booked(self.site, file_id) == booked_model(self.book.files[file_id])
        for profile in (LOCAL, SOLO):
            listed = self.book.listed.get(profile, [])
            assert self.market.listed_count(profile) == len(listed)
            assert [self.market.listed_group(profile, at) for at in range(len(listed))] == listed

    @invariant()
    def invariant_sto_7_integrals_are_the_models(self) -> None:
        epoch = self.book.clock.epoch_of(self.now)
        for number, flow in self.book.groups.items():
            group = self.market.group(number)
            assert (group.rate, group.bytes, group.taken) == (flow.rate, flow.bytes, flow.taken)
            assert (group.cost_integral, group.byte_integral) == (flow.cost, flow.byte_seconds)
            assert (group.paid_seats, group.short_since) == (flow.paid_seats, flow.short_since)
            for past in (0, 1, 5):
                numbered = flow.bytes_at(max(epoch - past, 0))
                assert self.market.bytes_at(number, max(epoch - past, 0)) == numbered
        kept = sum(flow.bytes * flow.profile.seats for flow in self.book.groups.values())
        assert self.market.total_kept() == kept

    @invariant()
    def invariant_sto_16_everything_can_be_wound_up(self) -> None:
        """From any state, after any time: files end, seats are paid, only fractions stay."""
        with boa.env.anchor():
            boa.env.time_travel(seconds=700 * EPOCH + GRACE)
            for group in self.book.groups:
                self.market.advance(group)
            for file_id, file in self.book.files.items():
                if file.state in {FileState.SUBMITTED, FileState.PLACED}:
                    self.market.refund(file_id)
                elif file.state is FileState.STORED:
                    self.market.close(file_id)
            for number, flow in self.book.groups.items():
                for seat, pay in enumerate(flow.seats):
                    if pay.price:
                        self.market.collect(number, seat)
                left = self.market.group(number).escrow
                assert left <= len(self.files) + len(flow.seats)

    # Parts

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def accounts(self) -> list[str]:
        return [*self.owners, *(operator.owner for operator in self.site.operators)]

    def in_state(self, state: FileState) -> list[bytes]:
        return [one for one in self.files if self.book.files[one].state is state]

    def agree(self, predict: Callable[[], Any], act: Callable[[], Any]) -> Any:
        """Model and contract both do it, or both refuse for the same reason."""
        try:
            expected = predict()
        except ApogeeError as fault:
            try:
                act()
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert MARKET[reason] is type(fault), (reason, fault)
                return None
            raise AssertionError(f"the contract did what the model refuses: {fault!r}") from fault
        answer = act()
        if expected is not None:
            assert expected == answer
        return expected


def test_profiles_of_the_machine__receipts__are_of_every_seat() -> None:
    assert all(profile_of(one).receipts == profile_of(one).seats for one in (LOCAL, SOLO))


TestFilesAndSeats = FilesAndSeats.TestCase
# a step is three contracts and both integrals of every group
TestFilesAndSeats.settings = settings(max_examples=max(settings.default.max_examples // 4, 2))
