"""What a node answers to readers, samplers and resuming dispersers: bounded, checked on read."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.core.layout import N
from offchain.core.matrix.encode import leaf_frame_of
from offchain.core.wire import HEADER_BYTES, encode_rows
from offchain.da.duties import bitmap_of
from offchain.da.errors import IndexOutOfRange
from offchain.da.ports import RowStore
from offchain.da.refusals import NodeBusy, RequestMalformed

MAX_ROWS_PER_REQUEST: Final = 256


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """`readers`: answers with rows in memory at the same time, each at most 256 rows."""

    readers: int = 4


class RowServer(Protocol):
    """What a node's face asks for reads; answers are frames of offchain/core/wire.py."""

    async def have(self, blob_id: bytes) -> bytes: ...

    async def header(self, blob_id: bytes) -> bytes: ...

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> bytes: ...

    async def leaf(self, blob_id: bytes, row: int, leaf: int) -> bytes: ...


class ServeRows:
    """Reads from the store; what does not match D any more is refused, never sent."""

    def __init__(self, store: RowStore, limits: ServeLimits) -> None:
        self._store = store
        self._limits = limits
        self._readers = 0

    async def have(self, blob_id: bytes) -> bytes:
        """384-byte bitmap of the rows held; all zero for a blob that is not here."""
        return bitmap_of(await self._store.rows_held(blob_id))

    async def header(self, blob_id: bytes) -> bytes:
        """The header frame. Raises: BlobUnknown, ShareCorrupt."""
        raw = (await self._store.header(blob_id)).to_bytes()
        assert len(raw) == HEADER_BYTES
        return raw

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> bytes:
        """A rows frame with these rows. Raises: RowNotHeld, ShareCorrupt, NodeBusy."""
        if not 1 <= len(indices) <= MAX_ROWS_PER_REQUEST or len(set(indices)) != len(indices):
            raise RequestMalformed(rows=len(indices), maximum=MAX_ROWS_PER_REQUEST)
        if not all(0 <= index < N for index in indices):
            raise IndexOutOfRange(row=max(indices), bound=N)
        if self._readers >= self._limits.readers:
            raise NodeBusy(readers=self._readers)
        self._readers += 1
        try:
            rows = await self._store.rows(blob_id, indices)
            columns = rows[0].data.shape[0]
            return await asyncio.to_thread(encode_rows, blob_id, columns, rows)
        finally:
            self._readers -= 1

    async def leaf(self, blob_id: bytes, row: int, leaf: int) -> bytes:
        """A leaf frame with its path to D. Raises: RowNotHeld, ShareCorrupt, IndexOutOfRange."""
        header = await self._store.header(blob_id)
        [found] = await self._store.rows(blob_id, [row])
        return (await asyncio.to_thread(leaf_frame_of, found, leaf, header)).to_bytes()
