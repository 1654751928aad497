"""Any order of reports, vetoes, settlements, exits and idle time: the court equals its model.

Four operators of unequal stake, one of them with delegators, serve DA; every class of offence is
reported true, repeated, stale, for the wrong service, and settled in whatever order comes up.
"""

from random import Random

import boa
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from offchain.core.units import BPS
from offchain.staking.court import EPOCH_CAP_BPS, CaseState, Finding
from offchain.staking.model import PoolId, Service, pool_id
from tests.support.court import (
    CORRELATED_PROOF,
    NAMED,
    NAMED_SILENCE,
    PROOF,
    SILENCE,
    TOTAL,
    VERDICT,
    CourtSite,
    deploy_court,
)
from tests.support.court_twins import CourtTwins
from tests.support.ledger_twins import an_account
from tests.support.native_evm import prepare_native_evm
from tests.support.staking import COIN, DAY, EPOCH

OPERATORS = 4
SEATS = 4_096
STAKES = (1_000, 400, 250, 120)
COMMON = (CORRELATED_PROOF, SILENCE, VERDICT, NAMED, NAMED_SILENCE)
NUMBER = st.integers(0, 10**6)
WAITING = CaseState.PENDING | CaseState.QUEUED
BACKS = st.lists(st.integers(0, 14), min_size=2, max_size=4)


class CourtMachine(RuleBasedStateMachine):
    """The court under arbitrary use."""

    def __init__(self) -> None:
        super().__init__()
        prepare_native_evm()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.site: CourtSite = deploy_court()
        self.twins = CourtTwins(self.site, max_operators=SEATS)
        self.owners = [an_account(f"owner {number}") for number in range(OPERATORS)]
        self.delegator = an_account("delegator")
        self.reporters = [an_account(f"reporter {number}") for number in range(2)]
        self.victim, self.stranger = an_account("victim"), an_account("stranger")
        self.receiver = boa.env.generate_address("receiver")
        self.pools: list[PoolId] = []
        self.numbers: list[bytes] = []
        self.findings: list[Finding] = []
        self.most_staked = 0
        ledgers = self.twins.ledgers
        for place, (owner, stake) in enumerate(zip(self.owners, STAKES, strict=True)):
            operator = ledgers.register(owner, 500 + place)
            ledgers.join(owner, Service.DA, stake * COIN, 0)
            self.pools.append(pool_id(operator or 0, Service.DA))
        ledgers.delegate(self.delegator, self.pools[1], 300 * COIN)
        ledgers.roll(20 * EPOCH)

    def teardown(self) -> None:
        try:
            for number in self.numbers:
                self.twins.compare_case(number)
        finally:
            self.anchor.__exit__(None, None, None)

    # --- reports
    @rule(who=NUMBER, offence=st.sampled_from(COMMON), back=st.integers(0, 8), bits=NUMBER)
    def report_true(self, who: int, offence: int, back: int, bits: int) -> None:
        self._report(who, offence, back, bits)

    @rule(
        offence=st.sampled_from(COMMON), backs=st.lists(st.integers(0, 14), min_size=2, max_size=4)
    )
    def report_incident(self, offence: int, backs: list[int]) -> None:
        """Several operators, or one again and again, at about the same time."""
        for who, back in enumerate(backs):
            self._report(who + back, offence, back, who)

    @precondition(lambda self: len(self.numbers) > 2)
    @rule(who=NUMBER, offence=st.sampled_from((PROOF, TOTAL)), back=st.integers(0, 2))
    def report_grave(self, who: int, offence: int, back: int) -> None:
        self._report(who, offence, back, who)

    @rule(who=NUMBER, back=st.integers(150, 400))
    def report_stale_or_early(self, who: int, back: int) -> None:
        self._report(who, CORRELATED_PROOF, back if who % 2 else -back, who)

    @precondition(lambda self: self.findings)
    @rule(which=NUMBER, back=st.integers(0, 3))
    def report_repeated(self, which: int, back: int) -> None:
        """The same offence again, perhaps under another epoch."""
        finding = self.findings[which % len(self.findings)]
        again = Finding(
            offence=finding.offence,
            pool=finding.pool,
            epoch=max(finding.epoch - back, 0),
            subject=finding.subject,
            amount=finding.amount,
        )
        assert not self.twins.convict(again, self.reporters[0])

    @rule(who=NUMBER, kind=st.integers(0, 4))
    def report_mutated(self, who: int, kind: int) -> None:
        epoch = self._epoch()
        pool = self.pools[who % OPERATORS]
        subject = b"\xaa" * 32
        finding = (
            Finding(NAMED, pool, epoch, subject),
            Finding(PROOF, pool, epoch, subject, amount=COIN),
            Finding(PROOF, pool + 1, epoch, subject),
            Finding(PROOF, pool, epoch, subject, loss=1),
            Finding(PROOF, 99 << 8 | Service.DA, epoch, subject),
        )[kind]
        assert not self.twins.convict(finding, None)

    # --- ways of a case
    @precondition(lambda self: self._in(WAITING))
    @rule(order=st.randoms(use_true_random=False), late=st.sampled_from((True, True, False)))
    def execute(self, order: Random, *, late: bool) -> None:
        """Everything that waits, in shuffled order; some too early, some beyond the cap."""
        waiting = self._in(WAITING)
        order.shuffle(waiting)
        if late:
            self.twins.ledgers.roll(2 * DAY)
        for number in waiting:
            if self.twins.execute(number, self.stranger):
                event("a waiting case executed")

    @precondition(lambda self: self._in(CaseState.EXECUTED))
    @rule(order=st.randoms(use_true_random=False), late=st.sampled_from((True, True, False)))
    def settle(self, order: Random, *, late: bool) -> None:
        """All that are open, in shuffled order; some too early."""
        running = self._in(CaseState.EXECUTED)
        order.shuffle(running)
        if late:
            self.twins.ledgers.roll(26 * DAY)
        for number in running:
            if self.twins.settle(number, self.stranger):
                event("correlation took more")

    @precondition(lambda self: self.numbers)
    @rule(which=NUMBER, bits=NUMBER)
    def veto(self, which: int, bits: int) -> None:
        waiting = self._in(WAITING) or self.numbers
        self.twins.veto(waiting[which % len(waiting)], (bits + 1).to_bytes(32, "big"))

    @precondition(lambda self: any(self.twins.model.insurance.rounds[-1].claims))
    @rule(waits=st.booleans())
    def close_round(self, *, waits: bool) -> None:
        if waits:
            self.twins.ledgers.roll(EPOCH)
        self.twins.close_round(self.stranger)

    @precondition(lambda self: self._claims())
    @rule(which=NUMBER)
    def collect(self, which: int) -> None:
        claims = self._claims()
        if self.twins.collect(claims[which % len(claims)], self.stranger):
            event("insurance paid")

    @rule(who=NUMBER)
    def withdraw(self, who: int) -> None:
        accounts = [*self.reporters, self.victim, self.site.treasury, self.stranger]
        self.twins.withdraw(accounts[who % len(accounts)], self.receiver)

    # --- the ledger moves meanwhile
    @rule(who=NUMBER, kind=st.integers(0, 3), amount=st.integers(1, 300))
    def move_stake(self, who: int, kind: int, amount: int) -> None:
        owner, pool = self.owners[who % OPERATORS], self.pools[who % OPERATORS]
        ledgers = self.twins.ledgers
        match kind:
            case 0:
                ledgers.exit_own(owner, Service.DA, ledgers.model.pool(pool).own * amount // 300)
            case 1:
                ledgers.deposit(owner, Service.DA, amount * COIN)
            case 2:
                ledgers.delegate(self.delegator, pool, amount * COIN)
            case _:
                ledgers.unjail(owner, Service.DA)

    @precondition(lambda self: self.twins.ledgers.model.buckets.tickets)
    @rule(which=NUMBER)
    def withdraw_ticket(self, which: int) -> None:
        tickets = self.twins.ledgers.model.buckets.tickets
        number = sorted(tickets)[which % len(tickets)]
        everybody = (*self.owners, self.delegator)
        caller = next(one for one in everybody if raw(one) == tickets[number].owner)
        self.twins.ledgers.withdraw(caller, number, self.receiver)

    @rule(epochs=st.sampled_from((1, 1, 2, 6, 13, 200)))
    def roll(self, epochs: int) -> None:
        self.twins.ledgers.roll(epochs * EPOCH)

    # --- what always holds
    @invariant()
    def invariant_stake_1_court_money(self) -> None:
        """Balance = insurance + credits, and every figure is the model's."""
        self.twins.compare()

    @invariant()
    def invariant_stake_2_slashes_within_stake(self) -> None:
        ledger = self.twins.ledgers.model
        for (pool, epoch), taken in ledger.taken.items():
            assert taken <= ledger.stake_at(pool, epoch)
            assert taken == self.site.stake.slashed_at(pool, epoch)

    @invariant()
    def invariant_cap_of_an_epoch(self) -> None:
        """MISSED and ATTESTED together take 5 % of the service's stake at most."""
        ledger, epoch = self.twins.model.ledger, self._epoch()
        stakes = [ledger.stake_at(pool, epoch) for pool in self.pools]
        total = ledger.total_stake_at(Service.DA, epoch)
        self.most_staked = max(self.most_staked, total, *stakes)
        for used in self.twins.model.used.values():
            assert used * BPS <= self.most_staked * EPOCH_CAP_BPS

    @invariant()
    def invariant_stake_14_reservations_belong_to_waiting_cases(self) -> None:
        for pool in self.pools:
            cases = [case for case in self.twins.model.cases.values() if case.finding.pool == pool]
            reserved = sum(case.left for case in cases)
            running = CaseState.EXECUTED | CaseState.PENDING | CaseState.QUEUED
            state = self.site.stake.pool_state(pool)
            assert reserved == state.reserved
            assert sum(case.state in running for case in cases) == state.open_cases

    @invariant()
    def invariant_ledgers_agree(self) -> None:
        for pool in self.pools:
            self.twins.ledgers.compare_pool(pool)

    # --- parts
    def _report(self, who: int, offence: int, back: int, bits: int) -> None:
        rule_of = self.twins.model.rules[offence]
        loss = (bits % 3) * 40 * COIN
        finding = Finding(
            offence=offence,
            pool=self.pools[who % OPERATORS],
            epoch=max(self._epoch() - back, 0),
            subject=len(self.numbers).to_bytes(32, "big"),
            amount=0 if rule_of.base_bps else (1 + bits % 90) * COIN,
            victim=self.victim if loss else None,
            loss=loss,
        )
        reporter = self.reporters[bits % 2] if bits % 5 else None
        if self.twins.convict(finding, reporter):
            number = self.twins.number_of(finding)
            self.numbers.append(number)
            self.findings.append(finding)
            event(f"opened as {self.twins.model.cases[number].state.name}")

    def _epoch(self) -> int:
        return self.twins.model.clock.epoch_of(self.twins.now)

    def _in(self, states: CaseState) -> list[bytes]:
        cases = self.twins.model.cases
        return [number for number in self.numbers if cases[number].state in states]

    def _claims(self) -> list[bytes]:
        return [number for entry in self.twins.model.insurance.rounds for number in entry.claims]


def raw(account: str) -> bytes:
    return bytes.fromhex(account[2:])


def test_court__any_order_of_calls__equals_its_model() -> None:
    # each step compares both ledgers in full: a fifth of the runs takes as long as others do
    runs = max(1, settings().max_examples // 5)
    run_machine(CourtMachine, settings=settings(max_examples=runs))
