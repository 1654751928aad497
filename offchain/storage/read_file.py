"""Read a stored file's bytes, in order, every one verified against the root that was asked for.

  id -> record at one block -> segments, checked against the root
  segment j -> K rows, each under D_j -> decode -> CONSISTENT: encode again and compare with D_j
                                                   INCLUSION: the data rows are in D_j

Several segments are on their way at once; they come out in order. A seat that lies is blamed and
left alone, and nothing of what it said is used. Source: docs/protocol/storage.md#client.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from offchain.chain.errors import BlockUnknown
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.field import Elements, first_not_canonical
from offchain.core.layout import K, has_clean_padding, has_clean_top_bytes, payload_view
from offchain.core.matrix.encode import coset_trees, rows_buffer
from offchain.core.matrix.errors import Bottom
from offchain.core.merkle import CosetTree
from offchain.node.matrix_room import Lease, MatrixRoom
from offchain.storage.client_errors import FileNotStored, FileUnknown, InsufficientShards
from offchain.storage.client_ports import StorageIndex
from offchain.storage.errors import SubmissionUnknown
from offchain.storage.gather_units import GatherRules, GatherUnits, Hunt
from offchain.storage.model import SEGMENT_BYTES, FileState, SeatState, Segment, file_root
from offchain.storage.ports import (
    FileView,
    GroupView,
    SeatClient,
    SeatView,
    StorageLedger,
    StoredFile,
)
from offchain.storage.seat_book import SeatBook
from offchain.storage.segment_encoder import finish

READABLE = frozenset({FileState.PLACED, FileState.STORED, FileState.LOST})
log = logging.getLogger(__name__)


class Label(Enum):
    """What was checked of the bytes."""

    CONSISTENT = "consistent"  # the only bytes that any reader can get
    INCLUSION = "inclusion"  # these bytes lie in the data rows under the root


@dataclass(frozen=True, slots=True)
class ReadRules:
    """`segments`: how many are on their way at once, 100 MB each at most. `threads`: to decode."""

    segments: int = 3
    threads: int = 1
    table_seconds: float = 5.0
    gather: GatherRules = field(default_factory=GatherRules)


@dataclass(frozen=True, slots=True)
class ReadParts:
    """What reading works with; needs no key and no money."""

    ledger: StorageLedger
    index: StorageIndex
    client: SeatClient
    engine: ErasureEngine


@dataclass(slots=True, eq=False)
class OpenFile:
    """A file that is being read: its record, its seats, its segments, and what is thought of seats.

    `bytes_received` counts what came from seats, good or not.
    """

    file: StoredFile
    group: GroupView
    segments: tuple[Segment, ...] = field(repr=False)
    book: SeatBook = field(default_factory=SeatBook, repr=False)
    bytes_received: int = 0

    @property
    def length(self) -> int:
        return self.file.shape.length


class ReadFile:
    """Reads files; the room bounds the memory of all reads together."""

    def __init__(self, parts: ReadParts, rules: ReadRules | None = None) -> None:
        self._parts = parts
        self._rules = rules or ReadRules()
        self._gather = GatherUnits(parts.client, parts.engine, self._rules.gather)
        self._room = MatrixRoom(self._rules.segments)
        self._turn = asyncio.Semaphore(2)  # decoding uses all threads it may; two hide its edges
        self._spare: list[Elements] = []  # memory of payloads that nobody reads any more

    async def open(self, reference: bytes) -> OpenFile:
        """Open the file with this id, or the newest one with this root.

        Raises: FileUnknown, FileNotStored, InsufficientShards when no seat tells its segments.
        """
        view = await self.view(reference)
        if view.group is None or view.file.state not in READABLE:
            raise FileNotStored(file_id=view.file.file_id.hex(), state=view.file.state.name)
        opened = OpenFile(view.file, view.group, ())
        opened.segments = await self._segments(opened)
        return opened

    async def view(self, reference: bytes) -> FileView:
        """The record of the file with this id, or of the newest with this root: a stored one first.

        Raises: FileUnknown.
        """
        return await asyncio.to_thread(self._look_up, reference)

    async def segment(
        self, opened: OpenFile, index: int, *, label: Label, room: Elements | None = None
    ) -> memoryview:
        """The payload of one segment, in `room` if given. Raises: InsufficientShards, Bottom."""
        lease = await self._room.take()
        try:
            return await self._segment(opened, index, label, (lease, room))
        finally:
            lease.give_back()

    async def payloads(
        self, opened: OpenFile, *, first: int = 0, label: Label = Label.CONSISTENT
    ) -> AsyncGenerator[memoryview, None]:
        """The payloads of segments from `first` on, in order. Raises: as `segment`.

        One is there until the next is asked for: its memory is used again.
        """
        waiting: deque[tuple[asyncio.Task[memoryview], Elements]] = deque()
        coming = iter(range(first, len(opened.segments)))
        try:
            while True:
                while len(waiting) < self._rules.segments:
                    index = next(coming, None)
                    if index is None:
                        break
                    room = self._payload_room()
                    reading = self.segment(opened, index, label=label, room=room)
                    waiting.append((asyncio.create_task(reading), room))
                if not waiting:
                    return
                task, room = waiting[0]
                payload = await task
                waiting.popleft()
                yield payload
                self._spare.append(room)
        finally:
            for task, _ in waiting:
                task.cancel()
            await asyncio.gather(*(task for task, _ in waiting), return_exceptions=True)
            self._spare.clear()

    def _payload_room(self) -> Elements:
        """Memory for one payload of any segment."""
        return self._spare.pop() if self._spare else np.empty(SEGMENT_BYTES, np.uint8)

    def _look_up(self, reference: bytes) -> FileView:
        """Raises: FileUnknown."""
        ledger = self._parts.ledger
        while True:
            head = ledger.head()
            try:
                return ledger.view(reference, at=head.hash)
            except BlockUnknown:
                continue
            except SubmissionUnknown:
                views = [
                    ledger.view(one, at=head.hash)
                    for one in self._parts.index.ids_of_root(reference, at=head.hash)
                ]
            for view in sorted(views, key=lambda one: one.file.state is not FileState.STORED):
                return view
            raise FileUnknown(reference=reference.hex())

    async def _segments(self, opened: OpenFile) -> tuple[Segment, ...]:
        """The file's segments as the first seat that tells the truth tells them."""
        left = [seat for seat in opened.group.seats if is_there(seat)]
        running: dict[asyncio.Task[tuple[Segment, ...] | None], SeatView] = {}
        try:
            while left or running:
                while left and len(running) < 3:
                    seat = left.pop(0)
                    running[asyncio.create_task(self._table(opened, seat))] = seat
                done, _ = await asyncio.wait(
                    running,
                    timeout=self._rules.gather.hedge_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    running.pop(task)
                    found = task.result()
                    if found is not None:
                        return found
                if not done and left:
                    seat = left.pop(0)
                    running[asyncio.create_task(self._table(opened, seat))] = seat
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        raise InsufficientShards(reason="no seat tells the segments", seats=opened.book.troubled())

    async def _table(self, opened: OpenFile, seat: SeatView) -> tuple[Segment, ...] | None:
        file = opened.file
        try:
            async with asyncio.timeout(self._rules.table_seconds):
                found = await self._parts.client.segments(seat.endpoint, file.root, file.shape)
        except TimeoutError:
            return None
        except ApogeeError as error:
            opened.book.note(seat, error, request="segments")
            return None
        segments = tuple(found)
        if file_root(segments) != file.root:
            opened.book.convict(seat, request="segments", reason="another root")
            return None
        return segments

    async def _segment(
        self, opened: OpenFile, index: int, label: Label, place: tuple[Lease, Elements | None]
    ) -> memoryview:
        (lease, room), segment = place, opened.segments[index]
        full = rows_buffer(segment.shape, lease.buffer(segment.shape))
        hunt = Hunt(segment, opened.group, opened.book, full)
        try:
            await self._gather.gather(hunt)
        finally:
            opened.bytes_received += hunt.bytes_received
        async with self._turn:
            return await finish(lambda: self._decoded(hunt, label, room))

    def _decoded(self, hunt: Hunt, label: Label, room: Elements | None) -> memoryview:
        """The payload in K verified rows. Raises: Bottom."""
        engine, threads = self._parts.engine, self._rules.threads
        shape, full = hunt.segment.shape, hunt.full
        if not hunt.has_all_data:
            chosen = [
                row
                for first, count in sorted(hunt.have.items())
                for row in range(first, first + count)
            ][:K]
            if first_not_canonical(full[chosen]) is not None:
                raise Bottom(reason="an element of a row is not canonical")
            full[:K] = engine.decode(chosen, full[chosen], threads=threads)
        _require_clean(hunt, full)
        if label is Label.CONSISTENT:
            _require_encoding(hunt, full, engine, threads)
        elif not hunt.has_all_data:
            _require_coset(hunt, full, engine)
        return payload_view(full[:K], shape, room)


def is_there(seat: SeatView) -> bool:
    """Whether somebody may answer for a seat."""
    return bool(seat.operator) and seat.state not in {SeatState.NONE, SeatState.VACANT}


def _require_encoding(hunt: Hunt, full: Elements, engine: ErasureEngine, threads: int) -> None:
    """The data rows encode to D again: every row that was judged keeps its root, others get one.

    A run was judged by hashing the very bytes that lie in `full`, unless decoding wrote over them.
    Raises: Bottom.
    """
    engine.extend_in_place(full, threads=threads)
    start = K if hunt.has_all_data else 0
    roots = hunt.roots.copy()
    roots[start:] = engine.row_roots(full[start:], threads=threads)
    assert hunt.coset_roots is not None
    for tree, root in zip(coset_trees(roots, engine), hunt.coset_roots, strict=True):
        if tree.root != root:
            raise Bottom(reason="the rows do not encode to D again")


def _require_coset(hunt: Hunt, full: Elements, engine: ErasureEngine) -> None:
    """Decoded data rows are the ones under D: every run's path named the root of their tree."""
    tree = CosetTree.build(engine.row_roots(full[:K]), engine.keccak_many)
    assert hunt.coset_roots is not None
    if tree.root != hunt.coset_roots[0]:
        raise Bottom(reason="the rows do not decode to the data rows under D")


def _require_clean(hunt: Hunt, full: Elements) -> None:
    """The data rows carry a payload and nothing else. Raises: Bottom."""
    shape = hunt.segment.shape
    if not has_clean_top_bytes(full[:K]):
        raise Bottom(reason="an element of a data row has a non-zero top byte")
    first_short = shape.length // (shape.capacity // K)
    if not all(has_clean_padding(full[row], row, shape) for row in range(first_short, K)):
        raise Bottom(reason="the matrix is not zero past the payload's end")
