"""What this client is storing, on a disk: a record and the traces of its segments for each put.

  <id>.json       who, what, how far: replaced whole at each stage; its check comes first
  <id>.traces     segment after segment: header 32,960 | roots of all rows 98,304; gone when stored
  <draft>.draft   traces of a plan in the making; a leftover of a killed one is removed

A record exists only when its traces are durable.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from offchain.core.hashing import keccak
from offchain.core.layout import N
from offchain.core.wire import HEADER_BYTES
from offchain.node.disk import Disk, refused, remove_durably, remove_leftovers, write_durably
from offchain.storage.client_errors import PlanUnknown, PutJournalCorrupt
from offchain.storage.client_ports import Order, PutRecord, PutStage, SegmentTrace
from offchain.storage.model import FileInvalid, FileShape, ProfileUnknown, Segment, profile_named

RECORD: Final = ".json"
TRACES: Final = ".traces"
DRAFT: Final = ".draft"
FORMAT: Final = 2
BEFORE: Final = 1  # had SHA-256 under `digests` instead of marks
TRACE_BYTES: Final = HEADER_BYTES + 32 * N


class DiskPuts:
    """A `PutJournal` in one folder. Several processes may share it; each put belongs to one."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder

    def open(self) -> None:
        """Make the folder and remove what killed runs left. Only while nobody else plans."""
        remove_leftovers(self._disk, self._folder)
        for name in self._disk.names(self._folder):
            if name.endswith(DRAFT) or (name.endswith(TRACES) and self._is_over(name)):
                remove_durably(self._disk, self._folder / name)

    def _is_over(self, traces: str) -> bool:
        """Whether nobody will ask for traces again: stored, over, or killed before its record."""
        try:
            raw = self._disk.read(self._folder / (traces.removesuffix(TRACES) + RECORD))
            return _parse(raw).stage.is_final
        except FileNotFoundError:
            return True
        except PutJournalCorrupt:
            return False  # kept for whoever looks into it

    async def trace(self, draft: str, index: int, trace: SegmentTrace) -> None:
        raw = trace.header + trace.row_roots
        assert len(raw) == TRACE_BYTES
        path = self._folder / (draft + DRAFT)
        await self._guarded(path, lambda: self._disk.append(path, raw))
        del index  # they come in order

    async def plan(self, record: PutRecord, draft: str) -> None:
        source, target = self._folder / (draft + DRAFT), self._path(record.file_id, TRACES)

        def settle() -> None:
            self._disk.sync(source)
            self._disk.rename(source, target)
            self._disk.sync(self._folder)

        await self._guarded(target, settle)
        await self._write(record)

    async def load(self, file_id: bytes) -> PutRecord | None:
        path = self._path(file_id, RECORD)
        try:
            return _parse(await asyncio.to_thread(self._disk.read, path))
        except FileNotFoundError:
            return None

    async def trace_of(self, file_id: bytes, index: int) -> SegmentTrace:
        path = self._path(file_id, TRACES)
        try:
            raw = await asyncio.to_thread(self._disk.read, path, index * TRACE_BYTES, TRACE_BYTES)
        except FileNotFoundError as error:
            raise PlanUnknown(file_id=file_id.hex()) from error
        if len(raw) != TRACE_BYTES:
            raise PutJournalCorrupt(file=path.name, segment=index)
        return SegmentTrace(raw[:HEADER_BYTES], raw[HEADER_BYTES:])

    async def advance(self, file_id: bytes, stage: PutStage) -> None:
        record = await self.load(file_id)
        if record is None or record.stage.is_final or record.stage is stage:
            return
        await self._write(replace(record, stage=stage))
        if stage.is_final:
            path = self._path(file_id, TRACES)
            await asyncio.to_thread(remove_durably, self._disk, path)

    async def records(self) -> Sequence[PutRecord]:
        names = await asyncio.to_thread(self._disk.names, self._folder)
        return [
            _parse(await asyncio.to_thread(self._disk.read, self._folder / name))
            for name in names
            if name.endswith(RECORD)
        ]

    async def _write(self, record: PutRecord) -> None:
        path = self._path(record.file_id, RECORD)
        await asyncio.to_thread(write_durably, self._disk, path, [_pack(record)])

    async def _guarded(self, path: Path, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except OSError as error:
            raise refused(error, path) from error

    def _path(self, file_id: bytes, suffix: str) -> Path:
        return self._folder / (file_id.hex() + suffix)


def _pack(record: PutRecord) -> bytes:
    """JSON with the first 8 bytes of its keccak in front, one line each."""
    order = record.order
    body = json.dumps(
        {
            "format": FORMAT,
            "file_id": record.file_id.hex(),
            "stage": record.stage.value,
            "root": order.root.hex(),
            "nonce": order.nonce,
            "length": order.shape.length,
            "profile": order.profile.name,
            "term_epochs": order.term_epochs,
            "max_price_wei": record.max_price_wei,
            "path": record.path,
            "seal_head": record.seal_head.hex(),
            "segments": [
                [one.data_root.hex(), one.commitment_hash.hex(), one.columns, one.length]
                for one in record.segments
            ],
            "marks": [mark.hex() for mark in record.marks],
        }
    ).encode()
    return keccak(body)[:8].hex().encode() + b"\n" + body


def _parse(raw: bytes) -> PutRecord:
    check, _, body = raw.partition(b"\n")
    if keccak(body)[:8].hex().encode() != check:
        raise PutJournalCorrupt(file="record")
    try:
        found = json.loads(body)
        if found["format"] not in (FORMAT, BEFORE):
            raise PutJournalCorrupt(format=found["format"])
        marks = found["marks" if found["format"] == FORMAT else "digests"]
        order = Order(
            root=bytes.fromhex(found["root"]),
            nonce=found["nonce"],
            shape=FileShape.of(found["length"]),
            profile=profile_named(found["profile"]),
            term_epochs=found["term_epochs"],
        )
        segments = tuple(
            Segment(index, bytes.fromhex(root), bytes.fromhex(commitment), columns, length)
            for index, (root, commitment, columns, length) in enumerate(found["segments"])
        )
        return PutRecord(
            file_id=bytes.fromhex(found["file_id"]),
            order=order,
            segments=segments,
            marks=tuple(bytes.fromhex(mark) for mark in marks),
            max_price_wei=found["max_price_wei"],
            path=found["path"],
            seal_head=bytes.fromhex(found["seal_head"]),
            stage=PutStage(found["stage"]),
        )
    except (KeyError, TypeError, ValueError, FileInvalid, ProfileUnknown) as error:
        raise PutJournalCorrupt(file="record", reason=str(error)[:200]) from error
