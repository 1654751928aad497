"""Key-value streams for programs: reads that are proven here, writes that are signed here.

`hot` reads come from a small write-through cache of what this object wrote, then from the replica;
`logged` and `final` reads carry a proof that is checked before anything is returned.
Source: docs/how-to/use-key-value-streams.md.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from offchain.storage.kv.adapters.http_client import HttpKvClient, Page, Place, Written
from offchain.storage.kv.answer import Answer, Label, verify_answer
from offchain.storage.kv.cells import ABSENT, ANY, Cell, Kind, Space, counter_of, element_key
from offchain.storage.kv.cells import counter_value as counter_bytes
from offchain.storage.kv.errors import OpRefused, ProofWrong, ReplicaBehind, RootUnknown
from offchain.storage.kv.op import Mode, Op, Signs, sign_op
from offchain.storage.kv.promise import SoftAck, is_promised
from offchain.storage.kv.proof import StreamRoot

CACHED: Final = 4_096
POLL_SECONDS: Final = 0.1
BEHIND_SECONDS: Final = 60.0
Trust = Callable[[StreamRoot], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class KvParts:
    """A replica, the domain of operations, who signs (None: read only), and whom to trust.

    `trust` says whether a stream root was posted on the chain; without it nothing is `final`.
    """

    client: HttpKvClient
    domain: bytes
    key: Signs | None = None
    trust: Trust | None = None


class AsyncKv:
    """One stream, for asynchronous programs; one object signs for a key at a time."""

    def __init__(self, parts: KvParts, stream: bytes) -> None:
        self._parts = parts
        self._stream = stream
        self._cache: OrderedDict[bytes, Cell | None] = OrderedDict()
        self._turn = asyncio.Lock()
        self._nonce: int | None = None
        self._generation = 0

    async def get(self, key: bytes, *, label: Label = Label.HOT) -> bytes | None:
        """The value, None when there is none. Raises: ProofWrong, ReplicaUnreachable ..."""
        cell = await self.cell(key, label=label)
        return None if cell is None else cell.value

    async def cell(self, key: bytes, *, label: Label = Label.HOT) -> Cell | None:
        """The value with its kind and version; version 0 while only promised."""
        if label is Label.HOT and key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        place = Place(key)
        if label is Label.HOT:
            answer = await self._parts.client.read(self._stream, place, label, is_proven=False)
            return answer.cell
        return (await self.proven(place, label)).cell

    async def proven(self, place: Place, label: Label) -> Answer:
        """An answer whose proof was checked. Raises: ProofWrong, RootUnknown."""
        answer = await self._parts.client.read(self._stream, place, label)
        if answer.label is not label:
            raise ProofWrong(label=answer.label.value, asked=label.value)
        root = verify_answer(answer, place.space, place.key)
        if label is Label.FINAL and (
            self._parts.trust is None or not await self._parts.trust(root)
        ):
            raise RootUnknown(seq=root.seq)
        return answer

    async def element(self, key: bytes, index: int) -> bytes | None:
        """One element of a list, proven."""
        place = Place(element_key(key, index), Space.ELEMENT)
        cell = (await self.proven(place, Label.LOGGED)).cell
        return None if cell is None else cell.value

    async def counter(self, key: bytes) -> int:
        """A counter's value, proven; 0 when nobody has added to it."""
        cell = (await self.proven(Place(key), Label.LOGGED)).cell
        if cell is not None and cell.kind is not Kind.COUNTER:
            raise OpRefused(kind=cell.kind.name)
        return 0 if cell is None else counter_of(cell.value)

    async def scan(
        self, prefix: bytes = b"", *, after: bytes | None = None, limit: int = 100
    ) -> Page:
        """Keys in order, as the replica lists them; what it leaves out is not seen."""
        client = self._parts.client
        return await client.scan(self._stream, prefix, after, limit, label=Label.LOGGED)

    async def put(self, key: bytes, value: bytes) -> SoftAck:
        """Write; returns when a batcher has promised it. Raises: OpRefused ..."""
        return (await self.send([(Mode.PUT, key, value, ANY)]))[0]

    async def cas(self, key: bytes, value: bytes, *, expected: int | None) -> SoftAck:
        """Write if the version is the expected one; None: if the key is not there."""
        version = ABSENT if expected is None else expected
        return (await self.send([(Mode.CAS, key, value, version)]))[0]

    async def append(self, key: bytes, value: bytes) -> SoftAck:
        """Add an element to a list."""
        return (await self.send([(Mode.APPEND, key, value, ANY)]))[0]

    async def add(self, key: bytes, number: int) -> SoftAck:
        """Add to a counter, which starts at 0."""
        return (await self.send([(Mode.ADD, key, counter_bytes(number), ANY)]))[0]

    async def delete(self, key: bytes) -> SoftAck:
        return (await self.send([(Mode.DELETE, key, b"", ANY)]))[0]

    async def send(
        self, wishes: Sequence[tuple[Mode, bytes, bytes, int]], *, is_atomic: bool = False
    ) -> list[SoftAck]:
        """Operations (mode, key, value, expected version) in order; atomic ones all or none.

        Raises: OpRefused with the outcome when one would have no effect; others are promised.
        """
        async with self._turn:
            ops = [op.to_bytes() for op in await self._signed(wishes, is_atomic=is_atomic)]
            try:
                answers = await self._parts.client.submit(self._stream, ops)
            except BaseException:
                self._nonce = None  # what the replica knows of them is asked anew
                raise
            acks: list[SoftAck] = []
            refused: list[str] = []
            for (mode, key, value, _), answer in zip(wishes, answers, strict=True):
                if isinstance(answer, str):
                    refused.append(answer)
                    continue
                if not is_promised(answer, self._parts.domain):
                    raise ProofWrong(reason="a promise that nobody signed")
                acks.append(answer)
                self._remember(mode, key, value)
        if refused:
            self._nonce = None
            raise OpRefused(outcomes=",".join(refused))
        return acks

    async def wait(self, ack: SoftAck, *, is_final: bool = False) -> int:
        """The log entry that has the operation. Raises: OpRefused when it had no effect there."""
        while True:
            found = await self._parts.client.outcome(self._stream, ack.operation)
            if found is not None and (found[2] or not is_final):
                if found[0] != "APPLIED":
                    raise OpRefused(outcome=found[0], seq=found[1])
                return found[1]
            await asyncio.sleep(POLL_SECONDS)

    async def reach(self, entries: int, *, seconds: float = BEHIND_SECONDS) -> None:
        """Wait until the replica has applied so many entries of the log: what they grant or end
        counts there from then on. Raises: ReplicaBehind, StreamNotFollowed.
        """
        deadline = time.monotonic() + seconds
        while (applied := (await self._parts.client.status(self._stream))[0]) < entries:
            if time.monotonic() > deadline:
                raise ReplicaBehind(applied=applied, wanted=entries)
            await asyncio.sleep(POLL_SECONDS)

    async def watch(self, prefix: bytes = b"") -> AsyncIterator[Written]:
        """Entries that wrote keys with this prefix; what they wrote leaves the cache.

        The first one has no keys: it tells after which entry the watch begins.
        """
        async for event in self._parts.client.watch(self._stream, prefix):
            for key in event.keys if event.keys is not None else list(self._cache):
                self._cache.pop(key, None)
            yield event

    async def _signed(
        self, wishes: Sequence[tuple[Mode, bytes, bytes, int]], *, is_atomic: bool
    ) -> list[Op]:
        parts = self._parts
        if parts.key is None:
            raise OpRefused(reason="no key to sign with")
        if self._nonce is None:
            known = await parts.client.nonce(self._stream, parts.key.subject)
            self._nonce, self._generation = known
        ops = []
        for place, (mode, key, value, expected) in enumerate(wishes):
            self._nonce += 1
            op = Op(mode, self._stream, self._generation, key, value, self._nonce, b"", expected)
            if is_atomic:
                op = replace(op, group_size=len(wishes), group_place=place)
            ops.append(sign_op(op, parts.key, parts.domain))
        return ops

    def _remember(self, mode: Mode, key: bytes, value: bytes) -> None:
        """Own writes are seen at once; what is not a plain value is asked for."""
        if mode in (Mode.PUT, Mode.CAS):
            self._cache[key] = Cell(0, Kind.BYTES, value)
        elif mode is Mode.DELETE:
            self._cache[key] = None
        else:
            self._cache.pop(key, None)
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)
