"""A file on its way in, beside the place it is for: parts that came stay, and a repeat goes on.

  <name>.part   the parts so far, back to back; each is compared with the manifest before it counts

It becomes <name> in one step when everything is there. Source: docs/protocol/da.md#files.
"""

import os
from pathlib import Path
from typing import BinaryIO, Final, Self

from offchain.core.hashing import keccak
from offchain.da.manifest import Manifest

SUFFIX: Final = ".part"
PRIVATE: Final = 0o600


class PartFile:
    """One file being fetched; use it as a context manager and `finish` it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(target.name + SUFFIX)
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, PRIVATE)
        self._file: BinaryIO = os.fdopen(descriptor, "r+b")
        self._parts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Without `finish`, what is there stays for the next time."""
        is_empty = os.fstat(self._file.fileno()).st_size == 0
        self._file.close()
        if is_empty:
            self._path.unlink(missing_ok=True)

    def held(self, manifest: Manifest) -> int:
        """How many first parts are here and right; what follows them is cut off."""
        self._file.seek(0)
        for number, part in enumerate(manifest.parts):
            data = self._file.read(manifest.part_length(number))
            if len(data) != manifest.part_length(number) or keccak(data) != part.digest:
                break
            self._parts += 1
        self._cut(self._parts * manifest.part_bytes)
        return self._parts

    def write(self, part: bytes) -> None:
        """Append one verified part; durable on return, so that a kill costs at most one part."""
        if not self._parts:
            self._cut(0)
        self._file.write(part)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._parts += 1

    def finish(self) -> None:
        """Put the file in its place."""
        self._path.replace(self._target)

    def _cut(self, size: int) -> None:
        self._file.truncate(size)
        self._file.seek(size)
