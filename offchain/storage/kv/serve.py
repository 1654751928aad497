"""A replica at work: it follows the log, a batcher keeps its promises, until it is cancelled.

A process that serves streams builds one `KvService`, mounts the routes (adapters/http_face.py) and
runs it beside its other loops. Source: docs/protocol/storage.md#key-value-streams.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from offchain.core.errors import Unavailable
from offchain.storage.kv.batcher import Batcher
from offchain.storage.kv.follow import Replica

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """Seconds between two looks at the log, and after a failure."""

    poll_seconds: float = 0.25
    retry_seconds: float = 2.0


class KvService:
    """One replica and, when it writes, its batcher."""

    def __init__(
        self,
        replica: Replica,
        batcher: Batcher | None = None,
        rules: ServiceRules | None = None,
        *,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """`after` is called in a thread when the replica has looked at the log."""
        self._replica = replica
        self._batcher = batcher
        self._rules = rules or ServiceRules()
        self._after = after

    async def open(self) -> None:
        """Read the log once, then take up promises. Raises: Unavailable, Corrupt."""
        await asyncio.to_thread(self._replica.advance)
        await asyncio.to_thread(self._replica.follow_wanted)
        await asyncio.to_thread(self._after)
        if self._batcher is not None:
            await self._batcher.open()

    async def run(self) -> None:
        """Until cancelled; what is corrupt ends it. Raises: Corrupt."""
        if self._batcher is None:
            await self._follow()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._batcher.run())

    async def step(self) -> int:
        """Look at the log once; entries applied. Raises: Unavailable."""
        count = await asyncio.to_thread(self._replica.advance)
        await asyncio.to_thread(self._after)
        if self._batcher is not None:
            await self._batcher.moved()
        return count

    async def _follow(self) -> None:
        while True:
            pause = self._rules.poll_seconds
            try:
                await self.step()
            except Unavailable as error:
                log.warning("log_not_followed", extra={"code": error.code})
                pause = self._rules.retry_seconds
            await asyncio.sleep(pause)
