"""Shard files in one folder of a disk, which is this process's alone.

New files are refused when less than a twentieth of the volume is free, before the first byte: a
disk that runs full under a write may fail in worse places.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from offchain.node.disk import (
    Chunk,
    Disk,
    refused,
    remove_durably,
    remove_leftovers,
    write_durably,
)
from offchain.node.errors import StoreFull
from offchain.storage.medium import ASIDE

RESERVE: Final = 0.05


def free_share(folder: Path) -> float:
    """The free part of the volume a folder is on, 0 .. 1."""
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total


class FolderMedium:
    """A `Medium` over a `Disk`; `free` tells the free part of the volume."""

    def __init__(
        self, disk: Disk, folder: Path, *, free: Callable[[Path], float] = free_share
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._free = free

    def sizes(self) -> Mapping[str, int]:
        try:
            remove_leftovers(self._disk, self._folder)
            names = self._disk.names(self._folder)
            return {name: self._disk.size(self._folder / name) for name in names}
        except OSError as error:
            raise refused(error, self._folder) from error

    def write(self, name: str, parts: Sequence[Chunk]) -> None:
        free = self._free(self._folder)
        if free < RESERVE:
            raise StoreFull(file=name, free=round(free, 4), reserve=RESERVE)
        write_durably(self._disk, self._folder / name, parts)

    def read(self, name: str, start: int, size: int) -> Chunk:
        try:
            return self._disk.view(self._folder / name, start, size)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise refused(error, self._folder / name) from error

    def set_aside(self, name: str) -> None:
        try:
            self._disk.rename(self._folder / name, self._folder / (name + ASIDE))
            self._disk.sync(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise refused(error, self._folder / name) from error

    def remove(self, name: str) -> None:
        remove_durably(self._disk, self._folder / name)
        remove_durably(self._disk, self._folder / (name + ASIDE))
