"""Room for bodies on their way, counted in bytes; pure coordination, no I/O.

Nodes that take a connection and then read nothing keep the room of their bodies until the request's
end. Counted in bodies, a few such nodes keep all of it. Counted in bytes, with more room than a
third of the largest extended matrix with its headers, those that may fail by the protocol's own
threshold can never keep the others waiting.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SendingRoom:
    """`async with room.hold(size)` waits for `size` bytes of room; a larger body goes alone."""

    def __init__(self, capacity_bytes: int) -> None:
        assert capacity_bytes > 0
        self._capacity = capacity_bytes
        self._held = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncIterator[None]:
        """Keep `size_bytes` of room."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(size_bytes))
            self._held += size_bytes
        try:
            yield
        finally:
            self._held -= size_bytes
            async with self._changed:
                self._changed.notify_all()

    def _fits(self, size_bytes: int) -> bool:
        return self._held == 0 or self._held + size_bytes <= self._capacity
