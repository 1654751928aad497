"""Tools that hold keys: storage and memory, run inside the runtime, behind the purse.

`storage.put` is keyed by its act: repeated after a crash it is the same file, paid once. What it
may cost at most is held before, to the storage market, which the intent has to allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.agents.memory import Memory
from offchain.agents.purse import Purse
from offchain.agents.runtime_errors import ToolFailed, ToolForbidden
from offchain.agents.skills import Value
from offchain.agents.tools import Call
from offchain.core.errors import NotFound, Unavailable
from offchain.core.hashing import keccak

READ_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Quote:
    """What storing costs at most, whom and in what."""

    most: int
    payee: bytes
    currency: bytes


class Storage(Protocol):
    """Apogee storage, as an agent uses it."""

    async def read(self, file: bytes, most: int) -> bytes:
        """The first bytes of a file. Raises: NotFound, Unavailable."""
        ...

    async def quote(self, length: int) -> Quote: ...

    async def put(self, data: bytes, *, key: str, most: int) -> tuple[bytes, int]:
        """(file, what it cost at most). The same key and bytes: the same file, paid once."""
        ...


class RuntimeTools:
    """A `ToolRunner` for `storage.*` and `memory.*`."""

    def __init__(self, storage: Storage | None, memory: Memory, purse: Purse) -> None:
        self._storage = storage
        self._memory = memory
        self._purse = purse

    async def run(self, call: Call) -> Value:
        """Raises: ToolFailed, ToolForbidden, OverBudget, MemoryClosed, MemoryForged."""
        given = call.arguments
        try:
            match call.tool.name:
                case "storage.read":
                    return await self._read(given)
                case "storage.put":
                    return await self._put(call.act, str(given["text"]).encode())
                case "memory.recall":
                    return await self._memory.recall(str(given["name"])) or ""
                case "memory.remember":
                    name, text = str(given["name"]), str(given["text"])
                    await self._memory.remember(name, text, call.act.encode())
                    return f"remembered under {name}"
        except (NotFound, Unavailable) as error:
            raise ToolFailed(tool=call.tool.name, reason=str(error)[:200]) from error
        raise ToolForbidden(tool=call.tool.name)

    async def _read(self, given: Mapping[str, object]) -> str:
        most = given.get("bytes", READ_BYTES)
        assert isinstance(most, int)
        file = bytes.fromhex(str(given["file"]).removeprefix("0x"))
        return (await self._need().read(file, most)).decode(errors="replace")

    async def _put(self, act: str, data: bytes) -> str:
        storage = self._need()
        quote = await storage.quote(len(data))
        self._purse.hold(act, quote.most, to=quote.payee, currency=quote.currency)
        file, cost = await storage.put(data, key=act, most=quote.most)
        self._purse.charge(act, cost)
        return file.hex()

    def _need(self) -> Storage:
        if self._storage is None:
            raise ToolForbidden(reason="there is no storage here")
        return self._storage


class MemoryStorage:
    """A `Storage` without a network, at a fixed price; for tests and to try an agent."""

    def __init__(self, *, price: int, payee: bytes, currency: bytes = bytes(20)) -> None:
        self.files: dict[bytes, bytes] = {}
        self.paid = 0
        self._keys: dict[str, bytes] = {}
        self._quote = Quote(price, payee, currency)

    def add(self, data: bytes) -> bytes:
        """A file that lies there already."""
        file = keccak(data)
        self.files[file] = data
        return file

    async def read(self, file: bytes, most: int) -> bytes:
        if file not in self.files:
            raise NotFound(file=file.hex())
        return self.files[file][:most]

    async def quote(self, length: int) -> Quote:
        del length
        return self._quote

    async def put(self, data: bytes, *, key: str, most: int) -> tuple[bytes, int]:
        del most
        if key not in self._keys:
            self._keys[key] = self.add(data)
            self.paid += self._quote.most
        return self._keys[key], self._quote.most
