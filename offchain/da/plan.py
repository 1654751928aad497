"""Which batch of rows is asked next, of whom: data rows first, spread over the nodes, liars last.

A row that failed is asked for again after everybody else's, at most `tries` times. Pure: it is told
what ended and answers what to do. A node's first batch is a small one, alone: whoever lies is found
out for an eighth of a batch, and only who answered truly is asked for more at once.
Source: docs/protocol/da.md#reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.core.layout import K
from offchain.da.blame import BlameBook
from offchain.da.duties import Duties, Duty
from offchain.da.serve import MAX_ROWS_PER_REQUEST

PROBE_DIVISOR: Final = 8


@dataclass(frozen=True, slots=True)
class FetchRules:
    """`hedge_seconds`: a request slower than this, or than twice the 95th percentile of the others,
    starts another. `request_seconds`: hard end of one. `batch_bytes`: answer asked for at once.
    `per_node`, `in_flight`: requests at the same time. `tries`: how often one row is asked for.
    `pause_seconds`: before a node that failed at once may be asked again.
    """

    hedge_seconds: float = 0.3
    request_seconds: float = 5.0
    batch_bytes: int = 1 << 20
    per_node: int = 2
    in_flight: int = 8
    tries: int = 3
    pause_seconds: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One request: these rows of this owner."""

    duty: Duty
    rows: tuple[int, ...] = field(repr=False)

    @property
    def asked(self) -> str:
        """The request in words, for a blame record."""
        return f"rows {self.rows[0]}..{self.rows[-1]} ({len(self.rows)})"


class Plan:
    """What is open, what is under way, and how often each row was tried."""

    def __init__(
        self,
        duties: Duties,
        book: BlameBook,
        rules: FetchRules,
        *,
        row_bytes: int,
    ) -> None:
        self._book = book
        self._rules = rules
        self._in_flight: dict[int, int] = {}
        self._tries: dict[int, int] = {}
        self._proven: set[int] = set()
        fair = -(-K // max(1, len(duties.members)))
        self._size = min(MAX_ROWS_PER_REQUEST, max(1, rules.batch_bytes // row_bytes), fair)
        self._probe_size = max(1, self._size // PROBE_DIVISOR)
        self._open: list[Batch] = []
        for duty in duties.members:
            ordered = sorted(duty.rows)
            probe, rest = ordered[: self._probe_size], ordered[self._probe_size :]
            data, parity = [r for r in rest if r < K], [r for r in rest if r >= K]
            for group in (probe, data, parity):
                self._open += _cut(duty, group, self._size)

    def next(self, late: frozenset[int] = frozenset()) -> Batch | None:
        """The best batch whose node has room and is not `late`; None when there is none now."""
        ready = [batch for batch in self._open if self._has_room(batch.duty.operator, late)]
        if not ready:
            return None
        best = min(ready, key=self._rank)
        if best.duty.operator in self._book.liars and self._is_honest_work_left():
            return None
        self._open.remove(best)
        operator = best.duty.operator
        self._in_flight[operator] = self._in_flight.get(operator, 0) + 1
        return best

    def done(self, batch: Batch, missing: Sequence[int]) -> None:
        """A request ended; rows that did not come are asked for again, last."""
        self._in_flight[batch.duty.operator] -= 1
        if not missing:
            self._proven.add(batch.duty.operator)
        again = []
        for row in missing:
            self._tries[row] = self._tries.get(row, 0) + 1
            if self._tries[row] < self._rules.tries:
                again.append(row)
        half = max(1, len(again) // 2)  # smaller, so that one bad row does not sink its neighbours
        self._open += _cut(batch.duty, again, half)

    def put_back(self, batch: Batch) -> None:
        """A request was taken back before it ended."""
        self._in_flight[batch.duty.operator] -= 1
        self._open.append(batch)

    def _has_room(self, operator: int, late: frozenset[int]) -> bool:
        places = self._rules.per_node if operator in self._proven else 1
        return operator not in late and self._in_flight.get(operator, 0) < places

    def _is_honest_work_left(self) -> bool:
        liars = self._book.liars
        is_coming = any(
            count for operator, count in self._in_flight.items() if operator not in liars
        )
        return is_coming or any(batch.duty.operator not in liars for batch in self._open)

    def _rank(self, batch: Batch) -> tuple[bool, int, int, bool, int, int]:
        first = batch.rows[0]
        operator = batch.duty.operator
        tries = self._tries.get(first, 0)
        load = self._in_flight.get(operator, 0)
        is_liar = operator in self._book.liars
        strikes = self._book.strikes_of(operator) + tries
        return (is_liar, strikes, tries, first >= K, load, first)


def _cut(duty: Duty, rows: Sequence[int], size: int) -> list[Batch]:
    return [Batch(duty, tuple(rows[start : start + size])) for start in range(0, len(rows), size)]
