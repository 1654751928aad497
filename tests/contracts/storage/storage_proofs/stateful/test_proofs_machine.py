"""Challenges and demands under any order of actions: contract and model agree, no wei is lost."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.storage.challenge_draw import MAX_ATTEMPTS
from offchain.storage.onchain_proofs import Wanted
from offchain.storage.proof_book import HISTORY, Holder, ProofBook, Verdict, declared_wei
from offchain.storage.reverts_proofs import PROOFS
from tests.support.da import raw
from tests.support.native_evm import return_to
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage_proofs import (
    ANSWER,
    EVIDENCE,
    GROUP,
    MIN_BOND,
    PRICE,
    SERVING,
    SUSPECT,
    VACANT,
    AFile,
    ProofsSite,
    default,
    files_in_a_row,
    fine,
    proof_of,
    prove,
    store,
)

SEATS = st.integers(0, 3)
BACK = st.integers(0, 4)
WAITS = st.sampled_from([1, ANSWER // 2, ANSWER, EPOCH, EPOCH, 3 * EPOCH])
STORED: list[tuple[ProofsSite, list[AFile]]] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(seated: ProofsSite) -> Iterator[None]:
    """Three files since epoch 10 for all runs; each run undoes what it did."""
    with boa.env.anchor():
        return_to("proofs")
        files = files_in_a_row(3)
        store(seated, files)
        STORED.append((seated, files))
        yield


class Proofs(RuleBasedStateMachine):
    """Seats that answer, are silent or give up, successors, people who demand, and time."""

    @initialize()
    def begin(self) -> None:
        self.site, self.files = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.model = ProofBook(self.site.clock, MIN_BOND)
        self.people = [a_wallet("demander"), a_wallet("griefer"), self.site.operators[1].owner]
        self.states = dict.fromkeys(range(4), SERVING)
        self.holders = {
            seat: Holder(int(held[0]), PRICE, int(held[4]))
            for seat in range(4)
            for held in [self.site.files.seat(GROUP, seat)]
        }
        self.taken: dict[tuple[int, int], int] = {}  # operator and epoch: wei the model expects

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # What is the same on both sides

    def now(self) -> int:
        return int(boa.env.timestamp)

    def holder_at(self, seat: int, time: int) -> Holder:
        held = self.site.files.holder_at(GROUP, seat, time)
        holder = Holder(int(held[0]), int(held[1]), int(held[2]))
        return replace(holder, is_present=holder == self.holders[seat])

    def base_fee(self) -> int:
        return int(boa.env.evm.vm.state.execution_context._base_fee_per_gas)

    def attempt(self, call: Callable[[], Any], expected: Callable[[], Any]) -> tuple[Any, Any]:
        """Both succeed, or both fail for the same kind of reason."""
        refusal: type[ApogeeError] | None = None
        outcome = None
        try:
            outcome = expected()
        except ApogeeError as error:
            refusal = type(error)
        if refusal is None:
            return call(), outcome
        with pytest.raises(boa.BoaError) as failure:
            call()
        reasons = [reason for reason, kind in PROOFS.items() if kind is refusal]
        assert any(reason in str(failure.value) for reason in reasons), (refusal, failure.value)
        return None, None

    def sentenced(self, epoch: int, seat: int, holder: Holder, verdict: Verdict) -> None:
        """Book what the court takes, and what becomes of the seat if it is still his."""
        key = holder.operator_id, epoch
        self.taken[key] = self.taken.get(key, 0) + verdict.amount
        if holder.is_present and self.states[seat] != VACANT:
            self.states[seat] = VACANT if verdict.is_lost else SUSPECT

    # Actions

    @rule(wait=WAITS)
    def wait(self, wait: int) -> None:
        boa.env.time_travel(seconds=wait)

    @rule(seat=SEATS, back=BACK)
    def prove(self, seat: int, back: int) -> None:
        epoch = self.site.epoch() - min(back, 1)
        tries = MAX_ATTEMPTS if self.site.standing(seat).is_suspect else 1
        proof = proof_of(self.site, self.files, epoch, seat, tries=tries)
        _, restored = self.attempt(
            lambda: prove(self.site, proof, epoch, seat),
            lambda: self.model.prove(epoch, GROUP, seat, now=self.now()),
        )
        if restored and self.states[seat] == SUSPECT:
            self.states[seat] = SERVING

    @rule(seat=SEATS, back=BACK)
    def default(self, seat: int, back: int) -> None:
        epoch = max(self.site.epoch() - back, 10)
        holder = self.holder_at(seat, self.site.clock.start_of(epoch))
        misses, verdict = self.attempt(
            lambda: default(self.site, self.files, epoch, seat),
            lambda: self.model.default(
                epoch, GROUP, seat, holder, fine=fine(self.files), now=self.now()
            ),
        )
        if verdict is not None:
            assert verdict.misses == misses
            self.sentenced(epoch, seat, holder, verdict)

    @rule(seat=SEATS, who=st.integers(0, 2))
    def take_over(self, seat: int, who: int) -> None:
        operator = self.site.operators[who]
        boa.env.time_travel(seconds=1)
        self.site.files.set_seat(GROUP, seat, operator.operator_id, PRICE)
        self.holders[seat] = Holder(operator.operator_id, PRICE, self.now())
        self.states[seat] = SERVING
        boa.env.time_travel(seconds=1)

    @rule(seat=SEATS)
    def declare(self, seat: int) -> None:
        held = self.holders[seat]
        owner = self.site.operators[held.operator_id - 1].owner
        if self.states[seat] == VACANT:
            with boa.reverts("penalties: nobody's seat"):
                self.site.proofs.declare_loss(GROUP, seat, sender=owner)
            return
        boa.env.time_travel(seconds=1)
        self.site.proofs.declare_loss(GROUP, seat, sender=owner)
        key = held.operator_id, self.site.epoch()
        self.taken[key] = self.taken.get(key, 0) + declared_wei(fine(self.files))
        self.states[seat] = VACANT

    @precondition(lambda self: len(self.model.demands) < 20)
    @rule(
        seat=SEATS,
        leaf=st.integers(0, 3),
        who=st.integers(0, 1),
        extra=st.sampled_from([-1, 0, 0, 9]),
    )
    def demand(self, seat: int, leaf: int, who: int, extra: int) -> None:
        if self.states[seat] == VACANT:
            return
        site, wanted = self.site, Wanted(self.files[0].id, 0, seat, 64 * seat, leaf)
        operator_id = self.holders[seat].operator_id
        value = site.proofs.bond(operator_id) + extra
        demander = self.people[who]
        fields = (wanted.id, 0, seat, wanted.row, leaf)
        self.attempt(
            lambda: site.proofs.demand(fields, value=value, sender=demander),
            lambda: self.model.demand(
                wanted,
                operator_id,
                raw(demander),
                value=value,
                base_fee=self.base_fee(),
                now=self.now(),
            ),
        )

    @precondition(lambda self: self.model.demands)
    @rule(pick=st.integers(0, 99), who=st.integers(0, 2))
    def answer(self, pick: int, who: int) -> None:
        wanted = list(self.model.demands)[pick % len(self.model.demands)]
        demand = self.model.demands[wanted]
        file, account = self.files[0], self.people[who]
        owner = self.site.operators[demand.operator_id - 1].owner
        caller = int(self.site.stake.operator_of(account))
        frame = file.frame(wanted.row, wanted.leaf)
        self.attempt(
            lambda: self.site.proofs.answer(
                wanted.id, wanted.seat, file.shown(), frame, sender=account
            ),
            lambda: self.model.answer(wanted, raw(account), caller, raw(owner), now=self.now()),
        )

    @precondition(lambda self: self.model.demands)
    @rule(pick=st.integers(0, 99))
    def close(self, pick: int) -> None:
        wanted = list(self.model.demands)[pick % len(self.model.demands)]
        demand, seat = self.model.demands[wanted], wanted.seat
        holder = self.holder_at(seat, demand.opened_at)
        barred_at = self.site.clock.start_of(demand.epoch + 1) + EVIDENCE
        fields = (wanted.id, 0, seat, wanted.row, wanted.leaf)
        is_convicted, verdict = self.attempt(
            lambda: self.site.proofs.close(fields, sender=a_wallet("closer")),
            lambda: self.model.close(
                wanted,
                GROUP,
                holder,
                is_owed=self.now() <= barred_at,
                fine=fine(self.files),
                now=self.now(),
            ),
        )
        if is_convicted is not None:
            assert is_convicted == (verdict is not None)
        if verdict is not None:
            self.sentenced(demand.epoch, seat, holder, verdict)

    @rule(who=st.integers(0, 2))
    def withdraw(self, who: int) -> None:
        account = self.people[who]
        self.attempt(
            lambda: self.site.proofs.withdraw(account, sender=account),
            lambda: self.model.withdraw(raw(account)),
        )

    # What always holds

    @invariant()
    def bonds_and_credits_are_the_balance(self) -> None:
        proofs = self.site.proofs
        assert self.model.balance == self.model.owed
        assert boa.env.get_balance(proofs.address) == self.model.balance
        for account in self.people:
            assert proofs.credit_of(account) == self.model.credits.get(raw(account), 0)
        for operator in self.site.operators:
            waiting = self.model.waiting(operator.operator_id)
            assert proofs.demands_open(operator.operator_id) == waiting

    @invariant()
    def invariant_sto_9_standings_and_stakes_are_the_models(self) -> None:
        for seat in range(4):
            record, standing = self.model.record(GROUP, seat), self.site.standing(seat)
            seen = standing.last_seen
            proven = {seen - i for i in range(HISTORY) if standing.proven >> i & 1}
            missed = {seen - i for i in range(HISTORY) if standing.missed >> i & 1}
            assert (record.proven, record.missed) == (proven, missed)
            assert record.is_suspect == standing.is_suspect
            assert self.site.seat_state(seat) == self.states[seat]
        for (operator_id, epoch), amount in self.taken.items():
            operator = self.site.operators[operator_id - 1]
            assert self.site.slashed(operator, epoch) == amount


TestProofs = Proofs.TestCase
TestProofs.settings = settings(max_examples=max(settings.default.max_examples // 2, 2))
