"""What a disperser has planned and how far it came: the record that outlives its process."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from offchain.da.duties import BlobTerms
from offchain.da.ports import Bytes


class Stage(Enum):
    """How far a dispersal came; the chain is asked before every step, this is for resuming."""

    PLANNED = "planned"
    PAID = "paid"
    ATTESTED = "attested"
    CONFIRMED = "confirmed"
    REFUNDABLE = "refundable"
    REFUNDED = "refunded"

    @property
    def is_final(self) -> bool:
        return self in (Stage.CONFIRMED, Stage.REFUNDED)


@dataclass(frozen=True, slots=True)
class DispersalRecord:
    """One dispersal."""

    blob_id: bytes
    terms: BlobTerms
    stage: Stage


class DispersalJournal(Protocol):
    """Durable records with their payloads. Raises: StoreFull, StoreBroken, JournalCorrupt."""

    async def plan(self, record: DispersalRecord, payload: Bytes) -> None:
        """Keep record and payload, both durable on return."""
        ...

    async def load(self, blob_id: bytes) -> DispersalRecord | None: ...

    async def payload(self, blob_id: bytes) -> bytes:
        """Raises: BlobUnknown once the dispersal is final."""
        ...

    async def advance(self, blob_id: bytes, stage: Stage) -> None:
        """Note a stage; a final one lets the payload go. A final stage never changes again."""
        ...

    async def open_ids(self) -> Sequence[bytes]:
        """Dispersals whose stage is not final, oldest first."""
        ...
