"""A log in memory, as source and sink: for tests, examples and measurements without a chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.core.hashing import keccak
from offchain.storage.kv.entry import NO_BLOB, AccessChange, Batch, Entry, LogHead, Other
from offchain.storage.kv.errors import PayloadUnavailable

BLOCK_SECONDS: Final = 12


@dataclass
class Log:
    """A log in memory; `fork` replaces its end as a reorganisation does."""

    entries: list[Entry] = field(default_factory=list)
    salt: int = 0

    def add(self, body: AccessChange | Batch | Other) -> Entry:
        seq = len(self.entries)
        mark = keccak(bytes([self.salt]), seq.to_bytes(8, "big"))
        entry = Entry(seq, (seq + 1) * BLOCK_SECONDS, seq, mark, body)
        self.entries.append(entry)
        return entry

    def fork(self, at: int) -> list[Entry]:
        """Drop everything from entry `at` on; what was dropped."""
        gone = self.entries[at:]
        del self.entries[at:]
        self.salt += 1
        return gone


@dataclass
class MemoryLog:
    """A `LogSource` and `PayloadSource` over a log in memory."""

    log: Log
    final: int = 0
    payloads: dict[bytes, bytes | None] = field(default_factory=dict)

    def head(self) -> LogHead:
        return LogHead(len(self.log.entries), min(self.final, len(self.log.entries)))

    def entries(self, first: int, count: int) -> Iterator[Entry]:
        yield from self.log.entries[first : first + count]

    def payload(self, blob_id: bytes) -> bytes | None:
        if blob_id not in self.payloads:
            raise PayloadUnavailable(blob_id=blob_id.hex())
        return self.payloads[blob_id]


@dataclass
class MemorySink:
    """A `BatchSink` into a log in memory; fails, loses or repeats as it is told."""

    log: Log
    faults: list[str] = field(default_factory=list)  # one a call: "refuse", "lose" or "twice"
    keys: dict[str, int] = field(default_factory=dict)
    calls: int = 0

    def append(self, key: str, streams: Sequence[bytes], raw: bytes) -> int:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refuse":
            raise PayloadUnavailable(reason="refused")
        if key not in self.keys:
            self.keys[key] = self.log.add(Batch(tuple(streams), NO_BLOB, raw)).seq
        if fault == "twice":
            self.log.add(Batch(tuple(streams), NO_BLOB, raw))
        if fault == "lose":
            raise PayloadUnavailable(reason="the answer was lost")
        return self.keys[key]
