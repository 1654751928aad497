"""What this key decided to sign, in one append-only file that survives a power cut.

  record  "ADJ1"  4 u8 version  5 3 zero  8 blob id  40 seed  72 digest
          104 u64 epoch  112 u64 deadline  120 u64 expiry  128 payer (20)  148 u64 bytes
          156 first 8 bytes of keccak(0..156)                              164 bytes, big-endian

A record that a crash cut short at the end is removed at start: nothing was signed for it. A record
that is wrong before the end means that the past is unknown, and the node refuses to start. The
file is locked, so that two processes never sign with one key from one folder.
Source: docs/protocol/da.md#journal.
"""

import asyncio
import logging
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from offchain.core.hashing import keccak
from offchain.da.ports import Decision
from offchain.da.refusals import (
    AlreadySigned,
    JournalCorrupt,
)
from offchain.node.disk import Disk, refused, remove_leftovers, write_durably
from offchain.node.errors import StoreBroken

MAGIC: Final = b"ADJ1"
VERSION: Final = 1
FILE: Final = "decisions.journal"
_BODY: Final = struct.Struct(">4sB3x32s32s32sQQQ20sQ")
_CHECK_BYTES: Final = 8
RECORD_BYTES: Final = _BODY.size + _CHECK_BYTES
assert RECORD_BYTES == 164
log = logging.getLogger(__name__)


class DiskJournal:
    """A `DecisionJournal` in one file."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._path = folder / FILE
        self._decisions: dict[tuple[bytes, bytes], Decision] = {}
        self._size = 0
        self._is_broken = False
        self._lock = asyncio.Lock()

    def open(self) -> None:
        """Read the journal and cut a torn end. Raises: JournalCorrupt."""
        remove_leftovers(self._disk, self._path.parent)
        try:
            raw = self._disk.read(self._path)
        except FileNotFoundError:
            raw = b""
        whole = len(raw) - len(raw) % RECORD_BYTES
        for start in range(0, whole, RECORD_BYTES):
            record = raw[start : start + RECORD_BYTES]
            decision = _parse(record)
            if decision is None:
                is_torn = record.endswith(bytes(_CHECK_BYTES))  # length kept, bytes lost
                if is_torn and start + RECORD_BYTES == len(raw):
                    whole = start
                    break
                raise JournalCorrupt(record=start // RECORD_BYTES)
            self._decisions[decision.blob_id, decision.seed] = decision
        if whole != len(raw):
            log.warning("journal_end_cut", extra={"bytes": len(raw) - whole})
            self._disk.truncate(self._path, whole)
            self._disk.sync(self._path)
        self._size = whole

    async def decided(self, blob_id: bytes, seed: bytes) -> Decision | None:
        return self._decisions.get((blob_id, seed))

    async def decisions(self) -> Sequence[Decision]:
        return list(self._decisions.values())

    async def record(self, decision: Decision) -> None:
        async with self._lock:
            known = self._decisions.get((decision.blob_id, decision.seed))
            if known is not None:
                if known.digest != decision.digest:
                    raise AlreadySigned(blob_id=decision.blob_id.hex())
                return
            await asyncio.to_thread(self._append, pack_decision(decision))
            self._decisions[decision.blob_id, decision.seed] = decision

    async def forget(self, blob_ids: Sequence[bytes]) -> None:
        gone = set(blob_ids)
        async with self._lock:
            kept = {key: d for key, d in self._decisions.items() if key[0] not in gone}
            if len(kept) == len(self._decisions):
                return
            records = [pack_decision(decision) for decision in kept.values()]
            await asyncio.to_thread(write_durably, self._disk, self._path, records)
            self._decisions, self._size = kept, len(records) * RECORD_BYTES

    def _append(self, record: bytes) -> None:
        """Append and sync, or put the file back to where it was."""
        if self._is_broken:
            raise StoreBroken(file=FILE)
        try:
            self._disk.append(self._path, record)
            self._disk.sync(self._path)
            if self._size == 0:
                self._disk.sync(self._path.parent)
        except OSError as error:
            self._restore()
            raise refused(error, self._path) from error
        self._size += len(record)

    def _restore(self) -> None:
        try:
            self._disk.truncate(self._path, self._size)
            self._disk.sync(self._path)
        except FileNotFoundError:
            return
        except OSError:
            log.exception("journal_broken")
            self._is_broken = True


def pack_decision(decision: Decision) -> bytes:
    """One record."""
    body = _BODY.pack(
        MAGIC,
        VERSION,
        decision.blob_id,
        decision.seed,
        decision.digest,
        decision.epoch,
        decision.deadline,
        decision.expiry,
        decision.payer,
        decision.reserved_bytes,
    )
    return body + keccak(body)[:_CHECK_BYTES]


def _parse(record: bytes) -> Decision | None:
    body = record[: _BODY.size]
    if keccak(body)[:_CHECK_BYTES] != record[_BODY.size :]:
        return None
    magic, version, *fields = _BODY.unpack(body)
    if magic != MAGIC or version != VERSION:
        return None
    return Decision(*fields)
