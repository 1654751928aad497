"""Large files to and from the device, past the system's page cache.

A shard is written once and read rarely: pages of the cache that it would fill cost more processor
time than hashing it, and push out what is read often. Bytes go through a small room at an address
that the device takes; the end of a file, which is no whole block, goes the ordinary way. Where a
file system does not know this way (some in memory), everything goes the ordinary way.
Source: open(2), O_DIRECT.
"""

import errno
import fcntl
import mmap
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

Bytes = bytes | bytearray | memoryview

BLOCK_BYTES: Final = 4_096
ROOM_BYTES: Final = 1 << 20
LARGE_BYTES: Final = 1 << 18  # from here on it pays
_DIRECT: Final = getattr(os, "O_DIRECT", 0)
_rooms: Final[deque[mmap.mmap]] = deque(maxlen=16)  # free ones, kept for the next file


class DirectFile:
    """Bytes appended to a file from a position that is a whole number of blocks.

    The descriptor stays the caller's. What is not yet `flush`ed is in this process only; nothing is
    durable before the caller syncs. Raises: OSError.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._room: mmap.mmap | None = _taken_room()
        self._filled = 0
        self._is_direct = _set_direct(descriptor, True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, data: Bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data).cast("B")
        assert self._room is not None, "closed"
        with memoryview(self._room) as room:
            while len(view):
                part = view[: ROOM_BYTES - self._filled]
                room[self._filled : self._filled + len(part)] = part
                self._filled += len(part)
                view = view[len(part) :]
                if self._filled == ROOM_BYTES:
                    self._put(room)
                    self._filled = 0

    def flush(self) -> None:
        """Give everything taken so far to the system; afterwards only `close` is left to do."""
        assert self._room is not None, "closed"
        with memoryview(self._room) as room:
            whole = self._filled // BLOCK_BYTES * BLOCK_BYTES
            self._put(room[:whole])
            if self._is_direct:
                self._is_direct = _set_direct(self._descriptor, False)
            self._put(room[whole : self._filled])
        self._filled = 0

    def close(self) -> None:
        """Let the room go; what was not flushed is lost."""
        room, self._room = self._room, None
        if room is not None:
            _rooms.append(room)

    def _put(self, view: memoryview) -> None:
        while len(view):
            try:
                count = os.write(self._descriptor, view)
            except OSError as error:
                if error.errno != errno.EINVAL or not self._is_direct:
                    raise
                self._is_direct = _set_direct(self._descriptor, False)
                continue
            view = view[count:]
            if count % BLOCK_BYTES and self._is_direct:  # cut short: the rest is not in blocks
                self._is_direct = _set_direct(self._descriptor, False)


def _taken_room() -> mmap.mmap:
    try:
        return _rooms.pop()
    except IndexError:
        return mmap.mmap(-1, ROOM_BYTES)


def write_large(descriptor: int, parts: Iterable[Bytes]) -> None:
    """Write these parts from the start of an empty file. Raises: OSError."""
    with DirectFile(descriptor) as file:
        for part in parts:
            file.write(part)
        file.flush()


def read_large(path: Path, start: int, size: int) -> memoryview:
    """So many bytes from `start`, fewer only where the file ends. Raises: OSError."""
    first = start // BLOCK_BYTES * BLOCK_BYTES
    span = -(-(start + size - first) // BLOCK_BYTES) * BLOCK_BYTES
    memory = np.empty(span + BLOCK_BYTES, np.uint8)
    aligned = memory[-memory.ctypes.data % BLOCK_BYTES :][:span].data
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        is_direct, filled = _set_direct(descriptor, True), 0
        while filled < span:
            try:
                count = os.preadv(descriptor, [aligned[filled:]], first + filled)
            except OSError as error:
                if error.errno != errno.EINVAL or not is_direct:
                    raise
                is_direct = _set_direct(descriptor, False)
                continue
            filled += count
            if not count or (count % BLOCK_BYTES and is_direct):
                break  # the end of the file
    finally:
        os.close(descriptor)
    return aligned[start - first : max(start - first, min(filled, start - first + size))]


def _set_direct(descriptor: int, wanted: bool) -> bool:
    """Whether the file goes past the cache from now on; not every file system can."""
    if not _DIRECT:
        return False
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    flags = flags | _DIRECT if wanted else flags & ~_DIRECT
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    except OSError:
        return False
    return wanted
