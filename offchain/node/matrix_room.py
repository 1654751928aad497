"""Room for encoded matrices: a set number exist at once, and their memory is used again.

A dispersal holds its matrix while rows are sent. Once enough nodes signed it lets go, and encodes
again from the journal in the rare case that rows must be sent again (a reorg, a late failure).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import numpy as np

from offchain.core.field import Elements
from offchain.core.layout import N, Shape
from offchain.core.matrix.encode import EncodedBlob

KEPT_BYTES: Final = 1 << 20  # smaller buffers are not worth keeping


class MatrixRoom:
    """At most `matrices` leases at a time; `live` and `most_live` count them."""

    def __init__(self, matrices: int) -> None:
        assert matrices > 0
        self._places = asyncio.Semaphore(matrices)
        self._kept: list[Elements] = []
        self.live = 0
        self.most_live = 0

    async def take(self) -> "Lease":
        """Wait for a place."""
        await self._places.acquire()
        self.live += 1
        self.most_live = max(self.most_live, self.live)
        return Lease(self)

    def buffer_of(self, size_bytes: int) -> Elements:
        """A buffer of at least this size, one that was given back when one fits."""
        for position, buffer in enumerate(self._kept):
            if buffer.size >= size_bytes:
                return self._kept.pop(position)
        if self._kept:
            self._kept.pop()  # a larger one takes its place
        return np.empty(size_bytes, np.uint8)

    def end(self, buffer: Elements | None) -> None:
        """A lease is over; its buffer is for the next."""
        if buffer is not None and buffer.size >= KEPT_BYTES:
            self._kept.append(buffer)
        self.live -= 1
        self._places.release()


class Lease:
    """One place in the room; giving it back twice is harmless."""

    def __init__(self, room: MatrixRoom) -> None:
        self._room: MatrixRoom | None = room
        self._buffer: Elements | None = None

    def buffer(self, shape: Shape) -> Elements:
        """Memory for all rows of a matrix of this shape, the same for every call."""
        assert self._room is not None, "a lease that was given back has no memory"
        if self._buffer is None:
            self._buffer = self._room.buffer_of(N * shape.row_bytes)
        return self._buffer

    def give_back(self) -> None:
        """Let the next have place and memory."""
        if self._room is not None:
            room, self._room = self._room, None
            buffer, self._buffer = self._buffer, None
            room.end(buffer)


class HeldMatrix:
    """The matrix of one dispersal: there while it is needed, made again when it is needed again."""

    def __init__(
        self,
        encoded: EncodedBlob,
        lease: Lease,
        encode_again: Callable[[], Awaitable[tuple[EncodedBlob, Lease]]],
    ) -> None:
        self._encoded: EncodedBlob | None = encoded
        self._lease = lease
        self._encode_again = encode_again

    async def get(self) -> EncodedBlob:
        """The matrix; whoever asks keeps it no longer than until `let_go`."""
        if self._encoded is None:
            self._encoded, self._lease = await self._encode_again()
        return self._encoded

    def let_go(self) -> None:
        """Give the memory to the next dispersal."""
        self._encoded = None
        self._lease.give_back()
