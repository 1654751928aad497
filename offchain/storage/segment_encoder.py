"""The matrices of a file's segments: made once for its root, made again when they are sent.

  first   payload -> data rows -> all rows -> hashes -> header        what it found is kept: a trace
  again   payload -> marked as the first time? -> data rows -> parity rows where seats keep some

The second time no row is hashed, because the trace holds the roots of all of them.
A source that has changed is noticed before a byte of it goes out. At most `matrices` exist at once,
100 MB each at most, and one is made at a time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.field import Elements
from offchain.core.layout import K, N, Shape, fill_data_rows
from offchain.core.matrix.encode import EncodedBlob, coset_trees, encode, rows_buffer
from offchain.core.merkle import data_root
from offchain.core.wire import Header
from offchain.node.matrix_room import Lease, MatrixRoom
from offchain.storage.client_errors import PutJournalCorrupt, SourceChanged
from offchain.storage.client_ports import SegmentTrace
from offchain.storage.content_mark import is_marked, mark_of
from offchain.storage.model import SEGMENT_BYTES, FileShape, Segment
from offchain.storage.sources import Buffer, Source

MATRICES: Final = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """One encoded segment and the place it takes; `let_go` when it is sent."""

    encoded: EncodedBlob
    lease: Lease

    def let_go(self) -> None:
        self.lease.give_back()


@dataclass(frozen=True, slots=True, eq=False)
class FirstLook:
    """What the first encoding of a segment found."""

    segment: Segment
    mark: bytes
    trace: SegmentTrace
    matrix: Matrix


class SegmentEncoder:
    """Encodes segments of any number of files, one at a time, with `threads`."""

    def __init__(
        self, engine: ErasureEngine, *, threads: int = 1, matrices: int = MATRICES
    ) -> None:
        self._engine = engine
        self._threads = threads
        self._turn = asyncio.Lock()
        self.matrices = matrices
        self.room = MatrixRoom(matrices)

    async def first(self, source: Source, index: int) -> FirstLook:
        """Read and encode a segment. Raises: SourceChanged."""
        lease = await self.room.take()
        try:
            payload = await self.payload(source, index)
            buffer = lease.buffer(Shape.of(len(payload)))
            async with self._turn:
                encoded = await finish(
                    lambda: encode(payload, self._engine, threads=self._threads, buffer=buffer)
                )
            mark = await asyncio.to_thread(mark_of, payload)
        except BaseException:
            lease.give_back()
            raise
        roots = b"".join(tree.levels[0].tobytes() for tree in encoded.trees)
        trace = SegmentTrace(encoded.header.to_bytes(), roots)
        segment = Segment.of(index, encoded.header)
        return FirstLook(segment, mark, trace, Matrix(encoded, lease))

    async def again(
        self, source: Source, segment: Segment, *, mark: bytes, trace: SegmentTrace, rows: int
    ) -> Matrix:
        """The same matrix as before, its first `rows` rows filled. Raises: SourceChanged."""
        lease = await self.room.take()
        try:
            payload = await self.payload(source, segment.index)
            await asyncio.to_thread(_require_same, payload, mark, segment)
            buffer = lease.buffer(segment.shape)
            async with self._turn:
                encoded = await finish(
                    lambda: self._made(payload, segment, trace=trace, rows=rows, buffer=buffer)
                )
        except BaseException:
            lease.give_back()
            raise
        return Matrix(encoded, lease)

    async def payload(self, source: Source, index: int) -> Buffer:
        """The bytes of a segment. Raises: SourceChanged."""
        size = FileShape.of(source.length).length_of(index)
        return await asyncio.to_thread(source.read_at, index * SEGMENT_BYTES, size)

    def _made(
        self, payload: Buffer, segment: Segment, *, trace: SegmentTrace, rows: int, buffer: Elements
    ) -> EncodedBlob:
        header = Header.parse(trace.header)
        roots = np.frombuffer(trace.row_roots, np.uint8).reshape(N, -1)
        trees = coset_trees(roots, self._engine)
        is_sound = data_root(*(tree.root for tree in trees)) == segment.data_root
        if not is_sound or not segment.is_header(header):
            raise PutJournalCorrupt(segment=segment.index)
        full = rows_buffer(header.shape, buffer)
        fill_data_rows(payload, header.shape, full[:K])
        if rows > K:
            self._engine.extend_in_place(full[: -(-rows // K) * K], threads=self._threads)
        return EncodedBlob(header.shape, header, full, trees)


async def finish(work: Callable[[], T]) -> T:
    """Run in a thread; when the wait is cancelled, the thread still ends before this returns."""
    running = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    finally:
        if not running.done():
            await asyncio.wait({running})


def _require_same(payload: Buffer, mark: bytes, segment: Segment) -> None:
    """Raises: SourceChanged."""
    if not is_marked(payload, mark):
        raise SourceChanged(segment=segment.index)
