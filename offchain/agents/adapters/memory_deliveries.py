"""Files and begun deliveries in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

from offchain.agents.delivery_ports import Begun, BundleNotStored
from offchain.core.errors import NotFound
from offchain.core.hashing import keccak


@dataclass(slots=True)
class MemoryFiles:
    """`BundleFiles`; `stored`: what the chain says of locations, `root_of`: what files come to."""

    root_of: Callable[[bytes], bytes]
    content: dict[bytes, bytes] = field(default_factory=dict)
    stored: dict[bytes, bytes] = field(default_factory=dict)

    async def put(self, file: bytes, data_hash: bytes, *, name: str) -> bytes:
        if (root := self.root_of(file)) != data_hash:
            raise BundleNotStored(root=root.hex(), expected=data_hash.hex())
        location = keccak(name.encode(), data_hash)
        self.content[location] = file
        self.stored[location] = data_hash
        return location

    async def get(self, location: bytes, data_hash: bytes) -> bytes:
        del data_hash
        found = self.content.get(location)
        if found is None:
            raise NotFound("no such file", location=location.hex())
        return found


@dataclass(slots=True)
class MemoryShelf:
    """`DeliveryShelf` that forgets with its process."""

    begun: dict[str, Begun] = field(default_factory=dict)

    def find(self, name: str) -> Begun | None:
        return self.begun.get(name)

    def keep(self, name: str, begun: Begun) -> None:
        self.begun[name] = begun

    def forget(self, name: str) -> None:
        self.begun.pop(name, None)
