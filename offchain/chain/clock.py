"""Time as a port: the machine's clock, or one that moves only when told to."""

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Wall time in seconds, and waiting."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class VirtualClock:
    """A clock whose sleepers pass the time themselves; `on_sleep` is what happens meanwhile."""

    def __init__(self, start: float = 0.0, on_sleep: Callable[[], object] | None = None) -> None:
        self._now = start
        self._on_sleep = on_sleep

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        if self._on_sleep is not None:
            self._on_sleep()
