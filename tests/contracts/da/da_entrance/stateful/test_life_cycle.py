"""The life of blobs under any order of actions: contract and model agree, no wei is lost."""

from collections.abc import Callable
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.core.layout import STEP_PAYLOAD_BYTES
from offchain.da.fee_ledger import FeeLedger
from offchain.da.model import Blob, BlobState, StakeTimes, Terms, TermsInvalid, check_terms
from offchain.da.reverts import ENTRANCE
from tests.support.da import (
    COMMITMENT,
    TERMS,
    WINDOWS,
    Ballot,
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    draw,
    mine_entropy,
    raw,
    terms_tuple,
)
from tests.support.staking import CUTOFF, EPOCH
from tests.support.staking import TERMS as STAKE_TERMS

LENGTHS = st.sampled_from([1, STEP_PAYLOAD_BYTES, STEP_PAYLOAD_BYTES + 1, 1_000_003])
EXTRA = st.sampled_from([-1, 0, 0, 0, 1, 10**15])
WAITS = st.sampled_from([1, WINDOWS.confirm, WINDOWS.confirm + 1, EPOCH, 20 * WINDOWS.day])
STAKE_TIMES = StakeTimes(EPOCH, CUTOFF, unbonding=STAKE_TERMS[0], evidence=STAKE_TERMS[2])
STORED: list[DaSite] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(undrawn_site: DaSite) -> None:
    """One deployment for all runs, made before any run; each run undoes what it did."""
    STORED.append(undrawn_site)


class LifeOfBlobs(RuleBasedStateMachine):
    """Payers, relayers, the Treasury, governance and time, all at once."""

    @initialize()
    def begin(self) -> None:
        self.site = site = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        draw(site)
        site.entrance.wire(site.challenges.address, site.signers.address, sender=site.governance)
        self.model = FeeLedger(TERMS, WINDOWS, raw(site.treasury))
        self.blobs: list[Blob] = []
        self.ballots: dict[bytes, Ballot] = {}
        self.salt = 0

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # Actions

    @rule(payer=st.integers(0, 3), length=LENGTHS, days=st.integers(0, 22), extra=EXTRA)
    def pay(self, payer: int, length: int, days: int, extra: int) -> None:
        owner = self.site.operators[payer].owner
        self.salt += 1
        blob = a_blob(
            owner,
            owner,
            length=length,
            retention_days=days,
            salt=keccak(self.salt.to_bytes(8, "big")),
        )
        self._pay(blob, extra)

    @precondition(lambda self: self.blobs)
    @rule(data=st.data())
    def pay_again(self, data: st.DataObject) -> None:
        self._pay(data.draw(st.sampled_from(self.blobs)), 0)

    def _pay(self, blob: Blob, extra: int) -> None:
        identifier = self.site.blob_id(blob)
        fee = max(blob.length, STEP_PAYLOAD_BYTES) * self.model.terms.price * blob.retention_days
        value = max(fee + extra, 0)
        is_new = identifier not in self.model.entries
        self.agree(
            lambda: self.model.pay(
                identifier,
                blob.payer,
                length=blob.length,
                days=blob.retention_days,
                value=value,
                now=boa.env.timestamp,
            ),
            lambda: self.site.entrance.pay(
                blob_tuple(blob), COMMITMENT, b"", value=value, sender="0x" + blob.payer.hex()
            ),
        )
        if is_new and identifier in self.model.entries:
            self.blobs.append(blob)
            with boa.env.anchor():
                entropy = mine_entropy(self.site, identifier)
                self.ballots[identifier] = ballot(self.site, blob, entropy)

    @precondition(lambda self: self.blobs)
    @rule(data=st.data(), is_forged=st.booleans())
    def confirm(self, data: st.DataObject, is_forged: bool) -> None:
        blob = data.draw(st.sampled_from(self.blobs))
        identifier = self.site.blob_id(blob)
        is_open = (
            self.model.entries[identifier].state is BlobState.PAID
            and boa.env.timestamp <= self.model.entries[identifier].deadline
        )
        mine_entropy(self.site, identifier)
        arguments = self._certificate(blob, is_forged=is_forged)
        if is_forged and is_open:
            with boa.reverts("da_entrance: wrong signature"):
                self.site.entrance.confirm(*arguments)
            return
        self.agree(
            lambda: self.model.confirm(identifier, now=boa.env.timestamp),
            lambda: self.site.entrance.confirm(*arguments),
        )

    @precondition(lambda self: self.blobs)
    @rule(data=st.data())
    def confirm_many(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.blobs), max_size=4))
        forged = data.draw(st.lists(st.booleans(), min_size=4, max_size=4))
        for blob in chosen:
            mine_entropy(self.site, self.site.blob_id(blob))
        batch = []
        for blob, is_forged in zip(chosen, forged, strict=False):
            batch.append(self._certificate(blob, is_forged=is_forged))
            if not is_forged:
                try:
                    self.model.confirm(self.site.blob_id(blob), now=boa.env.timestamp)
                except ApogeeError:
                    continue
        self.site.entrance.confirm_many(batch)

    @precondition(lambda self: self.blobs)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        blob = data.draw(st.sampled_from(self.blobs))
        identifier = self.site.blob_id(blob)
        self.agree(
            lambda: self.model.refund(identifier, now=boa.env.timestamp),
            lambda: self.site.entrance.refund(blob_tuple(blob)),
        )

    @precondition(lambda self: self.model.held > 0)
    @rule(data=st.data())
    def miss_the_deadline(self, data: st.DataObject) -> None:
        overdue = data.draw(st.sampled_from(self._in_state(BlobState.PAID)))
        identifier = self.site.blob_id(overdue)
        late = self.model.entries[identifier].deadline + 1 - boa.env.timestamp
        boa.env.time_travel(seconds=max(late, 0))
        self.model.refund(identifier, now=boa.env.timestamp)
        self.site.entrance.refund(blob_tuple(overdue))

    @precondition(lambda self: self.blobs)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        blob = data.draw(st.sampled_from(self.blobs))
        self.agree(
            lambda: self.model.void(self.site.blob_id(blob)),
            lambda: self.site.entrance.void(blob_tuple(blob), sender=self.site.challenges.address),
        )

    @rule(
        who=st.integers(0, 4),
        amount=st.sampled_from([0, 1, 10**12, 10**17]),
        all_of_it=st.booleans(),
    )
    def reward(self, who: int, amount: int, all_of_it: bool) -> None:
        server = self.site.operators[who].owner
        wei = self.model.reward_pool if all_of_it else amount
        self.agree(
            lambda: self.model.reward(raw(server), wei),
            lambda: self.site.entrance.reward(server, wei, sender=self.site.signers.address),
        )

    @rule()
    def collect(self) -> None:
        assert self.model.collect() == self.site.entrance.collect()

    @rule(who=st.integers(0, 5))
    def withdraw(self, who: int) -> None:
        accounts = [*(operator.owner for operator in self.site.operators), self.site.treasury]
        account = accounts[who]
        before = boa.env.get_balance(account)
        self.agree(
            lambda: self.model.withdraw(raw(account)),
            lambda: self.site.entrance.withdraw(account, sender=account),
        )
        assert boa.env.get_balance(account) >= before

    @rule(
        seconds=st.sampled_from([1, WINDOWS.confirm, WINDOWS.confirm + 1, EPOCH, 20 * WINDOWS.day])
    )
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @rule(is_paused=st.booleans())
    def pause(self, is_paused: bool) -> None:
        self.site.entrance.set_paused(is_paused, sender=self.site.governance)
        self.model.is_paused = is_paused

    @rule(
        price=st.sampled_from([1, 10**9, 10**12]),
        confirm_slices=st.sampled_from([2_047, 2_048, 3_072]),
        days=st.sampled_from([1, 21, 26]),
    )
    def set_terms(self, price: int, confirm_slices: int, days: int) -> None:
        terms = Terms(price, confirm_slices, 1_024, days)
        try:
            check_terms(terms, WINDOWS, STAKE_TIMES)
        except TermsInvalid as fault:
            with boa.reverts(f"blob_terms: {fault.fields['rule']}"):
                self.site.entrance.set_terms(terms_tuple(terms), sender=self.site.governance)
            return
        self.site.entrance.set_terms(terms_tuple(terms), sender=self.site.governance)
        self.model.terms = terms

    # What always holds

    @invariant()
    def invariant_da_12_money_is_conserved_to_the_wei(self) -> None:
        entrance = self.site.entrance
        assert self.model.owed == self.model.balance == boa.env.get_balance(entrance.address)
        assert self.model.held == entrance.held()
        assert (
            self.model.rewarded + self.model.reward_pool + self.model.earned // 10
            == self.model.earned
        )
        assert self.model.reward_pool == entrance.reward_pool()
        accounts = [*(operator.owner for operator in self.site.operators), self.site.treasury]
        for account in accounts:
            assert self.model.credits.get(raw(account), 0) == entrance.credit_of(account)

    @invariant()
    def invariant_da_13_states_are_the_models(self) -> None:
        now = boa.env.timestamp
        for blob in self.blobs:
            identifier = self.site.blob_id(blob)
            record, entry = self.site.record(identifier), self.model.entries[identifier]
            assert (record.state, record.deadline, record.expiry) == (
                entry.state,
                entry.deadline,
                entry.expiry,
            )
            is_available = self.site.entrance.is_available(identifier)
            assert is_available == self.model.is_available(identifier, now=now)

    @invariant()
    def invariant_da_13_every_overdue_fee_can_be_refunded(self) -> None:
        now = boa.env.timestamp
        with boa.env.anchor():
            for blob in self.blobs:
                entry = self.model.entries[self.site.blob_id(blob)]
                if entry.state is BlobState.PAID and now > entry.deadline:
                    self.site.entrance.refund(blob_tuple(blob))

    # Parts

    def _in_state(self, state: BlobState) -> list[Blob]:
        return [b for b in self.blobs if self.model.entries[self.site.blob_id(b)].state is state]

    def agree(self, predict: Callable[[], Any], act: Callable[[], Any]) -> None:
        """Model and contract both do it, or both refuse for the same reason."""
        try:
            predict()
        except ApogeeError as fault:
            try:
                act()
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert ENTRANCE[reason] is type(fault), (reason, fault)
                return
            raise AssertionError(f"the contract did what the model refuses: {fault!r}") from fault
        act()

    def _certificate(self, blob: Blob, *, is_forged: bool) -> tuple[Any, ...]:
        votes = self.ballots[self.site.blob_id(blob)]
        signers = range(len(votes.secrets))
        signature = votes.signature(signers, keccak(b"forged") if is_forged else votes.digest)
        return blob_tuple(blob), b"", signature.eip2537()


TestLifeOfBlobs = LifeOfBlobs.TestCase
