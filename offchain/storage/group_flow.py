"""What a storage group costs and keeps over time, in whole numbers: the market's two integrals.

A is the integral of the sum of paid prices, B that of the live bytes of a seat. Files leave at the
start of an epoch; A is kept for each such moment. Times are seconds, prices wei per 2^30
byte-seconds. Source: docs/protocol/storage.md#market.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.storage.model import MAX_GROUP_BYTES, Profile
from offchain.storage.reverts_market import AdvanceFirst

STEPS: Final = 8  # endings that an ordinary call passes
MANY_STEPS: Final = 64  # endings that `advance` passes
ROOM_BYTES: Final = MAX_GROUP_BYTES * 15 // 16  # files are placed up to this


@dataclass(slots=True)
class SeatPay:
    """What a seat is paid from which B on, and the part of a wei it has left, in 2^-30 wei."""

    operator: int
    price: int  # 0: not paid
    mark: int = 0
    fraction: int = 0


@dataclass(slots=True)
class GroupFlow:
    """One group. `leaving` has the live bytes by the time they leave, `passed` A at times past."""

    profile: Profile
    max_rate: int
    longest_seconds: int
    seats: list[SeatPay]
    moved: int
    cost: int = 0
    byte_seconds: int = 0
    bytes: int = 0
    taken: int = 0
    escrow: int = 0
    short_since: int = 0
    is_shut: bool = False
    leaving: dict[int, int] = field(default_factory=dict)
    passed: dict[int, int] = field(default_factory=dict)
    numbered: list[tuple[int, int]] = field(default_factory=list)  # (epoch, bytes) as confirmed

    @property
    def rate(self) -> int:
        return sum(seat.price for seat in self.seats)

    @property
    def paid_seats(self) -> int:
        return sum(seat.price > 0 for seat in self.seats)

    @property
    def is_listed(self) -> bool:
        return not self.is_shut and self.taken <= ROOM_BYTES

    def check_steps(self, now: int) -> None:
        """Raises: AdvanceFirst when more endings wait than one call passes."""
        waiting = sum(time <= now for time in self.leaving)
        if waiting > STEPS:
            raise AdvanceFirst(waiting=waiting)

    def catch_up(self, now: int) -> None:
        """Raises: AdvanceFirst."""
        self.check_steps(now)
        self.advance(now)

    def advance(self, now: int, steps: int = MANY_STEPS) -> None:
        """Pass endings in order, then run to `now` unless more wait."""
        waiting = sorted(time for time in self.leaving if time <= now)
        for time in waiting[:steps]:
            self._run(time)
            self.passed[time] = self.cost
            self.bytes -= self.leaving.pop(time)
        if len(waiting) <= steps:
            self._run(now)

    def enter(self, kept: int, leaves: int) -> None:
        self.bytes += kept
        self.leaving[leaves] = self.leaving.get(leaves, 0) + kept

    def exit(self, kept: int, leaves: int) -> None:
        self.bytes -= kept
        self.leaving[leaves] -= kept
        if not self.leaving[leaves]:
            del self.leaving[leaves]

    def settle(self, seat: int) -> int:
        """What a seat has earned since the last time, in whole wei, out of the escrow."""
        pay = self.seats[seat]
        earned = pay.price * (self.byte_seconds - pay.mark) + pay.fraction
        pay.mark, pay.fraction = self.byte_seconds, earned & ((1 << 30) - 1)
        self.escrow -= earned >> 30
        return earned >> 30

    def change(self, seat: int, operator: int, price: int, now: int) -> None:
        """Who holds a seat, and for how much, from now on."""
        self.seats[seat].operator, self.seats[seat].price = operator, price
        if self.paid_seats >= self.profile.enough:
            self.short_since = 0
        elif not self.short_since:
            self.short_since = now

    def number(self, kept: int, epoch: int) -> int:
        """The number of the first of a file's kept bytes."""
        first = sum(size for _, size in self.numbered)
        self.numbered.append((epoch, kept))
        return first

    def bytes_at(self, epoch: int) -> int:
        """Numbered before an epoch began."""
        return sum(size for when, size in self.numbered if when < epoch)

    def _run(self, time: int) -> None:
        self.cost += self.rate * (time - self.moved)
        self.byte_seconds += self.bytes * (time - self.moved)
        self.moved = time
