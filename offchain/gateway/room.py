"""How much is under way at once: a count and a number of bytes, refused beyond."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from offchain.gateway.errors import GatewayBusy


@dataclass(slots=True)
class Place:
    """Room that somebody has; giving it back twice is harmless."""

    room: "Room"
    size: int
    is_taken: bool = True

    def release(self) -> None:
        if self.is_taken:
            self.is_taken = False
            self.room.count -= 1
            self.room.bytes -= self.size


@dataclass(slots=True)
class Room:
    """At most `most` things of `most_bytes` together; used from one event loop."""

    name: str
    most: int
    most_bytes: int
    count: int = 0
    bytes: int = 0

    def take(self, size: int) -> Place:
        """Room for one thing; the first always fits. Raises: GatewayBusy."""
        self.require(size)
        self.count += 1
        self.bytes += size
        return Place(self, size)

    def require(self, size: int) -> None:
        """Raises: GatewayBusy when `take` would."""
        is_over = self.bytes + size > self.most_bytes
        if self.count >= self.most or (self.count and is_over):
            raise GatewayBusy(room=self.name, count=self.count, bytes=self.bytes)

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Room for as long as the block lasts. Raises: GatewayBusy."""
        place = self.take(size)
        try:
            yield
        finally:
            place.release()
