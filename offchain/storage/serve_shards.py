"""What a storage node answers to readers, repairers and clients that resume: bounded, checked.

Answers are frames of offchain/storage/frames.py and offchain/core/wire.py. What does not match its
root any more is refused, never sent.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.core.field import FIELD_BYTES
from offchain.core.layout import IndexOutOfRange, K, N
from offchain.core.matrix.encode import leaf_frame_of
from offchain.core.matrix.runs import require_aligned
from offchain.core.wire import encode_rows
from offchain.node.body import Body
from offchain.storage.errors import NodeBusy, RequestMalformed, ShardNotHeld
from offchain.storage.frames import run_frame, segment_table
from offchain.storage.ports import ShardStore
from offchain.storage.segment_book import SegmentBook

MAX_ROWS_PER_REQUEST: Final = 256


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """`answer_bytes`: rows in memory at the same time for all answers together."""

    answer_bytes: int = 96 << 20


class ShardServer(Protocol):
    """What a node's face asks for reads."""

    async def segments(self, root: bytes) -> bytes:
        """The segment table of a file. Raises: ShardNotHeld unless all of it is known here."""
        ...

    async def header(self, data_root: bytes) -> bytes:
        """Raises: ShardNotHeld, ShardCorrupt."""
        ...

    async def run(self, data_root: bytes, first: int, count: int) -> Body:
        """A run frame. Raises: ShardNotHeld, ShardCorrupt, IndexOutOfRange, NodeBusy."""
        ...

    async def rows(self, data_root: bytes, indices: Sequence[int]) -> bytes:
        """A rows frame named after D. Raises: as `run`."""
        ...

    async def leaf(self, data_root: bytes, row: int, leaf: int) -> bytes:
        """A leaf frame. Raises: as `run`."""
        ...


class ServeShards:
    """A `ShardServer` that reads from the store."""

    def __init__(self, store: ShardStore, book: SegmentBook, limits: ServeLimits) -> None:
        self._store = store
        self._book = book
        self._limits = limits
        self._bytes = 0

    async def segments(self, root: bytes) -> bytes:
        segments = await self._book.segments(root)
        if segments is None:
            raise ShardNotHeld(root=root.hex(), known=len(self._book.known(root)))
        return segment_table(segments)

    async def header(self, data_root: bytes) -> bytes:
        return (await self._store.header(data_root)).to_bytes()

    async def run(self, data_root: bytes, first: int, count: int) -> Body:
        require_aligned(first, count)
        columns = await self._columns(data_root)
        with self._room(count * columns * FIELD_BYTES):
            return run_frame(await self._store.run(data_root, first, count))

    async def rows(self, data_root: bytes, indices: Sequence[int]) -> bytes:
        if not 1 <= len(indices) <= MAX_ROWS_PER_REQUEST or len(set(indices)) != len(indices):
            raise RequestMalformed(rows=len(indices), maximum=MAX_ROWS_PER_REQUEST)
        if not all(0 <= index < N for index in indices):
            raise IndexOutOfRange(row=max(indices), bound=N)
        columns = await self._columns(data_root)
        with self._room(len(indices) * columns * FIELD_BYTES):
            rows = await self._store.rows(data_root, indices)
            return await asyncio.to_thread(encode_rows, data_root, columns, rows)

    async def leaf(self, data_root: bytes, row: int, leaf: int) -> bytes:
        if not 0 <= row < N:
            raise IndexOutOfRange(row=row, bound=N)
        header = await self._store.header(data_root)
        [found] = await self._store.rows(data_root, [row])
        return (await asyncio.to_thread(leaf_frame_of, found, leaf, header)).to_bytes()

    async def _columns(self, data_root: bytes) -> int:
        """The width of a matrix of which something is held. Raises: ShardNotHeld."""
        held = await self._store.held(data_root)
        if not held:
            raise ShardNotHeld(data_root=data_root.hex())
        return held[0].columns

    @contextmanager
    def _room(self, size: int) -> Iterator[None]:
        """Hold memory for one answer, twice its rows. Raises: NodeBusy."""
        assert size <= K * K * FIELD_BYTES
        if self._bytes and self._bytes + 2 * size > self._limits.answer_bytes:
            raise NodeBusy(answers_bytes=self._bytes)
        self._bytes += 2 * size
        try:
            yield
        finally:
            self._bytes -= 2 * size
