"""A disk in memory that forgets on a power cut everything that was not synced.

Bytes survive after `sync` of their file, names (created, renamed, removed) after `sync` of their
folder. A name that points to bytes that were never synced comes back as an empty file, as ordinary
file systems may leave it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from offchain.node.disk import Chunk


@dataclass(slots=True)
class _File:
    """One file: what a reader sees, and what a power cut leaves of it."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


class ForgetfulDisk:
    """Files by path, with the difference between written and durable kept."""

    def __init__(self) -> None:
        self._seen: dict[Path, _File] = {}
        self._durable: dict[Path, _File] = {}

    def write(self, path: Path, parts: Iterable[Chunk]) -> None:
        self._seen[path] = _File(bytearray(b"".join(bytes(part) for part in parts)))

    def append(self, path: Path, data: bytes) -> None:
        self._seen.setdefault(path, _File()).content.extend(data)

    def truncate(self, path: Path, size: int) -> None:
        del self._file(path).content[size:]

    def sync(self, path: Path) -> None:
        if path in self._seen:
            file = self._seen[path]
            file.durable = bytes(file.content)
            return
        for name in [name for name in self._durable if name.parent == path]:
            del self._durable[name]
        self._durable |= {name: file for name, file in self._seen.items() if name.parent == path}

    def rename(self, source: Path, target: Path) -> None:
        self._seen[target] = self._file(source)
        del self._seen[source]

    def remove(self, path: Path) -> None:
        self._file(path)
        del self._seen[path]

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        content = self._file(path).content
        return bytes(content[start:] if size < 0 else content[start : start + size])

    def view(self, path: Path, start: int, size: int) -> memoryview:
        return memoryview(self.read(path, start, size))

    def size(self, path: Path) -> int:
        return len(self._file(path).content)

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in self._seen if path.parent == folder)

    def cut_power(self) -> None:
        """Forget what was not synced; what remains is what the next process finds."""
        self._seen = {
            path: _File(bytearray(f.durable), f.durable) for path, f in self._durable.items()
        }
        self._durable = dict(self._seen)

    def flip_bit(self, path: Path, position: int) -> None:
        """Rot: change one bit of a durable file."""
        file = self._file(path)
        file.content[position // 8] ^= 1 << position % 8
        file.durable = bytes(file.content)

    def paths(self) -> list[Path]:
        return sorted(self._seen)

    def _file(self, path: Path) -> _File:
        if path not in self._seen:
            raise FileNotFoundError(path.name)
        return self._seen[path]
