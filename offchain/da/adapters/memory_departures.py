"""Who has left a network that knows no stake: told by its owner."""

from collections.abc import Sequence


class MemoryDepartures:
    """A `Departures` that answers the same at every block."""

    def __init__(self) -> None:
        self.operators: set[int] = set()

    def gone(self, operators: Sequence[int], *, at: int) -> frozenset[int]:  # noqa: ARG002 - a port
        return frozenset(operators) & self.operators
