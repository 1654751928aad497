"""StorageProofs without a chain: what was proven and missed, what it costs, who owns the bonds.

The tests run it beside the contract; a watcher may run it over events to know what a step would do.
Sets and plain integers, where the contract has bitmaps. Source: docs/protocol/storage.md#proofs.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.storage.onchain_proofs import Demand, Wanted
from offchain.storage.reverts_proofs import (
    CreditEmpty,
    DemandBondTooLow,
    DemandTaken,
    MissEarly,
    MissSettled,
    NoOpenDemand,
    NotChallenged,
    ProofEarly,
    ProofLate,
    ProvenAlready,
)

HISTORY: Final = 64
MAX_MISSES: Final = 6
DECLARED_DIVISOR: Final = 4
STEP_OPEN: Final = 16
MAX_OPEN: Final = 256
ANSWER_GAS: Final = 110_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Chain time and its windows, in seconds."""

    genesis: int
    epoch_seconds: int
    answer_seconds: int

    def start_of(self, epoch: int) -> int:
        return self.genesis + epoch * self.epoch_seconds

    def epoch_at(self, time: int) -> int:
        return (time - self.genesis) // self.epoch_seconds

    def first_epoch(self, since: int) -> int:
        """The first epoch that began when somebody held a seat already."""
        return -(-(since - self.genesis) // self.epoch_seconds)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who answered for a seat at some time; operator 0: nobody. `is_present`: he still does."""

    operator_id: int
    price: int
    since: int
    is_present: bool = True


@dataclass(slots=True)
class SeatRecord:
    """What the epochs of one seat showed; `suspect_until` None: it still is suspect."""

    proven: set[int] = field(default_factory=set)
    missed: set[int] = field(default_factory=set)
    last_seen: int = 0
    suspect_since: int = 0
    suspect_until: int | None = 0

    @property
    def is_suspect(self) -> bool:
        return self.suspect_until is None

    def was_suspect(self, epoch: int, since: int, clock: Clock) -> bool:
        """Whether the holder since then was suspect when the epoch began: challenged anyway."""
        until = self.suspect_until
        if epoch <= self.suspect_since or (until is not None and epoch > until):
            return False
        return since <= clock.start_of(self.suspect_since)

    def misses(self, epoch: int, first: int) -> int:
        """Misses around `epoch`, itself included, between the proofs before and after it."""
        before = [one for one in self.proven if one < epoch]
        after = [one for one in self.proven if one > epoch]
        low = max([*before, first - 1])
        high = min([*after, self.last_seen + 1])
        return 1 + sum(1 for one in self.missed if low < one < high and one != epoch)

    def see(self, epoch: int) -> None:
        """Raises: MissSettled for an epoch that is forgotten."""
        if self.last_seen - epoch >= HISTORY:
            raise MissSettled(epoch=epoch, last_seen=self.last_seen)
        self.last_seen = max(self.last_seen, epoch)
        self.proven = {one for one in self.proven if self.last_seen - one < HISTORY}
        self.missed = {one for one in self.missed if self.last_seen - one < HISTORY}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a miss led to: `amount` wei of stake, and the seat lost when `is_lost`."""

    misses: int
    amount: int
    is_lost: bool


def bond_wei(*, waiting: int, base_fee: int, min_bond: int) -> int:
    """Half as much again as the answer's gas costs, and a minimum; doubled every 16 that wait."""
    return (ANSWER_GAS * base_fee * 3 // 2 + min_bond) << waiting // STEP_OPEN


def declared_wei(fine: int) -> int:
    """What giving up a seat costs."""
    return max(fine // DECLARED_DIVISOR, 1)


@dataclass(slots=True)
class ProofBook:
    """Standings by (group, seat), open demands by what they want, credits by account."""

    clock: Clock
    min_bond: int
    seats: dict[tuple[int, int], SeatRecord] = field(default_factory=dict)
    demands: dict[Wanted, Demand] = field(default_factory=dict)
    credits: dict[bytes, int] = field(default_factory=dict)
    deposited: int = 0
    withdrawn: int = 0

    def record(self, group: int, seat: int) -> SeatRecord:
        return self.seats.setdefault((group, seat), SeatRecord())

    def prove(self, epoch: int, group: int, seat: int, *, now: int) -> bool:
        """A right proof; whether it restored the seat. Raises: ProofEarly, ProofLate, ..."""
        start = self.clock.start_of(epoch)
        if now < start:
            raise ProofEarly(epoch=epoch, now=now)
        if now > start + self.clock.answer_seconds:
            raise ProofLate(epoch=epoch, now=now)
        record = self.record(group, seat)
        if epoch in record.proven:
            raise ProvenAlready(epoch=epoch)
        record.see(epoch)
        record.proven.add(epoch)
        was_suspect = record.is_suspect
        if was_suspect:
            record.suspect_until = epoch
        return was_suspect

    def default(
        self, epoch: int, group: int, seat: int, holder: Holder, *, fine: int, now: int
    ) -> Verdict:
        """Punish a miss of a file that the holder signed for. Raises: MissEarly, MissSettled."""
        self._check_over(epoch, now=now)
        if holder.operator_id == 0:
            raise NotChallenged(epoch=epoch)
        self._check_settled(epoch, group, seat)
        return self._punish(epoch, group, seat, holder, fine=fine, now=now)

    def excuse(self, epoch: int, group: int, seat: int, *, now: int) -> None:
        """The same of a file that it never signed for: suspect, nothing more."""
        self._check_over(epoch, now=now)
        self._check_settled(epoch, group, seat)
        record = self.record(group, seat)
        if record.is_suspect:
            raise MissSettled(epoch=epoch)
        record.see(epoch)
        self._suspect(record, now=now, since=0)

    def demand(
        self,
        wanted: Wanted,
        operator_id: int,
        demander: bytes,
        *,
        value: int,
        base_fee: int,
        now: int,
    ) -> None:
        """Raises: DemandBondTooLow, DemandTaken."""
        waiting = self.waiting(operator_id)
        bond = bond_wei(waiting=waiting, base_fee=base_fee, min_bond=self.min_bond)
        if value < bond:
            raise DemandBondTooLow(bond=bond, value=value)
        if wanted in self.demands or waiting >= MAX_OPEN:
            raise DemandTaken(waiting=waiting)
        self.demands[wanted] = Demand(
            demander=demander,
            operator_id=operator_id,
            epoch=self.clock.epoch_at(now),
            opened_at=now,
            deadline=now + self.clock.answer_seconds,
            bond=bond,
        )
        self.deposited += value
        self._credit(demander, value - bond)

    def answer(
        self, wanted: Wanted, account: bytes, operator_id: int, owner: bytes, *, now: int
    ) -> bytes:
        """A true answer; who earned the bond. Raises: NoOpenDemand, ProofLate."""
        demand = self._open(wanted)
        if now > demand.deadline:
            raise ProofLate(deadline=demand.deadline, now=now)
        is_early = now <= demand.opened_at + self.clock.answer_seconds // 2
        answerer = owner if is_early and operator_id != demand.operator_id else account
        del self.demands[wanted]
        self._credit(answerer, demand.bond)
        return answerer

    def close(
        self,
        wanted: Wanted,
        group: int,
        holder: Holder,
        *,
        is_owed: bool,
        fine: int,
        now: int,
    ) -> Verdict | None:
        """End a demand that nobody answered. Raises: NoOpenDemand, MissEarly.

        `holder`: of the seat when it was demanded; `is_owed`: the file was owed past the deadline
        and the court may still judge.
        """
        demand = self._open(wanted)
        if now <= demand.deadline:
            raise MissEarly(deadline=demand.deadline, now=now)
        is_due = is_owed and holder.operator_id == demand.operator_id
        is_due = is_due and demand.epoch not in self.record(group, wanted.seat).missed
        del self.demands[wanted]
        self._credit(demand.demander, demand.bond)
        if not is_due:
            return None
        return self._punish(demand.epoch, group, wanted.seat, holder, fine=fine, now=now)

    def withdraw(self, account: bytes) -> int:
        """Raises: CreditEmpty."""
        amount = self.credits.pop(account, 0)
        if amount == 0:
            raise CreditEmpty(account=account.hex())
        self.withdrawn += amount
        return amount

    def waiting(self, operator_id: int) -> int:
        """Open demands that an operator has to answer."""
        return sum(1 for one in self.demands.values() if one.operator_id == operator_id)

    @property
    def balance(self) -> int:
        """What the contract must have: everything that came in and did not go out."""
        return self.deposited - self.withdrawn

    @property
    def owed(self) -> int:
        """What somebody owns of the balance; equal to it."""
        return sum(one.bond for one in self.demands.values()) + sum(self.credits.values())

    def _check_over(self, epoch: int, *, now: int) -> None:
        deadline = self.clock.start_of(epoch) + self.clock.answer_seconds
        if now <= deadline:
            raise MissEarly(deadline=deadline, now=now)

    def _check_settled(self, epoch: int, group: int, seat: int) -> None:
        record = self.record(group, seat)
        if epoch in record.proven:
            raise ProvenAlready(epoch=epoch)
        if epoch in record.missed:
            raise MissSettled(epoch=epoch)

    def _punish(
        self, epoch: int, group: int, seat: int, holder: Holder, *, fine: int, now: int
    ) -> Verdict:
        record = self.record(group, seat)
        record.see(epoch)
        misses = record.misses(epoch, self.clock.first_epoch(holder.since))
        record.missed.add(epoch)
        if holder.is_present:
            self._suspect(record, now=now, since=holder.since)
        amount = fine << min(misses, MAX_MISSES) - 1
        return Verdict(misses, amount, is_lost=misses >= MAX_MISSES)

    def _suspect(self, record: SeatRecord, *, now: int, since: int) -> None:
        """A mark that a holder before this one left is not his."""
        if not record.is_suspect or since > self.clock.start_of(record.suspect_since):
            record.suspect_since = self.clock.epoch_at(now)
            record.suspect_until = None

    def _open(self, wanted: Wanted) -> Demand:
        demand = self.demands.get(wanted)
        if demand is None:
            raise NoOpenDemand(file=wanted.id.hex(), row=wanted.row, leaf=wanted.leaf)
        return demand

    def _credit(self, account: bytes, amount: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount
