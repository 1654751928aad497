"""What key-value streams need from outside: an ordered store, the log, payloads, a way into the
log.

All are synchronous: a replica works in one thread of its own, readers take views.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.storage.kv.entry import Entry, LogHead

_RECORD: Final = struct.Struct(">HI")
Changes = Mapping[bytes, bytes | None]  # None: the key goes


class Reader(Protocol):
    """One moment of an ordered map of bytes."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, first: bytes, end: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` pairs with first <= key < end, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Some pairs whose keys share a prefix, in rising order, as a snapshot has them.

    records  u16 bytes of the rest of the key | u32 bytes of the value | rest | value
    """

    prefix: bytes
    first: bytes  # the rest of the first key
    records: bytes

    def find(self, key: bytes) -> bytes | None:
        """The value of a whole key."""
        size = len(self.prefix)
        if key[:size] != self.prefix:
            return None
        at, raw, wanted = 0, self.records, key[size:]
        while at < len(raw):
            rest, value = _RECORD.unpack_from(raw, at)
            middle = at + _RECORD.size + rest
            place = raw[at + _RECORD.size : middle]
            if place >= wanted:
                return raw[middle : middle + value] if place == wanted else None
            at = middle + value
        return None

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        at, raw = 0, self.records
        while at < len(raw):
            rest, value = _RECORD.unpack_from(raw, at)
            middle = at + _RECORD.size + rest
            yield self.prefix + raw[at + _RECORD.size : middle], raw[middle : middle + value]
            at = middle + value


class KVStore(Protocol):
    """A durable ordered map; one writer, any number of readers in any thread."""

    def view(self) -> AbstractContextManager[Reader]:
        """The state after a whole commit, unmoved while the block runs. Raises: StoreFailed."""
        ...

    def commit(self, changes: Changes) -> None:
        """All of it, durable when this returns, or nothing. Raises: StoreFailed."""
        ...

    def load(self, pairs: Iterable[tuple[bytes, bytes]], blocks: Iterable[Block] = ()) -> None:
        """Put blocks, then many pairs, in one durable step. Raises: StoreFailed.

        Keys of blocks are new to the store and rise; what a store keeps of them is its own.
        """
        ...

    def close(self) -> None: ...


class PayloadSource(Protocol):
    """The bytes of batches that lie in the data availability layer."""

    def payload(self, blob_id: bytes) -> bytes | None:
        """The agreed bytes; None when the agreed answer is that there are none (BOTTOM).

        Raises: PayloadUnavailable while nobody gives them; the replica asks again.
        """
        ...


class LogSource(Protocol):
    """The log as one chain view has it."""

    def head(self) -> LogHead:
        """Its size, and how much of it is final. Raises: Unavailable."""
        ...

    def entries(self, first: int, count: int) -> Iterator[Entry]:
        """Entries from number `first` on, at most `count`, in order. Raises: Unavailable."""
        ...


class PromiseJournal(Protocol):
    """What a batcher has promised, durable before anybody is told; blocking."""

    def record(self, promises: Sequence[tuple[bytes, int]]) -> None:
        """Encoded operations with the log time they were promised for. Raises: StoreBroken."""
        ...

    def batched(self, key: bytes, digests: Sequence[bytes]) -> None:
        """These go into the log as one batch under this key. Raises: StoreBroken."""
        ...

    def done(self, digests: Sequence[bytes]) -> None:
        """These are in the log, or can never be. Raises: StoreBroken."""
        ...

    def waiting(self) -> Sequence[tuple[bytes, int]]:
        """What was recorded and is not done, in order."""
        ...

    def batch(self) -> tuple[bytes, Sequence[bytes]] | None:
        """The key and digests of the last batch, while any of them is not done."""
        ...


class BatchSink(Protocol):
    """How a batcher gets a batch into the log."""

    def append(self, key: str, streams: Sequence[bytes], batch: bytes) -> int:
        """Publish and append; its entry's number. The same key is the same batch, once.

        Raises: Unavailable; then the batch may or may not come into the log later.
        """
        ...
