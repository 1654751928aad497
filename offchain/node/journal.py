"""An append-only journal that survives power cuts, with one sync for all who wait.

  record   0 "AWL1"  4 u32 length of body  8 u64 number  16 digest of the record before (32)
           48 u32 crc of 0..47             52 body        then keccak of everything above (32)
  body     entries, each u8 kind || u32 length || bytes

What several callers append while a sync is under way goes into the next record together. A record
that a power cut left short, or whose end is zeros, is cut off at the end of the file: nobody was
told of it. A record that is wrong otherwise, or anywhere before the end, means that the past is not
known: the journal refuses to open. Numbers and digests chain the records, so none is missing.
"""

import asyncio
import logging
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from offchain.core.errors import ApogeeError, Corrupt, InvalidInput
from offchain.core.hashing import DIGEST_BYTES, keccak
from offchain.node.disk import Disk, refused, remove_leftovers, write_durably
from offchain.node.errors import StoreBroken

MAGIC: Final = b"AWL1"
MAX_BODY_BYTES: Final = 1 << 24
_HEAD: Final = struct.Struct(">4sIQ32s")
_CRC: Final = struct.Struct(">I")
_ENTRY: Final = struct.Struct(">BI")
_FRONT_BYTES: Final = _HEAD.size + _CRC.size
_ZERO_END: Final = bytes(8)
log = logging.getLogger(__name__)


class JournalBroken(Corrupt):
    """A journal contradicts its checks before its end."""

    code = "node.journal.corrupt"
    next_step = "Do not go on from this disk: what was promised is not known any more."


class EntryTooLong(InvalidInput):
    """An entry is longer than a record may be."""

    code = "node.journal.entry_too_long"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was decided; kinds are the owner's."""

    kind: int
    body: bytes = field(repr=False)


_Waiting = tuple[Sequence[Entry], asyncio.Future[None]]


class Journal(Protocol):
    """Entries in the order they were appended. Raises: StoreFull, StoreBroken."""

    def entries(self) -> Sequence[Entry]:
        """What was there at start; asked once, before anything is appended."""
        ...

    def replace(self, entries: Iterable[Entry]) -> None:
        """Start over with these entries, whole or not at all; while nobody appends."""
        ...

    async def append(self, *entries: Entry) -> None:
        """Durable on return, all of them or, after a power cut before it, none."""
        ...


class MemoryJournal:
    """A `Journal` that forgets with its process."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = list(entries)

    def entries(self) -> Sequence[Entry]:
        return list(self._entries)

    def replace(self, entries: Iterable[Entry]) -> None:
        self._entries = list(entries)

    async def append(self, *entries: Entry) -> None:
        self._entries += entries


class FileJournal:
    """A `Journal` in one file, which is this process's alone."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._path = path
        self._size = 0
        self._number = 0
        self._before = bytes(DIGEST_BYTES)
        self._is_broken = False
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self._found: list[Entry] = []

    def open(self) -> None:
        """Read everything and cut a torn end. Raises: JournalBroken, StoreBroken."""
        remove_leftovers(self._disk, self._path.parent)
        try:
            raw = self._disk.read(self._path)
        except FileNotFoundError:
            return
        while self._size < len(raw):
            body = self._next_body(raw)
            if body is None:
                log.warning("journal_end_cut", extra={"bytes": len(raw) - self._size})
                self._disk.truncate(self._path, self._size)
                self._disk.sync(self._path)
                return
            self._found += _entries_in(body)

    def entries(self) -> Sequence[Entry]:
        found, self._found = self._found, []
        return found

    def replace(self, entries: Iterable[Entry]) -> None:
        records, number, before = [], 0, bytes(DIGEST_BYTES)
        for body in _bodies(entries):
            record = _pack(number, before, body)
            records.append(record)
            number, before = number + 1, record[-DIGEST_BYTES:]
        try:
            write_durably(self._disk, self._path, records)
        except ApogeeError:
            self._is_broken |= not self._is_as_before()
            raise
        self._size = sum(map(len, records))
        self._number, self._before = number, before

    async def append(self, *entries: Entry) -> None:
        if _length_of(entries) > MAX_BODY_BYTES:
            raise EntryTooLong(entries=len(entries), maximum=MAX_BODY_BYTES)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._drain())
        await done

    async def _drain(self) -> None:
        """Write what waits, one record after the other; everybody hears how it went."""
        while self._waiting:
            batch = self._next_batch()
            waiting = [done for _, done in batch if not done.done()]
            body = _body_of(entry for entries, _ in batch for entry in entries)
            try:
                await asyncio.to_thread(self._append, body)
            except BaseException as error:
                for done in waiting:
                    if not done.done():
                        done.set_exception(error)
                if isinstance(error, asyncio.CancelledError):
                    raise
            else:
                for done in waiting:
                    if not done.done():
                        done.set_result(None)

    def _next_batch(self) -> list[_Waiting]:
        """As much of what waits as one record takes."""
        batch = [self._waiting.pop(0)]
        size = _length_of(batch[0][0])
        while self._waiting:
            size += _length_of(self._waiting[0][0])
            if size > MAX_BODY_BYTES:
                break
            batch.append(self._waiting.pop(0))
        return batch

    def _append(self, body: bytes) -> None:
        """Append and sync, or put the file back to where it was."""
        if self._is_broken:
            raise StoreBroken(file=self._path.name)
        record = _pack(self._number, self._before, body)
        try:
            self._disk.append(self._path, record)
            self._disk.sync(self._path)
            if self._size == 0:
                self._disk.sync(self._path.parent)
        except OSError as error:
            self._restore()
            raise refused(error, self._path) from error
        self._size += len(record)
        self._number, self._before = self._number + 1, record[-DIGEST_BYTES:]

    def _is_as_before(self) -> bool:
        """Whether a file that could not be replaced is the old one: no new one is of its size."""
        try:
            return self._disk.size(self._path) == self._size
        except FileNotFoundError:
            return self._size == 0
        except OSError:
            return False

    def _restore(self) -> None:
        try:
            self._disk.truncate(self._path, self._size)
            self._disk.sync(self._path)
        except FileNotFoundError:
            return
        except OSError:
            log.exception("journal_broken")
            self._is_broken = True

    def _next_body(self, raw: bytes) -> bytes | None:
        """The body of the record at the end of what was read; None when a torn end is all."""
        rest = raw[self._size :]
        if len(rest) < _FRONT_BYTES or not any(rest):
            return None
        magic, length, number, before = _HEAD.unpack_from(rest)
        if _CRC.unpack_from(rest, _HEAD.size) != (zlib.crc32(rest[: _HEAD.size]),):
            raise self._corrupt("front")
        if magic != MAGIC or length > MAX_BODY_BYTES:
            raise self._corrupt("format")
        end = _FRONT_BYTES + length + DIGEST_BYTES
        if len(rest) < end:
            return None
        if keccak(rest[: end - DIGEST_BYTES]) != rest[end - DIGEST_BYTES : end]:
            if len(rest) == end and rest.endswith(_ZERO_END):
                return None
            raise self._corrupt("digest")
        if (number, before) != (self._number, self._before):
            raise self._corrupt("order")
        self._size += end
        self._number, self._before = number + 1, rest[end - DIGEST_BYTES : end]
        return rest[_FRONT_BYTES : end - DIGEST_BYTES]

    def _corrupt(self, reason: str) -> JournalBroken:
        return JournalBroken(file=self._path.name, record=self._number, reason=reason)


def _length_of(entries: Iterable[Entry]) -> int:
    return sum(_ENTRY.size + len(entry.body) for entry in entries)


def _pack(number: int, before: bytes, body: bytes) -> bytes:
    head = _HEAD.pack(MAGIC, len(body), number, before)
    whole = head + _CRC.pack(zlib.crc32(head)) + body
    return whole + keccak(whole)


def _body_of(entries: Iterable[Entry]) -> bytes:
    return b"".join(_ENTRY.pack(entry.kind, len(entry.body)) + entry.body for entry in entries)


def _bodies(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Entries in bodies of bounded size."""
    parts: list[bytes] = []
    size = 0
    for entry in entries:
        part = _body_of([entry])
        if parts and size + len(part) > MAX_BODY_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part)
    if parts:
        yield b"".join(parts)


def _entries_in(body: bytes) -> Iterator[Entry]:
    start = 0
    while start < len(body):
        kind, length = _ENTRY.unpack_from(body, start)
        start += _ENTRY.size + length
        yield Entry(kind, body[start - length : start])
