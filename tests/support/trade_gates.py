"""The ports of a trader's process, each counting what leaves it: where he may be killed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offchain.agents.adapters.disk_deliveries import DiskShelf
from offchain.agents.delivery_ports import Begun, BundleNotStored
from offchain.agents.oracle_ports import (
    Commitment,
    Derived,
    DeriveWish,
    OraclePlace,
    Oracles,
    Order,
    Share,
)
from offchain.chain.ports import Answer, Question, Transport
from offchain.core.errors import NotFound
from offchain.core.hashing import keccak


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@dataclass
class Gate:
    """Counts effects; the one numbered `deadly` is the last of its process. 0: none is."""

    deadly: int = 0
    told: list[str] = field(default_factory=list)
    kill: Callable[[str], None] | None = None

    def passed(self, what: str) -> None:
        """An effect has happened."""
        self.told.append(what)
        if len(self.told) == self.deadly:
            if self.kill is not None:
                self.kill(what)
            raise Killed(what)

    def set(self, deadly: int = 0) -> None:
        self.deadly, self.told = deadly, []


@dataclass
class GatedTransport:
    """Killed before a transaction leaves, and once it is in the chain."""

    inner: Transport
    gate: Gate

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        is_sending = any(one.method == "eth_sendRawTransaction" for one in questions)
        if is_sending:
            self.gate.passed("signed")
        answers = self.inner.ask(questions)
        if is_sending:
            self.gate.passed("sent")
        return answers

    def close(self) -> None:
        return None


@dataclass
class Store:
    """Storage as all see it: files by location, and the name of every put that was paid for."""

    content: dict[bytes, bytes] = field(default_factory=dict)
    paid: list[str] = field(default_factory=list)


@dataclass
class GatedFiles:
    """`BundleFiles`: paid for once a name; `keep` tells the chain that storage has the file."""

    store: Store
    gate: Gate
    root_of: Callable[[bytes], bytes]
    keep: Callable[[bytes, bytes], None]

    async def put(self, file: bytes, data_hash: bytes, *, name: str) -> bytes:
        location = keccak(name.encode(), data_hash)
        if location not in self.store.content:
            if self.root_of(file) != data_hash:
                raise BundleNotStored(expected=data_hash.hex())
            self.store.paid.append(name)
            self.store.content[location] = file
            self.keep(location, data_hash)
        self.gate.passed("stored")
        return location

    async def get(self, location: bytes, data_hash: bytes) -> bytes:
        del data_hash
        if location not in self.store.content:
            raise NotFound("no such file", location=location.hex())
        return self.store.content[location]


class GatedShelf(DiskShelf):
    """Begun deliveries on disk."""

    def __init__(self, folder: Path, gate: Gate) -> None:
        super().__init__(folder)
        self._gate = gate

    def keep(self, name: str, begun: Begun) -> None:
        super().keep(name, begun)
        self._gate.passed(f"kept {begun.stage}")


@dataclass
class GatedOracles:
    """`Oracles` whose answers may be the last thing that is heard."""

    inner: Oracles
    gate: Gate

    async def commit(self, place: OraclePlace, order: Order) -> Commitment:
        answer = await self.inner.commit(place, order)
        self.gate.passed("committed")
        return answer

    async def share(
        self, place: OraclePlace, order: Order, commitments: Sequence[Commitment]
    ) -> Sequence[Share]:
        answer = await self.inner.share(place, order, commitments)
        self.gate.passed("shared")
        return answer

    async def derive(
        self, place: OraclePlace, wish: DeriveWish, old_file: bytes
    ) -> tuple[Derived, bytes]:
        answer = await self.inner.derive(place, wish, old_file)
        self.gate.passed("derived")
        return answer

    async def sign(self, place: OraclePlace, order: Order, location: bytes) -> bytes:
        answer = await self.inner.sign(place, order, location)
        self.gate.passed("signed by an oracle")
        return answer
