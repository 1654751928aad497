"""Rows from many owners at once, until there are enough that verify.

Work is cut into batches, one request each, data rows first (`plan.py`). A batch that is late no
longer counts as coming, so another one for other rows starts elsewhere; a batch that fails is
blamed on its node. A node that was caught lying is left alone from then on, what else it was asked
is taken back, and the owners of other rows are asked instead. Answers of different nodes never mix:
a row is judged by its own path to D. Source: docs/protocol/da.md#reading.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.field import Elements
from offchain.core.matrix.check import CheckedHeader, judge_rows
from offchain.core.merkle import RowPath
from offchain.core.wire import Row, RowsFrame, parse_rows
from offchain.da.accept import ROW_HEAD_BYTES, ROWS_HEAD_BYTES
from offchain.da.blame import BlameBook
from offchain.da.duties import Duties
from offchain.da.errors import EncodingFault, InsufficientRows
from offchain.da.fraud import BottomProven, prove_row
from offchain.da.plan import Batch, FetchRules, Plan
from offchain.da.ports import NodeClient
from offchain.da.refusals import AnswerInvalid, NodeSlow

__all__ = ["Batch", "BottomProven", "FetchRows", "FetchRules", "RowHunt"]

P95_OF: Final = 0.95
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class RowHunt:
    """What one read has and still wants; rows here are verified against the checked header."""

    blob_id: bytes
    checked: CheckedHeader
    duties: Duties
    book: BlameBook
    rows: dict[int, Elements] = field(default_factory=dict, repr=False)
    paths: dict[int, RowPath] = field(default_factory=dict, repr=False)
    judging: set[Batch] = field(default_factory=set, repr=False)
    bytes_received: int = 0


@dataclass(slots=True, eq=False)
class _Running:
    """The requests under way, when each began, and how long answered ones took."""

    tasks: dict[asyncio.Task[list[int]], tuple[Batch, float]] = field(default_factory=dict)
    dropped: list[asyncio.Task[list[int]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def hedge(self, rules: FetchRules) -> float:
        """Seconds after which a request counts as late."""
        if len(self.times) < 2:
            return rules.hedge_seconds
        times = sorted(self.times)
        p95 = times[min(len(times) - 1, int(len(times) * P95_OF))]
        return max(rules.hedge_seconds / 10, min(rules.hedge_seconds, 2 * p95))

    def split(self, now: float, hedge: float) -> tuple[list[Batch], frozenset[int]]:
        """The batches that are in time, and the operators that are late with one."""
        in_time = [batch for batch, started in self.tasks.values() if now - started < hedge]
        late = {b.duty.operator for b, started in self.tasks.values() if now - started >= hedge}
        return in_time, frozenset(late)


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
        row_bytes = ROW_HEAD_BYTES + hunt.checked.shape.row_bytes
        plan = Plan(hunt.duties, hunt.book, self._rules, row_bytes=row_bytes)
        running = _Running()
        try:
            while len(hunt.rows) < needed:
                self._start(plan, hunt, running, needed)
                if not running.tasks:
                    raise InsufficientRows(
                        rows=len(hunt.rows),
                        needed=needed,
                        missing_owners=hunt.book.troubled(),
                    )
                await self._settle_some(plan, hunt, running)
                on_rows(len(hunt.rows))
        finally:
            for task, (batch, _) in running.tasks.items():
                if batch not in hunt.judging:  # what has come is judged, so that it is blamed
                    task.cancel()
            await asyncio.gather(*running.tasks, *running.dropped, return_exceptions=True)

    async def ask(self, hunt: RowHunt, batch: Batch) -> list[int]:
        """Ask for one batch and keep what verifies; the rows that are still missing.

        Raises: BottomProven.
        """
        raw = b""
        try:
            async with asyncio.timeout(self._rules.request_seconds):
                raw = await self._client.rows(
                    batch.duty.endpoint,
                    hunt.blob_id,
                    batch.rows,
                    max_bytes=_frame_bytes(hunt, len(batch.rows)),
                )
        except TimeoutError:
            slow = NodeSlow(endpoint=batch.duty.endpoint, seconds=self._rules.request_seconds)
            hunt.book.note(batch.duty, slow, request=batch.asked, answer=raw)
            return list(batch.rows)
        except AnswerInvalid as error:
            hunt.book.convict(batch.duty, request=batch.asked, answer=raw, reason=error.code)
            return list(batch.rows)
        except ApogeeError as error:
            hunt.book.note(batch.duty, error, request=batch.asked, answer=raw)
            await asyncio.sleep(self._rules.pause_seconds)
            return list(batch.rows)
        hunt.bytes_received += len(raw)
        try:
            frame = _parse(hunt, batch, raw)
        except ApogeeError as error:
            hunt.book.convict(batch.duty, request=batch.asked, answer=raw, reason=error.code)
            return list(batch.rows)
        return await self._keep(hunt, batch, frame, raw)

    async def _settle_some(self, plan: Plan, hunt: RowHunt, running: _Running) -> None:
        """Wait until something ended or became late; take back what liars were asked."""
        loop = asyncio.get_running_loop()
        done, _ = await asyncio.wait(
            running.tasks,
            timeout=running.hedge(self._rules),
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in done:
            batch, started = running.tasks.pop(task)
            missing = task.result()
            if not missing:
                running.times.append(loop.time() - started)
            plan.done(batch, missing)
        for task, (batch, _) in list(running.tasks.items()):
            if batch.duty.operator in hunt.book.liars and batch not in hunt.judging:
                task.cancel()
                running.dropped.append(task)
                del running.tasks[task]
                plan.put_back(batch)

    def _start(self, plan: Plan, hunt: RowHunt, running: _Running, needed: int) -> None:
        """Start requests until the rows that come in time are enough."""
        now = asyncio.get_running_loop().time()
        in_time, late = running.split(now, running.hedge(self._rules))
        coming = len(hunt.rows) + sum(len(batch.rows) for batch in in_time)
        places = self._rules.in_flight - len(in_time)
        while coming < needed and places > 0:
            batch = plan.next(late)
            if batch is None:
                return
            running.tasks[asyncio.create_task(self.ask(hunt, batch))] = (batch, now)
            coming += len(batch.rows)
            places -= 1

    async def _keep(self, hunt: RowHunt, batch: Batch, frame: RowsFrame, raw: bytes) -> list[int]:
        hunt.judging.add(batch)
        try:
            good = await asyncio.to_thread(self._verified, hunt, frame.rows)
        finally:
            hunt.judging.discard(batch)
        hunt.rows |= {row.index: row.data for row in good}
        hunt.paths |= {row.index: row.path for row in good}
        missing = sorted(set(batch.rows) - {row.index for row in good})
        if len(good) < len(frame.rows):
            bad = sorted({row.index for row in frame.rows} - {row.index for row in good})
            reason = f"da.row.path_mismatch rows {bad[:8]}"
            hunt.book.convict(batch.duty, request=batch.asked, answer=raw, reason=reason)
        elif missing:
            reason = "da.row.withheld"
            hunt.book.convict(batch.duty, request=batch.asked, answer=raw, reason=reason)
        return missing

    def _verified(self, hunt: RowHunt, rows: Sequence[Row]) -> list[Row]:
        """The rows that hold. Raises: BottomProven for one under D that breaks the code."""
        triples = [(row.index, row.path, row.data) for row in rows]
        verdicts = judge_rows(hunt.checked, triples, self._engine)
        for row, verdict in zip(rows, verdicts, strict=True):
            if isinstance(verdict, EncodingFault):
                proof = prove_row(hunt.checked, row, self._engine, fault=verdict.code)
                raise BottomProven(row, proof) from verdict
        return [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is None]


def _frame_bytes(hunt: RowHunt, rows: int) -> int:
    return ROWS_HEAD_BYTES + rows * (ROW_HEAD_BYTES + hunt.checked.shape.row_bytes)


def _parse(hunt: RowHunt, batch: Batch, raw: bytes) -> RowsFrame:
    """The frame that was asked for. Raises: FrameError, AnswerInvalid."""
    frame = parse_rows(raw, columns=hunt.checked.shape.columns, max_rows=len(batch.rows))
    if frame.blob_id != hunt.blob_id:
        raise AnswerInvalid(reason="another blob")
    if not {row.index for row in frame.rows} <= set(batch.rows):
        raise AnswerInvalid(reason="rows that were not asked for")
    return frame
