"""Bytes from anywhere in a stored file for the price of what they touch: leaves, or whole rows.

  byte p -> leaf ((p div 31) mod m) div 8 of row (p div 31) div m of its segment -> path -> D_j

A few leaves are asked for one by one, more as rows; each is judged by its own path (`INCLUSION`).
Where the seat of a row does not answer or lies, the segment is decoded from others instead.
Source: docs/protocol/storage.md#client.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Final

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError, InvalidInput, Unavailable
from offchain.core.field import FIELD_BYTES
from offchain.core.layout import ELEMENT_BYTES, LEAF_PAYLOAD_BYTES
from offchain.core.matrix.errors import Bottom
from offchain.core.merkle import data_root
from offchain.core.wire import Row
from offchain.storage.errors import SeatSlow
from offchain.storage.judge import leaf_of, rows_lie_under
from offchain.storage.model import SEGMENT_BYTES, Segment, rows_of
from offchain.storage.ports import SeatClient, SeatView
from offchain.storage.read_file import Label, OpenFile, ReadFile, is_there

FEW_LEAVES: Final = 24
MAX_ROWS: Final = 64  # a request
REQUEST_SECONDS: Final = 2.0  # then the segment is decoded from others


class RangeInvalid(InvalidInput):
    """A range lies inside the file and is not empty."""

    code = "storage.range.invalid"
    next_step = "Ask for bytes start .. stop-1 with 0 <= start < stop <= the file's length."


class ReadRange:
    """Reads parts of files that `ReadFile` opened."""

    def __init__(
        self,
        reader: ReadFile,
        client: SeatClient,
        engine: ErasureEngine,
        *,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._seconds = request_seconds
        self._reader = reader
        self._client = client
        self._engine = engine

    async def read(self, opened: OpenFile, start: int, stop: int) -> bytes:
        """Stored bytes start .. stop-1. Raises: RangeInvalid, InsufficientShards, Bottom."""
        if not 0 <= start < stop <= opened.length:
            raise RangeInvalid(start=start, stop=stop, length=opened.length)
        pieces = []
        for index in range(start // SEGMENT_BYTES, -(-stop // SEGMENT_BYTES)):
            begin = index * SEGMENT_BYTES
            end = min(stop - begin, opened.segments[index].length)
            pieces.append(await self._part(opened, index, max(start - begin, 0), end))
        return b"".join(pieces)

    async def _part(self, opened: OpenFile, index: int, start: int, stop: int) -> bytes:
        """Bytes of one segment."""
        segment = opened.segments[index]
        places = segment.shape.leaves_covering(start, stop)
        try:
            if len(places) <= FEW_LEAVES:
                found = await self._leaves(opened, segment, places)
                begin = start // LEAF_PAYLOAD_BYTES * LEAF_PAYLOAD_BYTES
            else:
                first, last = places[0][0], places[-1][0]
                found = await self._rows(opened, segment, range(first, last + 1))
                begin = first * ELEMENT_BYTES * segment.columns
        except _NotThere:
            payload = await self._reader.segment(opened, index, label=Label.CONSISTENT)
            return bytes(payload[start:stop])
        return found[start - begin : stop - begin]

    async def _leaves(
        self, opened: OpenFile, segment: Segment, places: Sequence[tuple[int, int]]
    ) -> bytes:
        """The payload of these leaves. Raises: _NotThere, Bottom."""
        asked = [self._leaf(opened, segment, row, leaf) for row, leaf in places]
        return _payload(b"".join(await _all(asked)))

    async def _leaf(self, opened: OpenFile, segment: Segment, row: int, leaf: int) -> bytes:
        for seat in self._owners(opened, row):
            request = f"leaf {row}.{leaf}"
            try:
                async with asyncio.timeout(self._seconds):
                    raw = await self._client.leaf(seat.endpoint, segment, row=row, leaf=leaf)
                opened.bytes_received += len(raw)
                found = leaf_of(segment, raw, row=row, leaf=leaf)
            except TimeoutError:
                opened.book.note(seat, SeatSlow(seconds=self._seconds), request=request)
                continue
            except ApogeeError as error:
                opened.book.note(seat, error, request=request)
                continue
            if found is not None:
                return found
            opened.book.convict(seat, request=request, reason="storage.shard.rejected")
        raise _NotThere

    async def _rows(self, opened: OpenFile, segment: Segment, wanted: range) -> bytes:
        """The payload of whole rows in order. Raises: _NotThere, Bottom."""
        roots = await self._coset_roots(opened, segment, wanted.start)
        chunks = []
        at = wanted.start
        while at < wanted.stop:
            own = next((r for r in self._shards(opened) if at in r), range(at, at + 1))
            end = min(wanted.stop, own.stop, at + MAX_ROWS)
            chunks.append(range(at, end))
            at = end
        asked = [self._row_chunk(opened, segment, roots, chunk) for chunk in chunks]
        return _payload(b"".join(await _all(asked)))

    async def _row_chunk(
        self, opened: OpenFile, segment: Segment, roots: Sequence[bytes], chunk: range
    ) -> bytes:
        request = f"rows {chunk.start}..{chunk.stop - 1}"
        for seat in self._owners(opened, chunk.start):
            try:
                async with asyncio.timeout(self._seconds):
                    rows = await self._client.rows(
                        seat.endpoint, segment.data_root, chunk, columns=segment.columns
                    )
            except TimeoutError:
                opened.book.note(seat, SeatSlow(seconds=self._seconds), request=request)
                continue
            except ApogeeError as error:
                opened.book.note(seat, error, request=request)
                continue
            opened.bytes_received += sum(row.data.nbytes for row in rows)
            if await asyncio.to_thread(self._hold, segment, roots, chunk, rows):
                return b"".join(row.data.tobytes() for row in rows)
            opened.book.convict(seat, request=request, reason="storage.shard.rejected")
        raise _NotThere

    def _hold(
        self, segment: Segment, roots: Sequence[bytes], chunk: range, rows: Sequence[Row]
    ) -> bool:
        shape = (segment.columns, FIELD_BYTES)
        if [row.index for row in rows] != list(chunk) or any(r.data.shape != shape for r in rows):
            return False
        return rows_lie_under(roots, rows, self._engine)

    async def _coset_roots(
        self, opened: OpenFile, segment: Segment, row: int
    ) -> tuple[bytes, bytes, bytes]:
        """The three roots that fold to D. Raises: _NotThere."""
        for seat in (*self._owners(opened, row), *self._owners(opened, None)):
            try:
                async with asyncio.timeout(self._seconds):
                    header = await self._client.header(seat.endpoint, segment.data_root)
            except (TimeoutError, ApogeeError):
                continue
            if data_root(*header.coset_roots) == segment.data_root:
                return header.coset_roots
            opened.book.convict(seat, request="header", reason="another root")
        raise _NotThere

    def _owners(self, opened: OpenFile, row: int | None) -> list[SeatView]:
        """Who keeps a row, or anything, best first; liars are not asked."""
        profile = opened.group.profile
        able = [
            seat
            for seat in opened.group.seats
            if is_there(seat)
            and seat.operator not in opened.book.liars
            and (row is None or row in rows_of(profile, seat.seat))
        ]
        return sorted(able, key=opened.book.rank)

    def _shards(self, opened: OpenFile) -> list[range]:
        profile = opened.group.profile
        return [rows_of(profile, seat) for seat in range(profile.seats)]


class _NotThere(Unavailable):
    """Nobody gave a leaf or row that holds."""


async def _all(asked: Iterable[Coroutine[object, object, bytes]]) -> list[bytes]:
    """Everything together; the first failure ends the rest."""
    tasks = [asyncio.create_task(one) for one in asked]
    try:
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _payload(data: bytes) -> bytes:
    """Elements without their top bytes. Raises: Bottom when one is not zero."""
    elements = np.frombuffer(data, np.uint8).reshape(-1, FIELD_BYTES)
    if elements[:, 0].any():
        raise Bottom(reason="an element of a data row has a non-zero top byte")
    return elements[:, 1:].tobytes()
