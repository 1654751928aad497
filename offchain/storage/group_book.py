"""An open group's seats as the contracts keep them; the tests' oracle. Pure.

The twin of seat_life.vy and of the loads in asks.vy; draws are in seat_draw.py, signatures are
facts that the caller has checked. Source: docs/protocol/storage.md#seats.
"""

from collections import Counter
from dataclasses import dataclass, field

from offchain.core.errors import Conflict
from offchain.storage.model import SeatState


@dataclass(slots=True)
class BookedSeat:
    """Who holds a seat at which price, what is wrong with it, and who follows."""

    operator: int
    price: int
    is_suspect: bool = False
    is_vacant: bool = False
    is_leaving: bool = False
    successor: int = 0
    successor_price: int = 0
    generation: int = 0

    @property
    def state(self) -> SeatState:
        if self.is_vacant:
            return SeatState.VACANT
        if self.is_suspect:
            return SeatState.SUSPECT
        return SeatState.LEAVING if self.is_leaving else SeatState.SERVING

    @property
    def paid(self) -> int:
        """What the seat is paid now."""
        return 0 if self.is_vacant or self.is_suspect else self.price

    @property
    def is_sought(self) -> bool:
        return self.is_vacant or self.is_leaving


@dataclass(slots=True)
class GroupBook:
    """All seats of one group, from its opening on."""

    seats: list[BookedSeat] = field(default_factory=list)

    def rate(self) -> int:
        """The sum of what its seats are paid."""
        return sum(seat.paid for seat in self.seats)

    def loads(self) -> Counter[int]:
        """Seats by operator, held or drawn for."""
        held = Counter(seat.operator for seat in self.seats if not seat.is_vacant)
        held.update(seat.successor for seat in self.seats if seat.successor)
        return held

    def counts(self, seat: int) -> int:
        """The operator whose key the group's sum holds for this seat; 0 for none."""
        return 0 if self.seats[seat].is_vacant else self.seats[seat].operator

    def leave(self, seat: int) -> None:
        """Raises: Conflict unless somebody holds it who does not leave yet."""
        one = self.seats[seat]
        if one.is_vacant or one.is_leaving:
            raise Conflict("the seat does not leave", seat=seat)
        one.is_leaving = True

    def mark(self, seat: int, *, is_suspect: bool) -> None:
        """A missed or a right proof; nothing for a vacant seat."""
        if not self.seats[seat].is_vacant:
            self.seats[seat].is_suspect = is_suspect

    def vacate(self, seat: int) -> None:
        """Its operator goes; a successor that was drawn stays drawn."""
        one = self.seats[seat]
        one.is_vacant, one.is_suspect, one.is_leaving = True, False, False

    def name(self, seat: int, operator: int, price: int) -> None:
        """Raises: Conflict unless a successor is sought and none is drawn."""
        one = self.seats[seat]
        if not one.is_sought or one.successor:
            raise Conflict("no successor is sought", seat=seat)
        one.successor, one.successor_price = operator, price

    def lapse(self, seat: int) -> None:
        """Raises: Conflict when no successor is drawn."""
        one = self._succeeded(seat)
        one.successor = one.successor_price = 0

    def take_over(self, seat: int) -> None:
        """Raises: Conflict when no successor is drawn."""
        one = self._succeeded(seat)
        self.seats[seat] = BookedSeat(
            one.successor, one.successor_price, generation=one.generation + 1
        )

    def _succeeded(self, seat: int) -> BookedSeat:
        one = self.seats[seat]
        if not one.is_sought or not one.successor:
            raise Conflict("no successor is drawn", seat=seat)
        return one
