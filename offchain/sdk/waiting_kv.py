"""Key-value streams for programs that wait for each answer; each method as in `AsyncKv`."""

from collections.abc import AsyncIterator, Iterator, Sequence

from offchain.sdk.kv import AsyncKv
from offchain.sdk.loop_thread import LoopThread
from offchain.storage.kv.adapters.http_client import Page, Written
from offchain.storage.kv.answer import Label
from offchain.storage.kv.cells import Cell
from offchain.storage.kv.op import Mode
from offchain.storage.kv.promise import SoftAck


class Kv:
    """One stream over a loop on another thread."""

    def __init__(self, kv: AsyncKv, loop: LoopThread) -> None:
        self._kv = kv
        self._loop = loop

    def get(self, key: bytes, *, label: Label = Label.HOT) -> bytes | None:
        """The value, None when there is none."""
        return self._loop.run(self._kv.get(key, label=label))

    def cell(self, key: bytes, *, label: Label = Label.HOT) -> Cell | None:
        """The value with its kind and version."""
        return self._loop.run(self._kv.cell(key, label=label))

    def element(self, key: bytes, index: int) -> bytes | None:
        """One element of a list, proven."""
        return self._loop.run(self._kv.element(key, index))

    def counter(self, key: bytes) -> int:
        """A counter's value, proven."""
        return self._loop.run(self._kv.counter(key))

    def scan(self, prefix: bytes = b"", *, after: bytes | None = None, limit: int = 100) -> Page:
        """Keys in order, as the replica lists them."""
        return self._loop.run(self._kv.scan(prefix, after=after, limit=limit))

    def put(self, key: bytes, value: bytes) -> SoftAck:
        """Write; returns when a batcher has promised it."""
        return self._loop.run(self._kv.put(key, value))

    def cas(self, key: bytes, value: bytes, *, expected: int | None) -> SoftAck:
        """Write if the version is the expected one; None: if the key is not there."""
        return self._loop.run(self._kv.cas(key, value, expected=expected))

    def append(self, key: bytes, value: bytes) -> SoftAck:
        """Add an element to a list."""
        return self._loop.run(self._kv.append(key, value))

    def add(self, key: bytes, number: int) -> SoftAck:
        """Add to a counter."""
        return self._loop.run(self._kv.add(key, number))

    def delete(self, key: bytes) -> SoftAck:
        """Remove a key."""
        return self._loop.run(self._kv.delete(key))

    def send(
        self, wishes: Sequence[tuple[Mode, bytes, bytes, int]], *, is_atomic: bool = False
    ) -> list[SoftAck]:
        """Operations in order; atomic ones all or none."""
        return self._loop.run(self._kv.send(wishes, is_atomic=is_atomic))

    def wait(self, ack: SoftAck, *, is_final: bool = False) -> int:
        """The log entry that has the operation."""
        return self._loop.run(self._kv.wait(ack, is_final=is_final))

    def watch(self, prefix: bytes = b"") -> Iterator[Written]:
        """Entries that wrote keys with this prefix."""
        events = aiter(self._kv.watch(prefix))
        while (event := self._loop.run(_next(events))) is not None:
            yield event


async def _next(events: AsyncIterator[Written]) -> Written | None:
    return await anext(events, None)
