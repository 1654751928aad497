"""What leading a delivery needs beside oracles: where bundles lie, and what is remembered of it.

No key is remembered: what is kept here is public, or becomes so with the delivery.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from offchain.agents.oracle_ports import Derived, Order
from offchain.core.errors import Corrupt


class BundleNotStored(Corrupt):
    """The bytes in hand, or those in storage, are another file than the one that was named."""

    code = "agents.bundle.other_file"
    next_step = "Do not buy: the seller named a file that is not there."


class Stage(StrEnum):
    """How far a delivery is."""

    ORDERED = "ordered"
    STORED = "stored"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Begun:
    """A delivery that was begun."""

    order: Order
    stage: Stage = Stage.ORDERED
    derived: Derived | None = None
    location: bytes = b""
    signatures: tuple[bytes, ...] = field(default=(), repr=False)


class BundleFiles(Protocol):
    """Encrypted bundles in Apogee storage."""

    async def put(self, file: bytes, data_hash: bytes, *, name: str) -> bytes:
        """Store a file once for each name; its submission id, as soon as the chain says it is kept.

        Raises: BundleNotStored for bytes of another root, before anything is paid; as storage.
        """
        ...

    async def get(self, location: bytes, data_hash: bytes) -> bytes:
        """A file, whose root is this. Raises: BundleNotStored, NotFound, Corrupt, Unavailable."""
        ...


class DeliveryShelf(Protocol):
    """Deliveries that were begun, by name; blocking, durable on return."""

    def find(self, name: str) -> Begun | None: ...

    def keep(self, name: str, begun: Begun) -> None: ...

    def forget(self, name: str) -> None: ...
