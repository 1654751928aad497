"""Ask others whether they are there, and whether they show what they should hold.

A holder shows a lot when it names all rows of it and gives one leaf of it, drawn by chance, with
its path to D: a bitmap alone costs nothing to fake. What was seen goes into the roll call.
Source: docs/protocol/da.md#repair-and-churn.
"""

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Final

from offchain.core.errors import ApogeeError
from offchain.core.merkle import verify_leaf_path
from offchain.core.wire import LeafFrame
from offchain.da.duties import Duty, PaidBlob, rows_in_bitmap
from offchain.da.inherit import Watch
from offchain.da.ports import NodeClient
from offchain.da.roll_call import RollCall

AT_ONCE: Final = 16
SECONDS: Final = 5.0


class ProbeNodes:
    """Small requests to other nodes, a few at a time; `random` picks what nobody can foresee."""

    def __init__(self, client: NodeClient, roll: RollCall, random: Random) -> None:
        self._client = client
        self._roll = roll
        self._random = random

    async def call_roll(self, asked: Iterable[tuple[Duty, bytes]], now: int) -> None:
        """Ask each signer something about one of its blobs; any answer will do."""
        room = asyncio.Semaphore(AT_ONCE)

        async def ask(duty: Duty, blob_id: bytes) -> None:
            async with room:
                try:
                    async with asyncio.timeout(SECONDS):
                        await self._client.have(duty.endpoint, blob_id)
                except (ApogeeError, TimeoutError):
                    self._roll.unanswered(duty.operator, now)
                else:
                    self._roll.answered(duty.operator)

        await asyncio.gather(*(ask(duty, blob_id) for duty, blob_id in asked))

    async def watch(self, record: PaidBlob, watches: Iterable[Watch], now: int) -> None:
        """Look at every holder this node is close behind."""
        blob_id = record.blob_id
        room = asyncio.Semaphore(AT_ONCE)

        async def look(watch: Watch) -> None:
            async with room:
                is_shown = await self._shows(record, watch)
            if is_shown:
                self._roll.showed(blob_id, watch.holder.operator, watch.lot)
            else:
                self._roll.lacked(blob_id, watch.holder.operator, watch.lot, now)

        await asyncio.gather(*(look(watch) for watch in watches))

    async def _shows(self, record: PaidBlob, watch: Watch) -> bool:
        endpoint, blob_id, shape = watch.holder.endpoint, record.blob_id, record.shape
        row = self._random.choice(watch.lot.rows)
        leaf = self._random.randrange(shape.leaves)
        try:
            async with asyncio.timeout(SECONDS):
                bitmap = await self._client.have(endpoint, blob_id)
                if not rows_in_bitmap(bitmap).issuperset(watch.lot.rows):
                    return False
                frame = LeafFrame.parse(
                    await self._client.leaf(endpoint, blob_id, row, leaf), shape
                )
        except (ApogeeError, TimeoutError):
            return False
        if (frame.row, frame.leaf) != (row, leaf):
            return False
        return verify_leaf_path(
            record.data_root, shape, (row, leaf), leaf=frame.data, path=frame.path
        )
