"""Get the shards of one file that a seat lacks: copied where somebody has the same rows, else made.

  copied   a seat that hands over still has the very rows; every seat of a `replica` group has
  made     k other shards, one's own first and data shards before parity, then `rebuild_rows`
Every run is judged by its own path to D before a byte of it is used, so a seat that lies costs time
and is named, never bytes. Several lacking seats share one decode; one segment at a time is decoded
while the next one is fetched. Source: docs/protocol/storage.md#keeping.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError, Corrupt
from offchain.core.field import Elements
from offchain.core.layout import K
from offchain.core.matrix.check import check_header
from offchain.core.matrix.errors import InsufficientRows
from offchain.core.wire import Header, Row
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.matrix_room import MatrixRoom
from offchain.storage.judge import judge_run
from offchain.storage.keep_ports import SegmentBook
from offchain.storage.model import Profile, SeatState, Segment, rows_of, shard_of
from offchain.storage.ports import (
    GroupView,
    Run,
    SeatClient,
    SeatView,
    Shard,
    ShardKey,
    ShardStore,
    StoredFile,
)
from offchain.storage.rebuild import rebuild_rows
from offchain.storage.segment_encoder import finish

IN_FLIGHT: Final = 16
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AcquireParts:
    """What getting shards works with. `operator` is this node's; `threads` for decoding."""

    operator: int
    store: ShardStore
    book: SegmentBook
    client: SeatClient
    engine: ErasureEngine
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Lie:
    """A seat gave bytes that do not lie under the root it was asked for."""

    group: int
    seat: int
    operator: int
    reason: str


@dataclass(slots=True)
class Acquired:
    """What getting shards did; `source_bytes` are payload bytes of segments that were decoded."""

    copied: int = 0
    rebuilt: int = 0
    bytes_received: int = 0
    source_bytes: int = 0
    lies: list[Lie] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Case:
    """One file for some seats of its group."""

    group: GroupView
    file: StoredFile
    seats: frozenset[int]
    report: Acquired
    liars: set[int] = field(default_factory=set)

    @property
    def profile(self) -> Profile:
        return self.group.profile

    def blame(self, seat: SeatView, error: ApogeeError) -> None:
        self.liars.add(seat.operator)
        lie = Lie(self.group.group, seat.seat, seat.operator, error.code)
        self.report.lies.append(lie)
        named = {"group": lie.group, "seat": lie.seat, "operator": lie.operator}
        log.warning("seat_blamed", extra=named | {"code": error.code})


class AcquireShards:
    """Gets what is lacking, file by file."""

    def __init__(self, parts: AcquireParts) -> None:
        self._parts = parts
        self._room = MatrixRoom(1)

    async def acquire(
        self, group: GroupView, file: StoredFile, seats: frozenset[int], report: Acquired
    ) -> None:
        """Hold the shards of these seats durably, for every segment of the file.

        Raises: InsufficientRows; Bottom; Unavailable when nobody knows the segments.
        """
        case = _Case(group, file, seats, report)
        lacking = [
            (segment, keys)
            for segment in await self._segments(case)
            if (keys := await self._lacking(case, segment))
        ]
        coming: asyncio.Task[tuple[Header, dict[int, Elements]]] | None = None
        try:
            for number, (segment, keys) in enumerate(lacking):
                mine = coming or self._begin(case, segment, keys)
                after = lacking[number + 1 : number + 2]
                header, rows = await mine
                coming = self._begin(case, *after[0]) if after else None
                await self._make(case, segment, header, rows)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    def _begin(
        self, case: _Case, segment: Segment, keys: Mapping[ShardKey, int]
    ) -> "asyncio.Task[tuple[Header, dict[int, Elements]]]":
        return asyncio.create_task(self._fetch(case, segment, keys))

    async def _segments(self, case: _Case) -> tuple[Segment, ...]:
        """The file's segments: known here, or as the first seat tells that tells the truth."""
        parts, file = self._parts, case.file
        known = await parts.book.segments(file.root)
        if known is not None:
            return known
        for seat in self._others(case):
            try:
                found = await parts.client.segments(seat.endpoint, file.root, file.shape)
            except ApogeeError:
                continue
            segments = tuple(found)
            await parts.book.keep(file.root, segments)
            return segments
        raise InsufficientRows(reason="no seat tells the segments", file_id=file.file_id.hex())

    async def _lacking(self, case: _Case, segment: Segment) -> dict[ShardKey, int]:
        """What is not here yet of this segment, each shard once with a seat that owes it."""
        held = {one.key for one in await self._parts.store.held(segment.data_root)}
        wanted = {_key(case.profile, segment, seat): seat for seat in sorted(case.seats)}
        return {key: seat for key, seat in wanted.items() if key not in held}

    async def _fetch(
        self, case: _Case, segment: Segment, keys: Mapping[ShardKey, int]
    ) -> tuple[Header, dict[int, Elements]]:
        """Copy what can be copied; the header, and rows to make the rest from (none if no rest)."""
        header = await self._header(case, segment)
        rest = [
            key
            for key, seat in keys.items()
            if not await self._copy(case, segment, header=header, key=key, seat=seat)
        ]
        rows = await self._gather(case, segment, header) if rest else {}
        return header, rows

    async def _header(self, case: _Case, segment: Segment) -> Header:
        parts = self._parts
        try:
            return await parts.store.header(segment.data_root)
        except (StoreFull, StoreBroken):
            raise
        except ApogeeError:
            pass
        for seat in self._others(case):
            try:
                header = await parts.client.header(seat.endpoint, segment.data_root)
            except ApogeeError:
                continue
            try:
                if segment.is_header(header):
                    await asyncio.to_thread(check_header, header, parts.engine)
                    return header
            except ApogeeError as error:
                case.blame(seat, error)
        raise InsufficientRows(reason="no seat has the header", root=segment.data_root.hex())

    async def _copy(
        self, case: _Case, segment: Segment, *, header: Header, key: ShardKey, seat: int
    ) -> bool:
        """Whether somebody who keeps the very same rows gave them."""
        for other in self._others(case):
            has_same = shard_of(case.profile, other.seat) == key.number
            is_leaving = other.seat == seat and other.state is SeatState.LEAVING
            if not (is_leaving or (case.profile.is_copy and has_same)):
                continue
            run = await self._run(case, segment, header, other)
            if run is not None:
                await self._parts.store.put(Shard(key, header, run))
                case.report.copied += 1
                return True
        return False

    async def _gather(self, case: _Case, segment: Segment, header: Header) -> dict[int, Elements]:
        """K rows or more, each under D. Raises: InsufficientRows."""
        rows = await self._own_rows(segment)
        sources = [
            seat for seat in self._others(case) if rows_of(case.profile, seat.seat)[0] not in rows
        ]
        waiting = iter(sources)
        running: set[asyncio.Task[Run | None]] = set()
        try:
            while len(rows) < K:
                missing = -(-(K - len(rows)) // case.profile.rows_per_seat) - len(running)
                for _ in range(min(missing, IN_FLIGHT - len(running))):
                    seat = next(waiting, None)
                    if seat is not None:
                        coming = self._run(case, segment, header, seat)
                        running.add(asyncio.create_task(coming))
                if not running:
                    raise InsufficientRows(rows=len(rows), needed=K, liars=sorted(case.liars))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for run in filter(None, (task.result() for task in done)):
                    rows |= {run.first + place: row for place, row in enumerate(run.data)}
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return rows

    async def _own_rows(self, segment: Segment) -> dict[int, Elements]:
        """What lies here already of this segment."""
        rows: dict[int, Elements] = {}
        store = self._parts.store
        for one in await store.held(segment.data_root):
            try:
                run = await store.run(segment.data_root, one.key.first, one.key.rows)
            except (StoreFull, StoreBroken):
                raise
            except ApogeeError as error:
                log.warning("own_shard_unusable", extra={"code": error.code})
                continue
            rows |= {run.first + place: row for place, row in enumerate(run.data)}
        return rows

    async def _run(
        self, case: _Case, segment: Segment, header: Header, seat: SeatView
    ) -> Run | None:
        """One seat's rows, judged; None when it has none, is silent, or lied (and is blamed)."""
        if seat.operator in case.liars:
            return None
        parts, rows = self._parts, rows_of(case.profile, seat.seat)
        try:
            run = await parts.client.run(
                seat.endpoint,
                segment.data_root,
                first=rows[0],
                count=len(rows),
                columns=segment.columns,
            )
        except Corrupt as error:
            case.blame(seat, error)
            return None
        except ApogeeError as error:
            log.info("seat_gave_nothing", extra={"seat": seat.seat, "code": error.code})
            return None
        case.report.bytes_received += run.data.nbytes
        try:
            await asyncio.to_thread(judge_run, run, rows, header, parts.engine)
        except ApogeeError as error:
            case.blame(seat, error)
            return None
        return run

    async def _make(
        self, case: _Case, segment: Segment, header: Header, rows: dict[int, Elements]
    ) -> None:
        """Make every shard that is still lacking from the rows, and keep it. Raises: Bottom."""
        keys = sorted(await self._lacking(case, segment))
        if not keys:
            return
        wanted = [row for key in keys for row in range(key.first, key.first + key.rows)]
        lease = await self._room.take()
        try:
            buffer = lease.buffer(header.shape)
            made = await finish(lambda: self._rebuild(header, rows, wanted, buffer))
        finally:
            lease.give_back()
        for position, key in enumerate(keys):
            part = made[position * key.rows : (position + 1) * key.rows]
            run = run_of(part, header)
            await self._parts.store.put(Shard(key, header, run))
        case.report.rebuilt += len(keys)
        case.report.source_bytes += segment.length

    def _rebuild(
        self, header: Header, rows: dict[int, Elements], wanted: list[int], buffer: Elements
    ) -> list[Row]:
        parts = self._parts
        return rebuild_rows(
            header, rows, wanted, parts.engine, threads=parts.threads, buffer=buffer
        )

    def _others(self, case: _Case) -> Iterator[SeatView]:
        """Seats of other operators that should answer, data shards first; liars are left out."""
        for seat in case.group.seats:
            is_there = seat.is_owed or seat.state is SeatState.DRAWN
            is_other = seat.operator != self._parts.operator
            if is_there and is_other and seat.operator not in case.liars:
                yield seat


def run_of(rows: Sequence[Row], header: Header) -> Run:
    """Aligned rows with their whole paths as one run."""
    depth = (len(rows) - 1).bit_length()
    data = np.stack([row.data for row in rows])
    b0, b1, b2 = header.coset_roots
    return Run(rows[0].index, tuple(rows[0].path[depth:]), (b0, b1, b2), data)


def _key(profile: Profile, segment: Segment, seat: int) -> ShardKey:
    return ShardKey(segment.data_root, shard_of(profile, seat), profile.rows_per_seat)
