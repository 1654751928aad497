"""Dispersals on a disk: two files for each blob, the payload first, then the record that names it.

  <blob id>.payload     the bytes, gone once the dispersal is final
  <blob id>.json        terms and stage, replaced whole at each stage

A record exists only when its payload is durable; a payload without a record is a leftover.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from offchain.core.hashing import keccak
from offchain.core.layout import LayoutError, Shape
from offchain.da.dispersals import DispersalRecord, Stage
from offchain.da.duties import BlobTerms
from offchain.da.ports import Bytes
from offchain.da.refusals import BlobUnknown, JournalCorrupt
from offchain.node.disk import Disk, refused, remove_durably, remove_leftovers, write_durably

RECORD: Final = ".json"
PAYLOAD: Final = ".payload"
FORMAT: Final = 1


class DiskDispersals:
    """A `DispersalJournal` in one folder, which is this process's alone."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self._records: dict[bytes, DispersalRecord] = {}

    def open(self) -> None:
        """Read all records and remove leftovers. Raises: JournalCorrupt."""
        remove_leftovers(self._disk, self._folder)
        self._records = {one.blob_id: one for one in read_records(self._disk, self._folder)}
        for name in self._disk.names(self._folder):
            if name.endswith(PAYLOAD):
                owner = self._records.get(bytes.fromhex(name.removesuffix(PAYLOAD)))
                if owner is None or owner.stage.is_final:
                    remove_durably(self._disk, self._folder / name)

    async def plan(self, record: DispersalRecord, payload: Bytes) -> None:
        path = self._path(record.blob_id, PAYLOAD)
        await asyncio.to_thread(write_durably, self._disk, path, [payload])
        await self._write(record)

    async def load(self, blob_id: bytes) -> DispersalRecord | None:
        return self._records.get(blob_id)

    async def payload(self, blob_id: bytes) -> bytes:
        path = self._path(blob_id, PAYLOAD)
        try:
            return await asyncio.to_thread(self._disk.read, path)
        except FileNotFoundError as error:
            raise BlobUnknown(blob_id=blob_id.hex()) from error
        except OSError as error:
            raise refused(error, path) from error

    async def advance(self, blob_id: bytes, stage: Stage) -> None:
        record = self._records[blob_id]
        if record.stage.is_final or record.stage is stage:
            return
        await self._write(DispersalRecord(blob_id, record.terms, stage))
        if stage.is_final:
            path = self._path(blob_id, PAYLOAD)
            await asyncio.to_thread(remove_durably, self._disk, path)

    async def open_ids(self) -> Sequence[bytes]:
        return [r.blob_id for r in self._records.values() if not r.stage.is_final]

    async def _write(self, record: DispersalRecord) -> None:
        path = self._path(record.blob_id, RECORD)
        await asyncio.to_thread(write_durably, self._disk, path, [_pack(record)])
        self._records[record.blob_id] = record

    def _path(self, blob_id: bytes, suffix: str) -> Path:
        return self._folder / (blob_id.hex() + suffix)


def read_records(disk: Disk, folder: Path) -> list[DispersalRecord]:
    """The records in a folder, which another process may be writing to. Raises: JournalCorrupt."""
    names = [name for name in disk.names(folder) if name.endswith(RECORD)]
    return [_parse(disk.read(folder / name)) for name in names]


def _pack(record: DispersalRecord) -> bytes:
    """JSON with the first 8 bytes of its keccak in front, one line each."""
    terms = record.terms
    body = json.dumps(
        {
            "format": FORMAT,
            "blob_id": record.blob_id.hex(),
            "stage": record.stage.value,
            "payer": terms.payer.hex(),
            "disperser": terms.disperser.hex(),
            "data_root": terms.data_root.hex(),
            "commitment": terms.commitment.hex(),
            "length": terms.shape.length,
            "days": terms.days,
            "salt": terms.salt.hex(),
        }
    ).encode()
    return keccak(body)[:8].hex().encode() + b"\n" + body


def _parse(raw: bytes) -> DispersalRecord:
    check, _, body = raw.partition(b"\n")
    if keccak(body)[:8].hex().encode() != check:
        raise JournalCorrupt(file="dispersal record")
    try:
        found = json.loads(body)
        if found["format"] != FORMAT:
            raise JournalCorrupt(format=found["format"])
        terms = BlobTerms(
            payer=bytes.fromhex(found["payer"]),
            disperser=bytes.fromhex(found["disperser"]),
            data_root=bytes.fromhex(found["data_root"]),
            commitment=bytes.fromhex(found["commitment"]),
            shape=Shape.of(found["length"]),
            days=found["days"],
            salt=bytes.fromhex(found["salt"]),
        )
        return DispersalRecord(bytes.fromhex(found["blob_id"]), terms, Stage(found["stage"]))
    except (KeyError, TypeError, ValueError, LayoutError) as error:
        raise JournalCorrupt(file="dispersal record", reason=str(error)) from error
