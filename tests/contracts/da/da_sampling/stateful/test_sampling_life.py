"""Samples under any order of actions: contract and models agree, nobody is paid out of thin air."""

from collections.abc import Callable
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.da.fee_ledger import FeeLedger
from offchain.da.model import BlobState
from offchain.da.reverts import SAMPLING, PoolTooSmall, SampleRefused
from offchain.da.sampling_book import MAX_WINS, Round, reward_of
from tests.support.da import SAMPLE_PERIOD, TERMS, WINDOWS, DaSite, blob_tuple, draw, raw
from tests.support.da_sampling import (
    SampledBlob,
    a_sampled_blob,
    book_of,
    set_prevrandao,
    wire_sampling,
)
from tests.support.staking import a_wallet

LENGTH = 300_000
STORED: list[DaSite] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(undrawn_site: DaSite) -> None:
    """One deployment for all runs, made before any run; each run undoes what it did."""
    STORED.append(undrawn_site)


class LifeOfSamples(RuleBasedStateMachine):
    """Payers, signers, a prover, the Treasury and time, all at once."""

    @initialize()
    def begin(self) -> None:
        self.site = site = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        draw(site)
        wire_sampling(site)
        self.book = book_of(site)
        self.ledger = FeeLedger(TERMS, WINDOWS, raw(site.treasury))
        self.blobs: list[SampledBlob] = []
        self.paid: dict[tuple[int, bytes, int, int], int] = {}
        self.steps = 0

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)
            set_prevrandao(bytes(32))

    # Actions

    @rule(absent=st.sampled_from([(), (1,), (2, 4), (0,)]))
    def publish(self, absent: tuple[int, ...]) -> None:
        """Pay and confirm; the payment opens the round."""
        self._next_block()
        now, randomness = boa.env.timestamp, self._randomness()
        try:
            sampled = a_sampled_blob(
                self.site,
                LENGTH,
                [self.site.operators[number] for number in absent],
                salt=keccak(self.steps.to_bytes(8, "big")),
            )
        except boa.BoaError as error:
            # half of the stake is absent, or no table serves so long after the last draw
            reason = str(error.stack_trace.last_frame.pretty_vm_reason)
            assert reason in {"da_entrance: too few slices", "epoch_tables: not drawn"}
            if reason == "epoch_tables: not drawn":
                return
            # the payment stood: bring the model to where the contract is
            self._take_over_payment(now, randomness)
            return
        self.book.open_round(now, randomness)
        fee = self._pay_in_model(sampled.identifier, sampled.blob.payer, now)
        assert fee == self.site.entrance.quote(LENGTH, 14)
        self.ledger.confirm(sampled.identifier, now=boa.env.timestamp)
        self.blobs.append(sampled)

    def _take_over_payment(self, now: int, randomness: bytes) -> None:
        self.book.open_round(now, randomness)
        payer = raw(self.site.operators[0].owner)
        self._pay_in_model(keccak(b"unconfirmed", self.steps.to_bytes(8, "big")), payer, now)

    def _pay_in_model(self, identifier: bytes, payer: bytes, now: int) -> int:
        fee = self.site.entrance.quote(LENGTH, 14)
        self.ledger.pay(identifier, payer, length=LENGTH, days=14, value=fee, now=now)
        return int(fee)

    @rule()
    def open_round(self) -> None:
        self._next_block()
        expected = self.book.open_round(boa.env.timestamp, self._randomness())
        assert expected == self.site.sampling.open_round(sender=a_wallet("anybody"))

    @precondition(lambda self: self.blobs)
    @rule(data=st.data(), row=st.integers(0, 3_071), leaf=st.integers(0, 1), who=st.integers(0, 6))
    def answer(self, data: st.DataObject, row: int, leaf: int, who: int) -> None:
        """By the owner (5, 6), or by somebody who may not be."""
        sampled = data.draw(st.sampled_from(self.blobs))
        operators = self.site.operators
        sender = operators[who] if who < len(operators) else sampled.owner(row)
        self.agree(
            lambda: self._win_in_model(sampled, row, leaf, sender.owner),
            lambda: sampled.answer(row, leaf, sender=sender.owner),
        )

    @precondition(lambda self: self.blobs)
    @rule(data=st.data(), first=st.integers(0, 3_000), count=st.integers(1, 40))
    def answer_many(self, data: st.DataObject, first: int, count: int) -> None:
        """Rows one after the other: what fills rounds and moves the target."""
        sampled = data.draw(st.sampled_from(self.blobs))
        for row in range(first, first + count):
            sender = sampled.owner(row % 3_072).owner
            self.agree(
                lambda row=row, sender=sender: self._win_in_model(sampled, row % 3_072, 0, sender),
                lambda row=row: sampled.answer(row % 3_072, 0),
            )

    @precondition(lambda self: self.blobs)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        sampled = data.draw(st.sampled_from(self.blobs))
        if self.ledger.entries[sampled.identifier].state is BlobState.CONFIRMED:
            prover = self.site.fraud_proofs.address
            self.site.entrance.void(blob_tuple(sampled.blob), sender=prover)
            self.ledger.void(sampled.identifier)

    @precondition(lambda self: self.ledger.reward_pool > 0)
    @rule(who=st.integers(0, 4))
    def withdraw(self, who: int) -> None:
        owner = self.site.operators[who].owner
        if self.ledger.credits.get(raw(owner), 0):
            assert self.ledger.withdraw(raw(owner)) == self.site.entrance.withdraw(
                owner, sender=owner
            )

    @rule()
    def collect(self) -> None:
        assert self.ledger.collect() == self.site.entrance.collect()

    @rule(seconds=st.sampled_from([1, SAMPLE_PERIOD, 5 * SAMPLE_PERIOD, 14 * WINDOWS.day]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    # What always holds

    @invariant()
    def invariant_da_21_rounds_are_the_models(self) -> None:
        sampling = self.site.sampling
        assert self.book.round == Round(*sampling.round())
        assert sampling.is_open() == (
            self.book.number_at(boa.env.timestamp) == self.book.round.number
        )
        assert self.book.round.wins <= MAX_WINS
        assert sampling.reward_now() == reward_of(self.ledger.reward_pool)

    @invariant()
    def invariant_da_21_payments_come_out_of_earned_fees(self) -> None:
        assert sum(self.paid.values()) == self.ledger.rewarded <= self.ledger.earned
        assert self.ledger.reward_pool == self.site.entrance.reward_pool()

    @invariant()
    def invariant_da_12_money_is_conserved_to_the_wei(self) -> None:
        entrance = self.site.entrance
        assert self.ledger.owed == self.ledger.balance == boa.env.get_balance(entrance.address)
        for operator in self.site.operators:
            owner = operator.owner
            assert self.ledger.credits.get(raw(owner), 0) == entrance.credit_of(owner)

    # Parts

    def _next_block(self) -> None:
        self.steps += 1
        set_prevrandao(self._randomness())

    def _randomness(self) -> bytes:
        return keccak(b"block", self.steps.to_bytes(8, "big"))

    def _win_in_model(self, sampled: SampledBlob, row: int, leaf: int, sender: str) -> None:
        now = boa.env.timestamp
        if not self.ledger.is_available(sampled.identifier, now=now):
            raise SampleRefused
        owner = sampled.owner(row)
        signer = [s.operator_id for s in sampled.ballot.quorum.signers].index(owner.operator_id)
        if sampled.absent[0] >> signer & 1 or owner.owner != sender:
            raise SampleRefused
        amount = reward_of(self.ledger.reward_pool)
        if amount == 0:
            raise PoolTooSmall
        place = sampled.place(row, leaf)
        self.book.win(now, place, sampled.leaf(row, leaf))
        self.ledger.reward(raw(owner.owner), amount)
        key = (self.book.round.number, *place)
        assert key not in self.paid
        self.paid[key] = amount

    def agree(self, predict: Callable[[], Any], act: Callable[[], Any]) -> None:
        """Model and contract both do it, or both refuse for the same reason."""
        try:
            predict()
        except ApogeeError as fault:
            try:
                act()
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert SAMPLING[reason] is type(fault), (reason, fault)
                return
            raise AssertionError(f"the contract did what the model refuses: {fault!r}") from fault
        act()


TestLifeOfSamples = LifeOfSamples.TestCase
