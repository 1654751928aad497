"""Filters a client polls: bounded in number, forgotten when nobody asks for them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offchain.chain.devnet.faults import LimitExceeded, Refused
from offchain.chain.devnet.model import LogQuery

MAX_FILTERS: Final = 256
FILTER_LIFE_SECONDS: Final = 300.0


@dataclass(slots=True)
class Filter:
    """`query` None watches blocks. `next_block` is the first block not told yet."""

    query: LogQuery | None
    is_open_ended: bool
    next_block: int
    deadline: float


class FilterTable:
    """The filters alive now."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._filters: dict[int, Filter] = {}

    def add(
        self,
        query: LogQuery | None,
        *,
        next_block: int,
        is_open_ended: bool = True,
    ) -> int:
        """Keep a filter; returns its id. Raises: LimitExceeded."""
        self._drop_expired()
        if len(self._filters) >= MAX_FILTERS:
            raise LimitExceeded(f"at most {MAX_FILTERS} filters at once")
        identifier = secrets.randbits(64)
        deadline = self._clock() + FILTER_LIFE_SECONDS
        self._filters[identifier] = Filter(query, is_open_ended, next_block, deadline)
        return identifier

    def use(self, identifier: int) -> Filter:
        """A filter, its life renewed. Raises: Refused."""
        self._drop_expired()
        found = self._filters.get(identifier)
        if found is None:
            raise Refused("filter not found")
        found.deadline = self._clock() + FILTER_LIFE_SECONDS
        return found

    def remove(self, identifier: int) -> bool:
        return self._filters.pop(identifier, None) is not None

    def _drop_expired(self) -> None:
        now = self._clock()
        self._filters = {
            identifier: kept for identifier, kept in self._filters.items() if kept.deadline > now
        }
