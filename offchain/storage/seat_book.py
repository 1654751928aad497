"""What one read thinks of the seats it asks: who lied, who failed, who is quick.

An answer that no honest seat gives convicts its operator, who is asked last from then on; silence
and refusals only put a seat behind the others. Records name seat, request and reason, so that a
reader can show them. Source: docs/protocol/storage.md#client, INV-STO-15.
"""

import logging
from dataclasses import dataclass, field
from typing import Final

from offchain.core.errors import ApogeeError, Unavailable
from offchain.node.errors import told_code
from offchain.storage.ports import SeatView

P95_OF: Final = 0.95
KEPT_TIMES: Final = 64
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Blame:
    """One answer, or its absence."""

    seat: int
    operator: int
    endpoint: str
    request: str
    reason: str
    is_lie: bool


@dataclass(slots=True)
class SeatBook:
    """All blame of one read, the strikes that order whom to ask next, and how long answers take."""

    records: list[Blame] = field(default_factory=list)
    strikes: dict[int, int] = field(default_factory=dict)  # by seat
    liars: set[int] = field(default_factory=set)  # operators
    busy: dict[int, int] = field(default_factory=dict)  # requests under way, by seat
    times: list[float] = field(default_factory=list)

    def note(self, seat: SeatView, error: ApogeeError, *, request: str) -> None:
        """Write down a failure; whatever is not mere absence is a lie."""
        is_lie = not isinstance(error, Unavailable)
        self._record(seat, request, told_code(error), is_lie=is_lie)

    def convict(self, seat: SeatView, *, request: str, reason: str) -> None:
        """Write down an answer that no honest seat gives."""
        self._record(seat, request, reason, is_lie=True)

    def took(self, seconds: float) -> None:
        """A good answer took so long."""
        self.times = [*self.times[-KEPT_TIMES:], seconds]

    def hedge_seconds(self, least: float) -> float:
        """After how long a request counts as late: twice what nearly all others take."""
        if len(self.times) < 2:
            return least
        times = sorted(self.times)
        return max(least, 2 * times[min(len(times) - 1, int(len(times) * P95_OF))])

    def rank(self, seat: SeatView) -> tuple[bool, int, int]:
        """Whom to ask first: the smaller, the better."""
        is_liar = seat.operator in self.liars
        return is_liar, self.strikes.get(seat.seat, 0), self.busy.get(seat.seat, 0)

    def begin(self, seat: SeatView) -> None:
        self.busy[seat.seat] = self.busy.get(seat.seat, 0) + 1

    def end(self, seat: SeatView) -> None:
        self.busy[seat.seat] -= 1

    def troubled(self) -> str:
        """Seats that did not deliver, each with what it last did instead, for an error's field."""
        last = {record.seat: record.reason for record in self.records}
        return ", ".join(f"{seat}:{reason}" for seat, reason in sorted(last.items()))[:600]

    def _record(self, seat: SeatView, request: str, reason: str, *, is_lie: bool) -> None:
        if is_lie and seat.operator not in self.liars:
            named = {"seat": seat.seat, "operator": seat.operator, "reason": reason}
            log.warning("seat_blamed", extra=named)
        if is_lie:
            self.liars.add(seat.operator)
        self.strikes[seat.seat] = self.strikes.get(seat.seat, 0) + 1
        blame = Blame(seat.seat, seat.operator, seat.endpoint, request, reason, is_lie)
        self.records.append(blame)
