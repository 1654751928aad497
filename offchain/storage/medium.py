"""Where shard files lie: a folder, memory, an object store. Named bytes, whole or absent, durable.

Blocking, so the store calls it in a thread. Every medium keeps the same promises, and one suite
holds all of them to it. Source: docs/protocol/storage.md#node, INV-STO-13.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from offchain.node.disk import Chunk

ASIDE: Final = ".aside"


class Medium(Protocol):
    """Raises: StoreFull, StoreBroken, BackendUnreachable; absence is FileNotFoundError."""

    def sizes(self) -> Mapping[str, int]:
        """Every whole file by name, with its size; one set aside has `.aside` at its end."""
        ...

    def write(self, name: str, parts: Sequence[Chunk]) -> None:
        """Put a whole file in place; durable on return, and nothing of it when it raises."""
        ...

    def read(self, name: str, start: int, size: int) -> Chunk:
        """So many bytes from `start`; fewer only where the file ends."""
        ...

    def set_aside(self, name: str) -> None:
        """Keep a file out of the way under `<name>.aside`; it is no error when it is gone."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file and what was set aside of it; it is no error when they are gone."""
        ...
