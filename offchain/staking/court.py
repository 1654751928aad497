"""SlashingCourt without a chain: what an offence costs, who gets it, how a case ends.

Exact to the wei and rounded as the contract rounds; correlation is summed over the cases one by
one, where the contract keeps running sums. The ledger is a port: the tests pass the stake model.
Source: docs/protocol/staking.md#court.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final, Protocol

from offchain.core.errors import Conflict, Rejected
from offchain.core.hashing import TAG_OFFENCE, keccak
from offchain.core.units import BPS, WEI_PER_COIN
from offchain.staking.insurance import Insurance, WrongState
from offchain.staking.model import TOMBSTONE

DA: Final = 1
DA_CAP_BPS: Final = 3_000
ATTESTED_BPS: Final = 3_000
EPOCH_CAP_BPS: Final = 500
INSURANCE_BPS: Final = 200
REPORTER_LIMIT_WEI: Final = 10 * WEI_PER_COIN
CORRELATION_FACTOR: Final = 3


class OffenceClass(IntEnum):
    """How a finding became true, hence when it executes."""

    PROVEN = 1
    MISSED = 2
    ATTESTED = 3


class CaseState(IntFlag):
    """Numbers are the contract's flag values."""

    EXECUTED = 1
    PENDING = 2
    QUEUED = 4
    VETOED = 8
    CLOSED = 16


WAITING: Final = (CaseState.PENDING, CaseState.QUEUED)


class PunishedAlready(Conflict):
    """The same offence was punished before."""

    code = "staking.court.punished_already"


class InvalidFinding(Rejected):
    """The finding names a pool, epoch or amount that its type cannot have."""

    code = "staking.court.invalid_finding"


@dataclass(frozen=True, slots=True)
class Rule:
    """One type of offence; same fields as the contract's struct."""

    offence_class: OffenceClass
    service: int
    base_bps: int
    reporter_bps: int
    jail_epochs: int
    evidence_seconds: int
    correlated: bool
    tombstones: bool
    adjudicator: str

    @property
    def cap_bps(self) -> int:
        return BPS if self.base_bps == BPS or self.service != DA else DA_CAP_BPS

    @property
    def most_bps(self) -> int:
        """The most this type can ever cost by its rate."""
        return self.cap_bps if self.correlated else self.base_bps


@dataclass(frozen=True, slots=True)
class Finding:
    """What an adjudicator says; same fields as the contract's struct."""

    offence: int
    pool: int
    epoch: int
    subject: bytes
    amount: int = 0
    victim: str | None = None
    loss: int = 0


@dataclass(frozen=True, slots=True)
class Shares:
    """Where slashed wei go; their sum is what was taken."""

    reporter: int
    victim: int
    insurance: int
    treasury: int


@dataclass(slots=True)
class Case:
    """One offence on its way through the court."""

    finding: Finding
    state: CaseState
    stake_at: int
    reporter: str | None
    reporter_bps: int
    opened_at: int
    taken: int = 0
    left: int = 0
    loss: int = 0


class Ledger(Protocol):
    """What the court asks of the ledger of stake; amounts in wei."""

    def stake_at(self, pool: int, epoch: int) -> int: ...
    def total_stake_at(self, service: int, epoch: int) -> int: ...
    def total_stake(self) -> int: ...
    def slashed_at(self, pool: int, epoch: int) -> int: ...
    def exposed(self, pool: int, epoch: int) -> int: ...
    def reserved(self, pool: int) -> int: ...
    def slash(self, pool: int, epoch: int, amount: int, sentence: int) -> int: ...
    def reserve(self, pool: int, amount: int) -> None: ...
    def release(self, pool: int, amount: int) -> None: ...
    def open_case(self, pool: int) -> None: ...
    def close_case(self, pool: int) -> None: ...


@dataclass(frozen=True, slots=True)
class CourtClock:
    """Windows of the court, seconds of chain time; epoch 0 starts at genesis."""

    genesis: int
    epoch_seconds: int
    veto_seconds: int
    correlation_seconds: int

    def epoch_of(self, now: int) -> int:
        return (now - self.genesis) // self.epoch_seconds

    def window_of(self, epoch: int) -> int:
        return epoch * self.epoch_seconds // self.correlation_seconds

    def barred_at(self, rule: Rule, epoch: int) -> int:
        """The last second at which evidence for `epoch` is heard."""
        return self.genesis + (epoch + 1) * self.epoch_seconds + rule.evidence_seconds

    def incident_barred_at(self, rule: Rule, epoch: int) -> int:
        """The last second at which evidence for a case of the same incident is heard."""
        ends = (self.window_of(epoch) + 2) * self.correlation_seconds
        return self.genesis + ends + rule.evidence_seconds


def offence_id(chain_id: int, court: bytes, finding: Finding) -> bytes:
    """The number under which an offence is punished once."""
    words = (chain_id, int.from_bytes(court, "big"), finding.offence, finding.pool)
    return keccak(TAG_OFFENCE, *(word.to_bytes(32, "big") for word in words), finding.subject)


def commitment_of(evidence: bytes, reporter: bytes, salt: bytes) -> bytes:
    """What a reporter commits to in an earlier block than his report."""
    return keccak(keccak(evidence), reporter.rjust(32, b"\0"), salt)


def share_out(case: Case, taken: int, *, insurance_room: int) -> Shares:
    """Split newly slashed wei: reporter, the victim's loss, insurance, and Treasury the rest."""
    reporter = 0
    if case.reporter is not None:
        former = min(case.taken * case.reporter_bps // BPS, REPORTER_LIMIT_WEI)
        reporter = min((case.taken + taken) * case.reporter_bps // BPS, REPORTER_LIMIT_WEI) - former
    victim = min(taken - reporter, case.loss)
    rest = taken - reporter - victim
    insured = min(rest, max(insurance_room, 0))
    return Shares(reporter, victim, insured, rest - insured)


def is_ranked(harsher: Rule, milder: Rule) -> bool:
    """Whether `harsher` costs at least what `milder` can ever cost."""
    return (
        min(harsher.base_bps, milder.base_bps) > 0
        and harsher.base_bps >= milder.most_bps
        and harsher.cap_bps >= milder.cap_bps
    )


@dataclass(slots=True)
class Court:
    """The whole court: cases, credits, insurance, caps."""

    clock: CourtClock
    ledger: Ledger
    treasury: str
    rules: dict[int, Rule] = field(default_factory=dict)
    cases: dict[bytes, Case] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)
    insurance: Insurance = field(default_factory=Insurance)
    used: dict[tuple[int, int], int] = field(default_factory=dict)

    def open_case(self, number: bytes, finding: Finding, reporter: str | None, now: int) -> Case:
        """Execute or reserve a finding. Raises: PunishedAlready, InvalidFinding."""
        if number in self.cases:
            raise PunishedAlready(offence=finding.offence)
        rule = self.rules[finding.offence]
        self._check(rule, finding, now)
        stake_at = self.ledger.stake_at(finding.pool, finding.epoch)
        case = Case(
            finding=finding,
            state=CaseState.CLOSED,
            stake_at=stake_at,
            reporter=reporter,
            reporter_bps=rule.reporter_bps,
            opened_at=now,
            loss=finding.loss,
        )
        due = stake_at * rule.base_bps // BPS if rule.base_bps else finding.amount
        if rule.offence_class is OffenceClass.ATTESTED:
            due = min(due, stake_at * ATTESTED_BPS // BPS)
        due = min(due, self._under_cap(rule, case))

        part = due
        if rule.offence_class is OffenceClass.MISSED:
            part = min(due, self.room(finding.pool, finding.epoch, now))
            case.left = self._reservable(case, due, part)
            case.state = CaseState.QUEUED if case.left else CaseState.CLOSED
        elif rule.offence_class is OffenceClass.ATTESTED:
            part = 0
            case.left = self._reservable(case, due, 0)
            case.state = CaseState.PENDING
        elif rule.correlated and rule.base_bps < rule.cap_bps:
            case.state = CaseState.EXECUTED
        self.cases[number] = case
        sentence = 0
        if rule.offence_class is not OffenceClass.ATTESTED:
            sentence = self._sentence(rule, now)
        taken = self._take(case, part, sentence)
        if rule.offence_class is OffenceClass.MISSED:
            self._use(rule.service, now, taken)
        if case.state is CaseState.CLOSED:
            self._insure(number, case, now)
        else:
            self.ledger.open_case(finding.pool)
            self.ledger.reserve(finding.pool, case.left)
        return case

    def execute(self, number: bytes, now: int) -> int:
        """Take what waits, within this epoch's cap. Raises: WrongState."""
        case = self.cases[number]
        rule = self.rules[case.finding.offence]
        room = self.room(case.finding.pool, case.finding.epoch, now)
        if case.state not in WAITING or now < case.opened_at + self.clock.veto_seconds or not room:
            raise WrongState(state=case.state.name)
        due = min(case.left, self._under_cap(rule, case))
        part = min(due, room)
        self.ledger.release(case.finding.pool, part + case.left - due)
        sentence = self._sentence(rule, now) if case.state is CaseState.PENDING else 0
        taken = self._take(case, part, sentence)
        self._use(rule.service, now, taken)
        case.left = due - part
        if taken < part:
            self.ledger.release(case.finding.pool, case.left)
            case.left = 0
        case.state = CaseState.QUEUED
        if not case.left:
            self._close(number, case, now)
        return taken

    def settle_correlation(self, number: bytes, now: int) -> int:
        """Take what common guilt costs more. Raises: WrongState."""
        case = self.cases[number]
        rule = self.rules[case.finding.offence]
        epoch = case.finding.epoch
        barred = self.clock.incident_barred_at(rule, epoch)
        if case.state is not CaseState.EXECUTED or now <= barred:
            raise WrongState(state=case.state.name)
        total = self.ledger.total_stake_at(rule.service, epoch)
        extra = self._under_cap(rule, case)
        if total:
            more = CORRELATION_FACTOR * self.others_guilty(case.finding) * case.stake_at // total
            extra = min(extra, more)
        taken = self._take(case, extra, 0)
        self._close(number, case, now)
        return taken

    def veto(self, number: bytes, now: int) -> None:
        """Drop what waits. Raises: WrongState."""
        case = self.cases[number]
        if case.state not in WAITING or now >= case.opened_at + self.clock.veto_seconds:
            raise WrongState(state=case.state.name)
        self.ledger.release(case.finding.pool, case.left)
        self.ledger.close_case(case.finding.pool)
        case.state, case.left = CaseState.VETOED, 0

    def collect(self, number: bytes, now: int) -> int:
        """Credit a victim's share of a closed round. Raises: WrongState."""
        victim, paid = self.insurance.collect(number, self.clock.epoch_of(now))
        self._credit(victim, paid)
        return paid

    def withdraw(self, account: str) -> int:
        return self.credits.pop(account, 0)

    def balance(self) -> int:
        return self.insurance.held + sum(self.credits.values())

    def room(self, pool: int, epoch: int, now: int) -> int:
        """What waiting cases of a pool may take in the epoch of `now`."""
        service, current = pool & 255, self.clock.epoch_of(now)
        stake = max(
            self.ledger.total_stake_at(service, current),
            self.ledger.total_stake_at(service, epoch),
            self.ledger.stake_at(pool, epoch),
        )
        cap = stake * EPOCH_CAP_BPS // BPS
        return max(cap - self.used.get((service, current), 0), 0)

    def others_guilty(self, finding: Finding) -> int:
        """Largest guilty stake of each other pool, one window around, summed."""
        window = self.clock.window_of(finding.epoch)
        largest: dict[int, int] = {}
        for case in self.cases.values():
            other = case.finding
            near = abs(self.clock.window_of(other.epoch) - window) <= 1
            if other.offence == finding.offence and other.pool != finding.pool and near:
                largest[other.pool] = max(largest.get(other.pool, 0), case.stake_at)
        return sum(largest.values())

    def _check(self, rule: Rule, finding: Finding, now: int) -> None:
        in_time = finding.epoch <= self.clock.epoch_of(now) and now <= self.clock.barred_at(
            rule, finding.epoch
        )
        priced = (finding.amount == 0) == (rule.base_bps != 0)
        if finding.pool & 255 != rule.service or not in_time or not priced:
            raise InvalidFinding(pool=finding.pool, epoch=finding.epoch)
        if (finding.loss == 0) != (finding.victim is None):
            raise InvalidFinding(loss=finding.loss)
        if not self.ledger.stake_at(finding.pool, finding.epoch):
            raise InvalidFinding(pool=finding.pool, epoch=finding.epoch)

    def _under_cap(self, rule: Rule, case: Case) -> int:
        taken = self.ledger.slashed_at(case.finding.pool, case.finding.epoch)
        return max(case.stake_at * rule.cap_bps // BPS - taken, 0)

    def _reservable(self, case: Case, due: int, part: int) -> int:
        if part == due:
            return 0
        exposed = self.ledger.exposed(case.finding.pool, case.finding.epoch)
        free = max(exposed - self.ledger.reserved(case.finding.pool), 0)
        return min(due, max(free, part)) - part

    def _take(self, case: Case, amount: int, sentence: int) -> int:
        taken = 0
        if amount or sentence:
            taken = self.ledger.slash(case.finding.pool, case.finding.epoch, amount, sentence)
        limit = self.ledger.total_stake() * INSURANCE_BPS // BPS
        shares = share_out(case, taken, insurance_room=limit - self.insurance.held)
        if case.reporter is not None:
            self._credit(case.reporter, shares.reporter)
        if case.finding.victim is not None:
            self._credit(case.finding.victim, shares.victim)
        self._credit(self.treasury, shares.treasury)
        self.insurance.free += shares.insurance
        case.taken += taken
        case.loss -= shares.victim
        return taken

    def _sentence(self, rule: Rule, now: int) -> int:
        """What the ledger is told with the slash: nothing, jail until a time, or the end."""
        if rule.tombstones:
            return TOMBSTONE
        if not rule.jail_epochs:
            return 0
        until = self.clock.epoch_of(now) + 1 + rule.jail_epochs
        return self.clock.genesis + until * self.clock.epoch_seconds

    def _close(self, number: bytes, case: Case, now: int) -> None:
        case.state = CaseState.CLOSED
        self.ledger.close_case(case.finding.pool)
        self._insure(number, case, now)

    def _insure(self, number: bytes, case: Case, now: int) -> None:
        if case.loss and case.finding.victim is not None:
            epoch = self.clock.epoch_of(now)
            self.insurance.register(number, case.finding.victim, case.loss, epoch)

    def _use(self, service: int, now: int, taken: int) -> None:
        key = (service, self.clock.epoch_of(now))
        self.used[key] = self.used.get(key, 0) + taken

    def _credit(self, account: str, amount: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount
