"""When the next empty block is due: soon after activity, ever rarer while nothing happens.

Contracts wait for later blocks (a block hash to draw from, a window to close), so a chain that
seals only on transactions would stop the very people who wait. Pure; the clock is handed in.
"""

from dataclasses import dataclass
from typing import Final

IDLE_SECONDS: Final = 12.0


@dataclass(slots=True)
class Heartbeat:
    """`first_seconds` after activity a block is due; then twice as long, up to IDLE_SECONDS."""

    first_seconds: float
    due: float
    _gap_seconds: float

    @classmethod
    def starting(cls, now: float, *, first_seconds: float) -> "Heartbeat":
        return cls(first_seconds, now + first_seconds, first_seconds)

    def record_activity(self, now: float) -> None:
        """Somebody sent something. A block that is due sooner stays due."""
        self._gap_seconds = self.first_seconds
        self.due = min(self.due, now + self.first_seconds)

    def record_beat(self, now: float) -> None:
        """An empty block was sealed."""
        self.due = now + self._gap_seconds
        self._gap_seconds = min(self._gap_seconds * 2, max(IDLE_SECONDS, self.first_seconds))
