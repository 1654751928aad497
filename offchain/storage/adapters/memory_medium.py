"""Shard files in this process's memory, for tests and simulations."""

from collections.abc import Mapping, Sequence

from offchain.node.disk import Chunk
from offchain.storage.medium import ASIDE


class MemoryMedium:
    """A `Medium` that forgets with its process; `files` may be looked at and spoiled."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def sizes(self) -> Mapping[str, int]:
        return {name: len(content) for name, content in self.files.items()}

    def write(self, name: str, parts: Sequence[Chunk]) -> None:
        self.files[name] = b"".join(bytes(part) for part in parts)

    def read(self, name: str, start: int, size: int) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name][start : start + size]

    def set_aside(self, name: str) -> None:
        content = self.files.pop(name, None)
        if content is not None:
            self.files[name + ASIDE] = content

    def remove(self, name: str) -> None:
        self.files.pop(name, None)
        self.files.pop(name + ASIDE, None)
