"""The home's one publisher, opened when there is work and given back a moment after the last.

Worker, command line and gateway publish for one account; each holds it only while it needs it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from offchain.chain.errors import OutboxBusy
from offchain.da.disperse import DisperseBlob
from offchain.gateway.errors import PublisherBusy

log = logging.getLogger(__name__)

OpenPublisher = Callable[[], AbstractAsyncContextManager[DisperseBlob]]


class PublisherLease:
    """Counts who uses the publisher; the last one to give it back starts its end."""

    def __init__(self, opening: OpenPublisher, *, idle_seconds: float) -> None:
        self._opening = opening
        self._idle_seconds = idle_seconds
        self._turn = asyncio.Lock()
        self._stack: AsyncExitStack | None = None
        self._publisher: DisperseBlob | None = None
        self._users = 0
        self._given = 0
        self._ending: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether this process has the publisher."""
        return self._publisher is not None

    async def take(self) -> DisperseBlob:
        """The publisher, until `give`. Raises: PublisherBusy; Unavailable without a chain."""
        async with self._turn:
            if self._publisher is None:
                stack = AsyncExitStack()
                try:
                    self._publisher = await stack.enter_async_context(self._opening())
                except OutboxBusy as error:
                    raise PublisherBusy from error
                self._stack = stack
            self._users += 1
            return self._publisher

    def give(self) -> None:
        """One user less."""
        self._users -= 1
        self._given += 1
        if self._users == 0 and (self._ending is None or self._ending.done()):
            self._ending = asyncio.create_task(self._end_when_idle())

    async def close(self) -> None:
        """Give the publisher back now; nobody may be using it."""
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.gather(self._ending, return_exceptions=True)
        async with self._turn:
            await self._end()

    async def _end_when_idle(self) -> None:
        while True:
            given = self._given
            await asyncio.sleep(self._idle_seconds)
            async with self._turn:
                if self._users:
                    return  # whoever gives it back last starts this again
                if self._given == given:
                    await self._end()
                    return

    async def _end(self) -> None:
        stack, self._stack, self._publisher = self._stack, None, None
        if stack is not None:
            await stack.aclose()
            log.info("publisher_given_back")
