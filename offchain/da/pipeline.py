"""Many dispersals at once: while one is certified, another is sent and a third is encoded.

  read -> encode -> plan durable -> pay -> send, sign -> certificate -> settled
  `--- a place for a matrix ---------------------'
  `--- a place for an open blob ------------------------------------------'

A payload is read only when there is room for its matrix, so a fast source waits. Each blob ends in
its own task: what fails fails alone, and what a killed process left goes on as any dispersal does.
Source: docs/protocol/da.md#dispersal.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from offchain.da.disperse import Dispersed, Planned
from offchain.da.ports import Bytes
from offchain.node.matrix_room import Lease, MatrixRoom

ReadPayload = Callable[[], Awaitable[Bytes]]


class StagedDisperser(Protocol):
    """What publishes in two steps: `DisperseBlob`."""

    @property
    def room(self) -> MatrixRoom: ...

    async def plan(
        self, payload: Bytes, *, days: int, salt: bytes, lease: Lease | None = None
    ) -> Planned: ...

    async def carry_out(self, planned: Planned) -> Dispersed: ...


@dataclass(frozen=True, slots=True)
class PipelineRules:
    """`open_blobs`: begun and not settled; more than blocks to settlement times blobs a block."""

    open_blobs: int = 32


class DispersePipeline:
    """Dispersals in the order in which they begin; they may end in any order."""

    def __init__(self, disperser: StagedDisperser, rules: PipelineRules | None = None) -> None:
        self._disperser = disperser
        self._places = asyncio.Semaphore((rules or PipelineRules()).open_blobs)
        self._running: set[asyncio.Task[Dispersed]] = set()

    async def begin(self, read: ReadPayload, *, days: int, salt: bytes) -> asyncio.Task[Dispersed]:
        """Wait for room, read the payload, and disperse it; the task ends as `disperse` would.

        Raises: what `read` raises.
        """
        await self._places.acquire()
        try:
            lease = await self._disperser.room.take()
        except BaseException:
            self._places.release()
            raise
        try:
            payload = await read()
        except BaseException:
            lease.give_back()
            self._places.release()
            raise
        task = asyncio.create_task(self._disperse(payload, lease, days=days, salt=salt))
        self._running.add(task)
        task.add_done_callback(lambda ended: self._end(ended, lease))
        return task

    async def disperse(self, payload: Bytes, *, days: int, salt: bytes) -> Dispersed:
        """As `DisperseBlob.disperse`, in its turn."""

        async def read() -> Bytes:
            return payload

        return await (await self.begin(read, days=days, salt=salt))

    async def stop(self) -> None:
        """End what runs; what was planned goes on when it is resumed."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _disperse(self, payload: Bytes, lease: Lease, *, days: int, salt: bytes) -> Dispersed:
        planned = await self._disperser.plan(payload, days=days, salt=salt, lease=lease)
        del payload  # the journal has it
        return await self._disperser.carry_out(planned)

    def _end(self, task: asyncio.Task[Dispersed], lease: Lease) -> None:
        self._running.discard(task)
        lease.give_back()  # a task that was cancelled before its first step holds it still
        self._places.release()
