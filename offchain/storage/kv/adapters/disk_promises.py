"""A batcher's promises in one append-only file, synced before an acknowledgement is given.

  frame   u32 length of body | first 4 bytes of keccak(length) | body
          | first 8 bytes of keccak(check before || body)
  body    records: u8 kind | u32 length | data
  kind    1 OPERATION: u64 include by, operation    2 BATCH: key 32, digests 32 each
          3 DONE: digests 32 each

A frame is one append, so only the last one can be cut short by a crash; it is removed: nobody was
told of it. A wrong frame before the end means that promises are unknown, and the batcher refuses to
start. When half of a long file is done, it is written anew. Source:
docs/protocol/storage.md#key-value-streams, INV-KV-11.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from offchain.core.hashing import keccak
from offchain.node.disk import Disk, refused, remove_leftovers, write_durably
from offchain.node.errors import StoreBroken
from offchain.storage.kv.errors import JournalCorrupt

FILE: Final = "promises.journal"
_OPERATION, _BATCH, _DONE = 1, 2, 3
_CHECK_BYTES: Final = 8
_FIRST_CHECK: Final = bytes(_CHECK_BYTES)
_HEAD_BYTES: Final = 8
_RECORD_BYTES: Final = 5
_COMPACT_BYTES: Final = 64 << 20
log = logging.getLogger(__name__)


class DiskPromises:
    """A `PromiseJournal` in one file."""

    def __init__(self, disk: Disk, folder: Path, *, compact_bytes: int = _COMPACT_BYTES) -> None:
        self._disk = disk
        self._path = folder / FILE
        self._waiting: dict[bytes, tuple[bytes, int]] = {}
        self._batch: tuple[bytes, list[bytes]] | None = None
        self._check = _FIRST_CHECK
        self._size = 0
        self._is_broken = False
        self._compact_bytes = compact_bytes

    def open(self) -> None:
        """Read the journal and cut a torn end. Raises: JournalCorrupt."""
        remove_leftovers(self._disk, self._path.parent)
        try:
            raw = self._disk.read(self._path)
        except FileNotFoundError:
            raw = b""
        for body, end in self._frames(raw):
            for kind, data in _records(body):
                self._take(kind, data)
            self._size = end
        if self._size != len(raw):
            log.warning("journal_end_cut", extra={"bytes": len(raw) - self._size})
            self._disk.truncate(self._path, self._size)
            self._disk.sync(self._path)

    def record(self, promises: Sequence[tuple[bytes, int]]) -> None:
        self._append([(_OPERATION, by.to_bytes(8, "big") + raw) for raw, by in promises])

    def batched(self, key: bytes, digests: Sequence[bytes]) -> None:
        self._append([(_BATCH, key + b"".join(digests))])

    def done(self, digests: Sequence[bytes]) -> None:
        known = [digest for digest in digests if digest in self._waiting]
        if not known:
            return
        starts = range(0, len(known), 1 << 15)
        self._append([(_DONE, b"".join(known[at : at + (1 << 15)])) for at in starts])
        if self._size > self._compact_bytes and self._live_bytes() < self._size // 2:
            self._compact()

    def waiting(self) -> Sequence[tuple[bytes, int]]:
        return list(self._waiting.values())

    def batch(self) -> tuple[bytes, Sequence[bytes]] | None:
        if self._batch is None or not any(one in self._waiting for one in self._batch[1]):
            return None
        return self._batch

    def _frames(self, raw: bytes) -> Iterator[tuple[bytes, int]]:
        """Whole frames and where they end; stops at a torn end. Raises: JournalCorrupt."""
        start = 0
        while start < len(raw):
            head = raw[start : start + _HEAD_BYTES]
            if len(head) < _HEAD_BYTES or not raw[start:].strip(b"\x00"):
                return
            if head[4:] != keccak(head[:4])[:4]:
                raise JournalCorrupt(byte=start)
            end = start + _HEAD_BYTES + int.from_bytes(head[:4], "big") + _CHECK_BYTES
            if end > len(raw):
                return
            body = raw[start + _HEAD_BYTES : end - _CHECK_BYTES]
            check = keccak(self._check, body)[:_CHECK_BYTES]
            if raw[end - _CHECK_BYTES : end] != check:
                if end == len(raw) and raw.endswith(bytes(_CHECK_BYTES)):
                    return  # length kept, bytes lost
                raise JournalCorrupt(byte=start)
            self._check = check
            yield body, end
            start = end

    def _take(self, kind: int, body: bytes) -> None:
        if kind == _OPERATION:
            raw = body[8:]
            self._waiting[keccak(raw)] = (raw, int.from_bytes(body[:8], "big"))
        elif kind == _BATCH:
            self._batch = (body[:32], [body[at : at + 32] for at in range(32, len(body), 32)])
        else:
            for at in range(0, len(body), 32):
                self._waiting.pop(body[at : at + 32], None)

    def _append(self, records: Sequence[tuple[int, bytes]]) -> None:
        """Append and sync, or put the file back to where it was."""
        if self._is_broken:
            raise StoreBroken(file=FILE)
        raw, check = _encoded(records, self._check)
        try:
            self._disk.append(self._path, raw)
            self._disk.sync(self._path)
            if self._size == 0:
                self._disk.sync(self._path.parent)
        except OSError as error:
            self._put_back()
            raise refused(error, self._path) from error
        self._size += len(raw)
        self._check = check
        for kind, body in records:
            self._take(kind, body)

    def _put_back(self) -> None:
        try:
            self._disk.truncate(self._path, self._size)
            self._disk.sync(self._path)
        except OSError:
            self._is_broken = True  # what the end of the file says is unknown

    def _live_bytes(self) -> int:
        return sum(len(raw) + 21 for raw, _ in self._waiting.values())

    def _compact(self) -> None:
        records = [(_OPERATION, by.to_bytes(8, "big") + raw) for raw, by in self._waiting.values()]
        if self._batch is not None:
            records.append((_BATCH, self._batch[0] + b"".join(self._batch[1])))
        raw, check = _encoded(records, _FIRST_CHECK)
        write_durably(self._disk, self._path, [raw])
        self._size, self._check = len(raw), check


def _encoded(records: Sequence[tuple[int, bytes]], check: bytes) -> tuple[bytes, bytes]:
    parts: list[bytes] = []
    for kind, data in records:
        parts += (bytes((kind,)), len(data).to_bytes(4, "big"), data)
    body = b"".join(parts)
    length = len(body).to_bytes(4, "big")
    check = keccak(check, body)[:_CHECK_BYTES]
    return b"".join((length, keccak(length)[:4], body, check)), check


def _records(body: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(body):
        end = start + _RECORD_BYTES + int.from_bytes(body[start + 1 : start + 5], "big")
        yield body[start], body[start + _RECORD_BYTES : end]
        start = end
