"""Plan a put: what it costs, every segment encoded once, the plan durable before money moves.

Source: docs/protocol/storage.md#client.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import islice
from typing import Final

from offchain.storage.client_errors import PriceAboveLimit, SourceChanged
from offchain.storage.client_ports import Order, PutRecord, PutStage, Quote
from offchain.storage.model import FileShape, Segment, file_root
from offchain.storage.put_model import Planned, PutParts, PutProgress, Watcher, Wish
from offchain.storage.segment_encoder import MATRICES, FirstLook, Matrix, SegmentEncoder
from offchain.storage.sources import Source

LOOK_AHEAD: Final = 2  # segments in the making while a file is planned
KEPT_MATRICES: Final = MATRICES // 2  # a file of so many segments is encoded once, not twice


class PlanFile:
    """Plans files, one at a time; the encoder's room bounds the memory of all."""

    def __init__(self, parts: PutParts, encoder: SegmentEncoder, watch: Watcher) -> None:
        self._parts = parts
        self._encoder = encoder
        self._watch = watch
        self._planning = asyncio.Lock()  # two that keep matrices never wait for each other

    async def quote(self, length: int, wish: Wish) -> Quote:
        """What it costs, before anything is read. Raises: PriceAboveLimit, NoGroup."""
        found = await asyncio.to_thread(
            self._parts.till.quote, length, wish.profile, wish.term_epochs
        )
        limit = wish.max_price_wei
        if limit is not None and found.deposit_wei > limit:
            raise PriceAboveLimit(price_wei=found.deposit_wei, limit_wei=limit)
        return found

    async def plan(self, source: Source, wish: Wish) -> Planned:
        """Encode everything and write the plan down, durable on return; no money moves.

        Raises: PriceAboveLimit, SourceChanged, FileInvalid, StoreFull, StoreBroken.
        """
        shape = FileShape.of(source.length)
        await self.quote(source.length, wish)
        async with self._planning:
            return await self._plan(source, wish, shape)

    async def _plan(self, source: Source, wish: Wish, shape: FileShape) -> Planned:
        draft = self._parts.randomness(8).hex()
        matrices: dict[int, Matrix] = {}
        segments: list[Segment] = []
        marks: list[bytes] = []
        try:
            async with aclosing(self._look(source, shape)) as looks:
                async for look in looks:
                    if shape.segments <= KEPT_MATRICES:
                        matrices[look.segment.index] = look.matrix
                    else:
                        look.matrix.let_go()
                    segments.append(look.segment)
                    marks.append(look.mark)
                    await self._parts.journal.trace(draft, look.segment.index, look.trace)
                    done = sum(segment.length for segment in segments)
                    self._watch(PutProgress(PutStage.PLANNED, done, source.length))
            record = self._record(wish, shape, segments, marks)
            known = await self._parts.journal.load(record.file_id)
            if known is None:
                await self._parts.journal.plan(record, draft)
        except BaseException:
            for matrix in matrices.values():
                matrix.let_go()
            raise
        return Planned(known or record, source, known is not None, matrices)

    async def _look(self, source: Source, shape: FileShape) -> AsyncGenerator[FirstLook, None]:
        """Every segment in order; the next one is read and sealed while one is encoded."""
        coming: deque[asyncio.Task[FirstLook]] = deque()
        left = iter(range(shape.segments))
        try:
            while True:
                for index in islice(left, LOOK_AHEAD - len(coming)):
                    coming.append(asyncio.create_task(self._encoder.first(source, index)))
                if not coming:
                    return
                yield await coming.popleft()
        finally:
            for task in coming:
                task.cancel()
            for look in await asyncio.gather(*coming, return_exceptions=True):
                if isinstance(look, FirstLook):
                    look.matrix.let_go()

    def _record(
        self, wish: Wish, shape: FileShape, segments: list[Segment], marks: list[bytes]
    ) -> PutRecord:
        root = file_root(segments)
        if wish.root not in {None, root}:
            raise SourceChanged(root=root.hex())
        nonce = wish.nonce
        if nonce is None:
            nonce = int.from_bytes(self._parts.randomness(8), "big")
        return PutRecord(
            file_id=self._parts.till.file_id(root, nonce),
            order=Order(root, nonce, shape, wish.profile, wish.term_epochs),
            segments=tuple(segments),
            marks=tuple(marks),
            max_price_wei=wish.max_price_wei,
            path=wish.path,
            seal_head=wish.seal_head,
        )
