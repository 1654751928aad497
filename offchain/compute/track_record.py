"""How each service did lately, and whether it is asked at all: a circuit breaker each.

  CLOSED    asked           OPEN_AFTER failures in a row, or a Retry-After ─► OPEN
  OPEN      not asked       its time is over ─► one trial
  trial     one request     served ─► CLOSED; failed ─► OPEN, twice as long

Times are seconds of a clock that is passed in; nothing here is written down.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from offchain.compute.route import DEFAULT_LATENCY_SECONDS, Record

OPEN_AFTER: Final = 3
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_RETRY_AFTER_SECONDS: Final = 600.0
KEPT: Final = 64  # latencies a median is taken of
FORGET: Final = 0.9  # what a failure counts for after each further request


@dataclass(slots=True)
class _Seen:
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    median_seconds: float = DEFAULT_LATENCY_SECONDS
    failure_rate: float = 0.0
    failures: int = 0
    pause: float = FIRST_PAUSE_SECONDS
    blocked_until: float = 0.0
    trial_until: float = 0.0
    since_median: int = 0


class TrackRecords:
    """Of every service that was asked; used from one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[bytes, _Seen] = {}

    def of(self, service: bytes) -> Record:
        """What routing reads."""
        seen = self._seen.get(service)
        if seen is None:
            return Record()
        now = self._clock()
        is_blocked = now < seen.blocked_until or now < seen.trial_until
        return Record(seen.median_seconds, seen.failure_rate, is_blocked)

    def all(self) -> dict[bytes, Record]:
        """Of all that were ever asked."""
        return {service: self.of(service) for service in self._seen}

    def blocked_seconds(self, service: bytes) -> float:
        """How long until it is asked again; 0 when it is."""
        seen = self._seen.get(service)
        until = 0.0 if seen is None else max(seen.blocked_until, seen.trial_until)
        return max(0.0, until - self._clock())

    def began(self, service: bytes, *, trial_seconds: float) -> None:
        """It is being asked; after failures, it alone decides for `trial_seconds`."""
        seen = self._seen.setdefault(service, _Seen())
        if seen.failures >= OPEN_AFTER:
            seen.trial_until = self._clock() + trial_seconds

    def served(self, service: bytes, seconds: float) -> None:
        """It answered; `seconds` until its first byte."""
        seen = self._seen.setdefault(service, _Seen())
        seen.failures, seen.pause = 0, FIRST_PAUSE_SECONDS
        seen.blocked_until = seen.trial_until = 0.0
        seen.failure_rate *= FORGET
        seen.latencies.append(seconds)
        seen.since_median += 1
        if seen.since_median >= 8 or len(seen.latencies) < KEPT:
            seen.since_median = 0
            seen.median_seconds = median(seen.latencies)

    def refused(self, service: bytes) -> None:
        """It answered that the request is wrong: that is no failure of the service."""
        seen = self._seen.setdefault(service, _Seen())
        seen.trial_until = 0.0

    def failed(self, service: bytes, *, retry_after: float | None = None) -> None:
        """It did not answer, or not rightly; what it asks for by Retry-After is obeyed."""
        seen = self._seen.setdefault(service, _Seen())
        now = self._clock()
        seen.failures += 1
        seen.trial_until = 0.0
        seen.failure_rate = seen.failure_rate * FORGET + (1 - FORGET)
        if seen.failures >= OPEN_AFTER:
            seen.blocked_until = now + seen.pause
            seen.pause = min(LONGEST_PAUSE_SECONDS, seen.pause * 2)
        if retry_after is not None:
            wanted = now + min(max(0.0, retry_after), LONGEST_RETRY_AFTER_SECONDS)
            seen.blocked_until = max(seen.blocked_until, wanted)
