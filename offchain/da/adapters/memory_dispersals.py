"""Dispersals in this process's memory: for tests and for callers that never resume."""

from collections.abc import Sequence

from offchain.da.dispersals import DispersalRecord, Stage
from offchain.da.ports import Bytes
from offchain.da.refusals import BlobUnknown


class MemoryDispersals:
    """A `DispersalJournal` that forgets with its process."""

    def __init__(self) -> None:
        self._records: dict[bytes, DispersalRecord] = {}
        self._payloads: dict[bytes, bytes] = {}

    async def plan(self, record: DispersalRecord, payload: Bytes) -> None:
        self._payloads[record.blob_id] = bytes(payload)
        self._records[record.blob_id] = record

    async def load(self, blob_id: bytes) -> DispersalRecord | None:
        return self._records.get(blob_id)

    async def payload(self, blob_id: bytes) -> bytes:
        if blob_id not in self._payloads:
            raise BlobUnknown(blob_id=blob_id.hex())
        return self._payloads[blob_id]

    async def advance(self, blob_id: bytes, stage: Stage) -> None:
        record = self._records[blob_id]
        if record.stage.is_final:
            return
        self._records[blob_id] = DispersalRecord(blob_id, record.terms, stage)
        if stage.is_final:
            self._payloads.pop(blob_id, None)

    async def open_ids(self) -> Sequence[bytes]:
        return [r.blob_id for r in self._records.values() if not r.stage.is_final]
