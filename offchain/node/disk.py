"""The few system calls that durable adapters make, so that each one is a place to fail in tests.

A file becomes visible whole or not at all: written under `<name>.tmp`, synced, renamed, and the
folder synced. Every operating-system error becomes `StoreFull` or `StoreBroken`; absence becomes
`FileNotFoundError`, which the callers turn into their own "absent".
"""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from offchain.node.direct_io import LARGE_BYTES, read_large, write_large
from offchain.node.errors import StoreBroken, StoreFull

TEMPORARY: Final = ".tmp"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
Chunk = bytes | bytearray | memoryview


class Disk(Protocol):
    """What files are made with; blocking, so callers run it in a thread. Raises: OSError."""

    def write(self, path: Path, parts: Iterable[Chunk]) -> None:
        """Create or empty the file and write the parts; nothing is durable yet."""
        ...

    def append(self, path: Path, data: bytes) -> None: ...

    def truncate(self, path: Path, size: int) -> None: ...

    def sync(self, path: Path) -> None:
        """Make a file's bytes, or a folder's names, survive a power cut."""
        ...

    def rename(self, source: Path, target: Path) -> None: ...

    def remove(self, path: Path) -> None: ...

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes: ...

    def view(self, path: Path, start: int, size: int) -> memoryview:
        """As `read`, of many bytes that are not asked for again soon."""
        ...

    def size(self, path: Path) -> int: ...

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, which is made when it is missing; sorted."""
        ...


class LocalDisk:
    """The machine's own file system.

    `past_cache`: large files are written past the system's page cache, for owners that write much
    and read little of it again.
    """

    def __init__(self, *, past_cache: bool = False) -> None:
        self._past_cache = past_cache

    def write(self, path: Path, parts: Iterable[Chunk]) -> None:
        pieces = list(parts)
        with path.open("wb", buffering=0) as file:
            if self._past_cache and sum(map(len, pieces)) >= LARGE_BYTES:
                write_large(file.fileno(), pieces)
                return
            for part in pieces:
                _write_all(file.fileno(), part)

    def append(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)

    def truncate(self, path: Path, size: int) -> None:
        os.truncate(path, size)

    def sync(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def remove(self, path: Path) -> None:
        path.unlink()

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return file.read() if size < 0 else file.read(size)

    def view(self, path: Path, start: int, size: int) -> memoryview:
        if self._past_cache and size >= LARGE_BYTES:
            return read_large(path, start, size)
        return memoryview(self.read(path, start, size))

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def names(self, folder: Path) -> list[str]:
        folder.mkdir(parents=True, exist_ok=True)
        return sorted(path.name for path in folder.iterdir())


def write_durably(disk: Disk, path: Path, parts: Iterable[Chunk]) -> None:
    """Put a whole file in place so that it survives a power cut, or leave what was there.

    Raises: StoreFull, StoreBroken; then nothing of the new file is kept.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        disk.write(temporary, parts)
        disk.sync(temporary)
        disk.rename(temporary, path)
        disk.sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            disk.remove(temporary)
        raise refused(error, path) from error


def remove_durably(disk: Disk, path: Path) -> None:
    """Remove a file; it is no error when it is gone. Raises: StoreBroken."""
    try:
        disk.remove(path)
        disk.sync(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refused(error, path) from error


def remove_leftovers(disk: Disk, folder: Path) -> None:
    """Remove what a crash left half written."""
    for name in disk.names(folder):
        if name.endswith(TEMPORARY):
            remove_durably(disk, folder / name)


def refused(error: OSError, path: Path) -> StoreFull | StoreBroken:
    """The typed form of an operating-system error; the path's last part only, no machine paths."""
    kind = StoreFull if error.errno in _FULL else StoreBroken
    return kind(file=path.name, errno=errno.errorcode.get(error.errno or 0, "?"))


def _write_all(descriptor: int, data: Chunk) -> None:
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(descriptor, view) :]
