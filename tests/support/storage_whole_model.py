"""What log, market, seats and proofs will do together, predicted from the models of each alone.

One group. Every step either changes all models or raises the error that the contracts' reason
stands for; who held a seat at a time is a fact of the chain, as is the beacon.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from offchain.storage.challenge_draw import (
    MAX_ATTEMPTS,
    Fallen,
    KeptFile,
    chance_of,
    fall,
    fine_of,
    is_drawn,
)
from offchain.storage.group_book import BookedSeat, GroupBook
from offchain.storage.market_book import MarketBook
from offchain.storage.model import FileState
from offchain.storage.onchain_proofs import Wanted
from offchain.storage.proof_book import Holder, ProofBook, Verdict, declared_wei
from offchain.storage.reverts_proofs import (
    DemandRefused,
    MissEarly,
    MissSettled,
    NotChallenged,
    NotYourSeat,
    ProvenAlready,
)
from offchain.storage.reverts_seats import SeatLeaving, SeatUnheld, SuccessorMissing


@dataclass(frozen=True, slots=True)
class Facts:
    """What the chain says that no model has: each is a function of a view."""

    randomness: Callable[[int], bytes]  # epoch
    bytes_per_challenge: Callable[[int], int]  # epoch
    holder_at: Callable[[int, int], Holder]  # seat, time; `is_present` is the model's to say
    since: Callable[[int], int]  # seat: when its holder came


@dataclass(slots=True)
class WholeModel:
    """The books of one group; `taken` is the stake that the court has to have taken."""

    group: int
    market: MarketBook
    seats: GroupBook
    proofs: ProofBook
    facts: Facts
    evidence_seconds: int
    taken: Counter[tuple[int, int]] = field(default_factory=Counter)  # operator, epoch

    # Seats

    def leave(self, seat: int) -> None:
        """Raises: SeatUnheld, SeatLeaving."""
        one = self.seats.seats[seat]
        if one.is_vacant:
            raise SeatUnheld(seat=seat)
        if one.is_leaving:
            raise SeatLeaving(seat=seat)
        self.seats.leave(seat)

    def let_go(self, seat: int, *, until: int, now: int) -> None:
        """Raises: SeatUnheld, SeatLeaving, AdvanceFirst."""
        one = self.seats.seats[seat]
        if one.is_vacant:
            raise SeatUnheld(seat=seat)
        if not one.is_leaving or now <= until:
            raise SeatLeaving(seat=seat)
        self._vacate(seat, now)

    def lapse(self, seat: int, *, until: int, now: int) -> None:
        """Raises: SuccessorMissing."""
        one = self.seats.seats[seat]
        if not one.is_sought or not one.successor or now <= until:
            raise SuccessorMissing(seat=seat)
        self.seats.lapse(seat)

    def take_over(self, seat: int, *, now: int) -> None:
        """Raises: AdvanceFirst."""
        self.market.groups[self.group].check_steps(now)
        self.seats.take_over(seat)
        self._pay(seat, now)

    def declare_loss(self, seat: int, *, now: int) -> None:
        """Raises: NotYourSeat, AdvanceFirst."""
        one = self.seats.seats[seat]
        if one.is_vacant:
            raise NotYourSeat(seat=seat)
        epoch = self.proofs.clock.epoch_at(now)
        amount = declared_wei(self.fine(epoch, one.price))
        self._vacate(seat, now)
        self.taken[one.operator, epoch] += amount

    # Proofs

    def fallen(self, epoch: int, seat: int, *, tries: int) -> Fallen | None:
        """The file that a seat's challenge of an epoch falls on; None when nobody owes it."""
        kept = self.kept(epoch)
        if not kept:
            return None
        window = self.proofs.clock.start_of(epoch) + self.proofs.clock.answer_seconds
        files = [
            KeptFile(
                file_id,
                one.first_byte,
                one.kept,
                one.opening.length,
                one.leaves if one.state is FileState.STORED else 0,
            )
            for file_id, one in self.market.files.items()
            if one.started
        ]
        chance = self.chance(epoch, seat)
        return fall(chance, files, seat=seat, kept=kept, owed_until=window, tries=tries)

    def prove(self, epoch: int, seat: int, *, now: int) -> None:
        """A right proof. Raises: ProofLate, ProvenAlready, AdvanceFirst."""
        record = self.proofs.record(self.group, seat)
        window = self.proofs.clock.start_of(epoch) + self.proofs.clock.answer_seconds
        if record.is_suspect and now <= window and epoch not in record.proven:
            self._check_pay(seat, is_suspect=False, now=now)
        if self.proofs.prove(epoch, self.group, seat, now=now):
            self.seats.mark(seat, is_suspect=False)
            self._pay(seat, now)

    def default(self, epoch: int, seat: int, *, now: int) -> Verdict:
        """Raises: MissEarly, NotChallenged, ProvenAlready, MissSettled, AdvanceFirst."""
        clock, record = self.proofs.clock, self.proofs.record(self.group, seat)
        start = clock.start_of(epoch)
        if now <= start + clock.answer_seconds:
            raise MissEarly(epoch=epoch, now=now)
        holder = self.holder_at(seat, start)
        if not holder.operator_id:
            raise NotChallenged(epoch=epoch)
        if epoch in record.proven:
            raise ProvenAlready(epoch=epoch)
        if epoch in record.missed:
            raise MissSettled(epoch=epoch)
        tries = self.tries(epoch, seat, holder)
        if not tries or self.fallen(epoch, seat, tries=tries) is None:
            raise NotChallenged(epoch=epoch)
        self._check_sentence(seat, holder, now)
        fine = self.fine(epoch, holder.price)
        verdict = self.proofs.default(epoch, self.group, seat, holder, fine=fine, now=now)
        self._sentence(epoch, seat, holder, verdict, now)
        return verdict

    def tries(self, epoch: int, seat: int, holder: Holder) -> int:
        """How often a seat's challenge is drawn: 0 not at all, 16 times while it is suspect."""
        record = self.proofs.record(self.group, seat)
        if record.was_suspect(epoch, holder.since, self.proofs.clock):
            return MAX_ATTEMPTS
        rate = self.facts.bytes_per_challenge(epoch)
        chance = self.chance(epoch, seat)
        return int(is_drawn(chance, kept=self.kept(epoch), bytes_per_challenge=rate))

    def demand(
        self, wanted: Wanted, demander: bytes, *, value: int, base_fee: int, now: int
    ) -> None:
        """Raises: DemandRefused, DemandBondTooLow, DemandTaken."""
        file = self.market.files[wanted.id]
        is_stored = file.state is FileState.STORED
        if not is_stored or file.leaves <= now + self.proofs.clock.answer_seconds:
            raise DemandRefused(file=wanted.id.hex())
        holder = self.holder_at(wanted.seat, now)
        if not holder.operator_id:
            raise DemandRefused(seat=wanted.seat)
        self.proofs.demand(
            wanted, holder.operator_id, demander, value=value, base_fee=base_fee, now=now
        )

    def close_demand(self, wanted: Wanted, *, now: int) -> Verdict | None:
        """Raises: NoOpenDemand, MissEarly, AdvanceFirst."""
        demand = self.proofs.demands.get(wanted)
        if demand is None or now <= demand.deadline:
            return self.proofs.close(
                wanted, self.group, Holder(0, 0, 0), is_owed=False, fine=0, now=now
            )
        file = self.market.files[wanted.id]
        leaves = file.leaves if file.state is FileState.STORED else 0
        barred_at = self.proofs.clock.start_of(demand.epoch + 1) + self.evidence_seconds
        holder = self.holder_at(wanted.seat, demand.opened_at)
        is_owed = leaves > demand.deadline and now <= barred_at
        record = self.proofs.record(self.group, wanted.seat)
        if is_owed and demand.epoch not in record.missed:
            self._check_sentence(wanted.seat, holder, now)
        fine = self.fine(demand.epoch, holder.price)
        verdict = self.proofs.close(wanted, self.group, holder, is_owed=is_owed, fine=fine, now=now)
        if verdict is not None:
            self._sentence(demand.epoch, wanted.seat, holder, verdict, now)
        return verdict

    # Parts

    def kept(self, epoch: int) -> int:
        return self.market.groups[self.group].bytes_at(epoch)

    def chance(self, epoch: int, seat: int) -> bytes:
        return chance_of(self.facts.randomness(epoch), self.group, seat)

    def fine(self, epoch: int, price: int) -> int:
        """Wei for a first miss of an epoch."""
        return fine_of(
            price,
            kept=self.kept(epoch),
            bytes_per_challenge=self.facts.bytes_per_challenge(epoch),
            epoch_seconds=self.proofs.clock.epoch_seconds,
        )

    def holder_at(self, seat: int, time: int) -> Holder:
        """Who answered for a seat; present while nobody else has come since."""
        held = self.facts.holder_at(seat, time)
        present = self.seats.seats[seat].operator, self.facts.since(seat)
        is_present = (held.operator_id, held.since) == present
        return Holder(held.operator_id, held.price, held.since, is_present=is_present)

    def _sentence(self, epoch: int, seat: int, holder: Holder, verdict: Verdict, now: int) -> None:
        self.taken[holder.operator_id, epoch] += verdict.amount
        if not holder.is_present or self.seats.seats[seat].is_vacant:
            return
        if verdict.is_lost:
            self._vacate(seat, now)
        else:
            self.seats.mark(seat, is_suspect=True)
            self._pay(seat, now)

    def _check_sentence(self, seat: int, holder: Holder, now: int) -> None:
        if holder.is_present:
            self._check_pay(seat, is_suspect=True, now=now)

    def _check_pay(self, seat: int, *, is_suspect: bool, now: int) -> None:
        """Raises: AdvanceFirst when the seat's pay would change and too many endings wait."""
        one: BookedSeat = self.seats.seats[seat]
        if not one.is_vacant and one.is_suspect != is_suspect:
            self.market.groups[self.group].check_steps(now)

    def _vacate(self, seat: int, now: int) -> None:
        if self.seats.seats[seat].paid:
            self.market.groups[self.group].check_steps(now)
        self.seats.vacate(seat)
        self._pay(seat, now)

    def _pay(self, seat: int, now: int) -> None:
        one, booked = self.seats.seats[seat], self.market.groups[self.group].seats[seat]
        if (booked.operator, booked.price) != (one.operator, one.paid):
            self.market.change_seat(self.group, seat, one.operator, one.paid, now=now)
