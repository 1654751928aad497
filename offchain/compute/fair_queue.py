"""A bounded queue that shares slots between payers: who runs least is served next; pure."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from offchain.compute.engine_errors import EngineFull

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Waiting requests by payer; each payer's own are served in their order."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lanes: dict[bytes, deque[T]] = {}
        self._turns: dict[bytes, int] = {}
        self._turn = 0

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def push(self, payer: bytes, item: T) -> None:
        """Raises: EngineFull."""
        if len(self) >= self.limit:
            raise EngineFull(waiting=len(self), limit=self.limit)
        self._lanes.setdefault(payer, deque()).append(item)

    def pop(self, running: Mapping[bytes, int], fits: Callable[[T], bool]) -> T | None:
        """The first request of the payer with the fewest running, then the longest unserved.

        None when nothing waits or that request does not fit now; others do not overtake it, or a
        large request would never run.
        """
        if not self._lanes:
            return None
        payer = min(self._lanes, key=lambda one: (running.get(one, 0), self._turns.get(one, -1)))
        lane = self._lanes[payer]
        if not fits(lane[0]):
            return None
        item = lane.popleft()
        self._turn += 1
        self._turns[payer] = self._turn
        if not lane:
            del self._lanes[payer]
        if not self._lanes:
            self._turns.clear()
        return item

    def take(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Remove and return what is not wanted any more."""
        out: list[T] = []
        for payer, lane in list(self._lanes.items()):
            out += [item for item in lane if unwanted(item)]
            kept = deque(item for item in lane if not unwanted(item))
            if kept:
                self._lanes[payer] = kept
            else:
                del self._lanes[payer]
        return out
