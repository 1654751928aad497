"""Small items of many callers share one paid matrix, filled for a moment and then published.

A batch closes when it is full or `wait_seconds` after its first item; each caller gets the blob and
the number of its item. One batch fails as a whole: each of its callers gets the error.
Source: docs/protocol/da.md#shared-matrix.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from offchain.da.disperse import Dispersed
from offchain.da.errors import SharedMatrixTooLarge
from offchain.da.shared_matrix import MAX_ITEMS, index_bytes, pack_items, read_item
from offchain.da.split import Disperser, Retriever


@dataclass(frozen=True, slots=True)
class BatchRules:
    """`wait_seconds` after the first item; payload bytes at which a batch closes; days kept."""

    wait_seconds: float = 2.0
    full_bytes: int = 4_000_000
    days: int = 14


@dataclass(frozen=True, slots=True)
class ItemReceipt:
    """Where one item is: the shared matrix's blob and the item's number in it."""

    blob: Dispersed
    number: int


@dataclass(slots=True)
class _Batch:
    items: list[bytes] = field(default_factory=list)
    size: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    outcome: asyncio.Task[Dispersed] | None = None


class ItemBatcher:
    """Collects items and publishes them together; `new_salt` gives 32 bytes for each matrix."""

    def __init__(
        self, disperser: Disperser, rules: BatchRules, new_salt: Callable[[], bytes]
    ) -> None:
        self._disperser = disperser
        self._rules = rules
        self._new_salt = new_salt
        self._open: _Batch | None = None

    async def publish(self, item: bytes) -> ItemReceipt:
        """Publish one item with its neighbours. Raises: SharedMatrixTooLarge, as `disperse`."""
        if len(item) + index_bytes(1) > self._rules.full_bytes:
            raise SharedMatrixTooLarge(bytes=len(item), maximum=self._rules.full_bytes)
        batch = self._batch_for(item)
        number = len(batch.items)
        batch.items.append(item)
        batch.size += len(item)
        if len(batch.items) == MAX_ITEMS:
            batch.full.set()
        assert batch.outcome is not None
        return ItemReceipt(await asyncio.shield(batch.outcome), number)

    def _batch_for(self, item: bytes) -> _Batch:
        batch = self._open
        if batch is not None:
            after = batch.size + len(item) + index_bytes(len(batch.items) + 1)
            if not batch.full.is_set() and after <= self._rules.full_bytes:
                return batch
            batch.full.set()
        batch = self._open = _Batch()
        batch.outcome = asyncio.create_task(self._publish(batch))
        return batch

    async def _publish(self, batch: _Batch) -> Dispersed:
        try:
            await asyncio.wait_for(batch.full.wait(), self._rules.wait_seconds)
        except TimeoutError:
            batch.full.set()
        if self._open is batch:
            self._open = None
        payload = await asyncio.to_thread(pack_items, batch.items)
        return await self._disperser.disperse(payload, days=self._rules.days, salt=self._new_salt())


async def fetch_item(retriever: Retriever, blob_id: bytes, number: int) -> bytes:
    """One item of a shared matrix that was read whole. Raises: ItemInvalid, ItemMissing."""
    got = await retriever.retrieve(blob_id)
    return await asyncio.to_thread(read_item, got.payload, number)
