"""Rows from many owners at once, until there are enough that verify.

Work is cut into batches, one request each, data rows first. A batch that is late no longer counts
as coming, so another one for other rows starts elsewhere; a batch that fails is blamed on its node,
and its rows come again after everybody else's, at most `tries` times. Answers of different nodes
never mix: a row is judged by its own path to D. Source: docs/protocol/da.md#reading.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.field import Elements
from offchain.core.layout import K
from offchain.core.wire import Header, Row, parse_rows
from offchain.da.accept import ROW_HEAD_BYTES, ROWS_HEAD_BYTES
from offchain.da.blame import BlameBook
from offchain.da.check import CheckedHeader, check_rows, path_holds
from offchain.da.duties import Duties, Duty
from offchain.da.errors import (
    Bottom,
    EncodingFault,
    InsufficientRows,
    PathMismatch,
    RowRejected,
)
from offchain.da.ports import NodeClient
from offchain.da.refusals import AnswerInvalid, NodeSlow
from offchain.da.serve import MAX_ROWS_PER_REQUEST

P95_OF: Final = 0.95
log = logging.getLogger(__name__)


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


class BottomProven(Bottom):
    """D is no valid encoding, and this row under D shows it; kept as proof against the disperser.

    `header` and `row` are what `DAChallenges` wants to see.
    """

    def __init__(self, header: Header, row: Row, *, fault: str) -> None:
        super().__init__(row=row.index, fault=fault)
        self.header = header
        self.row = row


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One request: these rows of this owner."""

    duty: Duty
    rows: tuple[int, ...]

    @property
    def asked(self) -> str:
        """The request in words, for a blame record."""
        return f"rows {self.rows[0]}..{self.rows[-1]} ({len(self.rows)})"


@dataclass(slots=True, eq=False)
class RowHunt:
    """What one read has and still wants; rows here are verified against the checked header."""

    blob_id: bytes
    checked: CheckedHeader
    duties: Duties
    book: BlameBook
    rows: dict[int, Elements] = field(default_factory=dict, repr=False)
    judging: set[Batch] = field(default_factory=set, repr=False)
    bytes_received: int = 0


class _Plan:
    """Which batch is asked next: few strikes first, data rows first, spread over the nodes."""

    def __init__(self, hunt: RowHunt, rules: FetchRules) -> None:
        self._book = hunt.book
        self._rules = rules
        self._in_flight: dict[int, int] = {}
        self._tries: dict[int, int] = {}
        row_bytes = ROW_HEAD_BYTES + hunt.checked.shape.row_bytes
        fair = -(-K // max(1, len(hunt.duties.members)))
        size = min(MAX_ROWS_PER_REQUEST, max(1, rules.batch_bytes // row_bytes), fair)
        self._open: list[Batch] = []
        for duty in hunt.duties.members:
            ordered = sorted(duty.rows)
            data = [row for row in ordered if row < K]
            parity = [row for row in ordered if row >= K]
            for group in (data, parity):
                self._open += _cut(duty, group, size)

    def next(self) -> Batch | None:
        """The best batch whose node has room; None when there is none now."""
        ready = [
            batch
            for batch in self._open
            if self._in_flight.get(batch.duty.operator, 0) < self._rules.per_node
        ]
        if not ready:
            return None
        best = min(ready, key=self._rank)
        self._open.remove(best)
        operator = best.duty.operator
        self._in_flight[operator] = self._in_flight.get(operator, 0) + 1
        return best

    def done(self, batch: Batch, missing: Sequence[int]) -> None:
        """A request ended; rows that did not come are asked for again, last."""
        self._in_flight[batch.duty.operator] -= 1
        again = []
        for row in missing:
            self._tries[row] = self._tries.get(row, 0) + 1
            if self._tries[row] < self._rules.tries:
                again.append(row)
        half = max(1, len(again) // 2)  # smaller, so that one bad row does not sink its neighbours
        self._open += _cut(batch.duty, again, half)

    def _rank(self, batch: Batch) -> tuple[int, int, bool, int, int]:
        first = batch.rows[0]
        operator = batch.duty.operator
        tries = self._tries.get(first, 0)
        load = self._in_flight.get(operator, 0)
        return (self._book.strikes_of(operator) + tries, tries, first >= K, load, first)


class FetchRows:
    """Gathers verified rows for one hunt at a time."""

    def __init__(self, client: NodeClient, engine: ErasureEngine, rules: FetchRules) -> None:
        self._client = client
        self._engine = engine
        self._rules = rules

    async def gather(
        self, hunt: RowHunt, *, needed: int, on_rows: Callable[[int], None] = lambda _: None
    ) -> None:
        """Fill `hunt.rows` with at least `needed` rows.

        Raises: BottomProven; InsufficientRows when nobody is left to ask.
        """
        plan = _Plan(hunt, self._rules)
        running: dict[asyncio.Task[list[int]], tuple[Batch, float]] = {}
        times: list[float] = []
        loop = asyncio.get_running_loop()
        try:
            while len(hunt.rows) < needed:
                self._start(plan, hunt, running, times, needed)
                if not running:
                    raise InsufficientRows(
                        rows=len(hunt.rows),
                        needed=needed,
                        missing_owners=hunt.book.troubled(),
                    )
                done, _ = await asyncio.wait(
                    running, timeout=self._hedge(times), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    batch, started = running.pop(task)
                    missing = task.result()
                    if not missing:
                        times.append(loop.time() - started)
                    plan.done(batch, missing)
                on_rows(len(hunt.rows))
        finally:
            for task, (batch, _) in running.items():
                if batch not in hunt.judging:  # what has come is judged, so that it is blamed
                    task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _start(
        self,
        plan: _Plan,
        hunt: RowHunt,
        running: dict[asyncio.Task[list[int]], tuple[Batch, float]],
        times: list[float],
        needed: int,
    ) -> None:
        """Start requests until the rows that come in time are enough."""
        now = asyncio.get_running_loop().time()
        hedge = self._hedge(times)
        in_time = [b for b, started in running.values() if now - started < hedge]
        coming = len(hunt.rows) + sum(len(batch.rows) for batch in in_time)
        while coming < needed and len(in_time) < self._rules.in_flight:
            batch = plan.next()
            if batch is None:
                return
            task = asyncio.create_task(self._request(hunt, batch))
            running[task] = (batch, now)
            in_time.append(batch)
            coming += len(batch.rows)

    def _hedge(self, times: list[float]) -> float:
        """Seconds after which a request counts as late."""
        if len(times) < 2:
            return self._rules.hedge_seconds
        p95 = sorted(times)[min(len(times) - 1, int(len(times) * P95_OF))]
        return max(self._rules.hedge_seconds / 10, min(self._rules.hedge_seconds, 2 * p95))

    async def _request(self, hunt: RowHunt, batch: Batch) -> list[int]:
        """Ask for one batch and keep what verifies; the rows that are still missing."""
        row_bytes = ROW_HEAD_BYTES + hunt.checked.shape.row_bytes
        raw = b""
        try:
            async with asyncio.timeout(self._rules.request_seconds):
                raw = await self._client.rows(
                    batch.duty.endpoint,
                    hunt.blob_id,
                    batch.rows,
                    max_bytes=ROWS_HEAD_BYTES + len(batch.rows) * row_bytes,
                )
            hunt.bytes_received += len(raw)
            frame = parse_rows(raw, columns=hunt.checked.shape.columns, max_rows=len(batch.rows))
            if frame.blob_id != hunt.blob_id:
                raise AnswerInvalid(reason="another blob")
            if not {row.index for row in frame.rows} <= set(batch.rows):
                raise AnswerInvalid(reason="rows that were not asked for")
        except TimeoutError:
            slow = NodeSlow(endpoint=batch.duty.endpoint, seconds=self._rules.request_seconds)
            hunt.book.note(batch.duty, slow, request=batch.asked, answer=raw)
            return list(batch.rows)
        except ApogeeError as error:
            hunt.book.note(batch.duty, error, request=batch.asked, answer=raw)
            if raw == b"":
                await asyncio.sleep(self._rules.pause_seconds)
            return list(batch.rows)
        hunt.judging.add(batch)
        try:
            good = await asyncio.to_thread(self._verified, hunt, frame.rows)
        finally:
            hunt.judging.discard(batch)
        hunt.rows |= {row.index: row.data for row in good}
        if len(good) < len(frame.rows):
            bad = sorted({row.index for row in frame.rows} - {row.index for row in good})
            reason = f"{PathMismatch.code} rows {bad[:8]}"
            hunt.book.blame(batch.duty, request=batch.asked, answer=raw, reason=reason)
        if len(frame.rows) < len(batch.rows):
            reason = "da.row.withheld"
            hunt.book.blame(batch.duty, request=batch.asked, answer=raw, reason=reason)
        return sorted(set(batch.rows) - {row.index for row in good})

    def _verified(self, hunt: RowHunt, rows: Sequence[Row]) -> Sequence[Row]:
        """Verify together, or one by one when somebody lied; the rows that hold."""
        return rows if self._hold(hunt, rows) else [r for r in rows if self._judge(hunt, r)]

    def _hold(self, hunt: RowHunt, rows: Sequence[Row]) -> bool:
        try:
            check_rows(hunt.checked, [(r.index, r.path, r.data) for r in rows], self._engine)
        except RowRejected:
            return False
        return True

    def _judge(self, hunt: RowHunt, row: Row) -> bool:
        """Whether a row verifies. Raises: BottomProven when it is under D and breaks the code."""
        triple = (row.index, row.path, row.data)
        try:
            check_rows(hunt.checked, [triple], self._engine)
        except EncodingFault as error:
            if path_holds(hunt.checked, triple, self._engine):
                raise BottomProven(hunt.checked.header, row, fault=error.code) from error
            return False
        except RowRejected:
            return False
        return True


def _cut(duty: Duty, rows: Sequence[int], size: int) -> list[Batch]:
    return [Batch(duty, tuple(rows[start : start + size])) for start in range(0, len(rows), size)]
