"""What a node no longer answers for is removed, never early.

  unconfirmed   kept until the deadline is past at a block that is deep enough
  confirmed     kept until expiry + 2 answer windows
  unknown       a payment that a reorg took back: kept until the deadline the node knew

Three phases: load at one deep block, decide (pure), apply (idempotent).
Source: docs/protocol/da.md#life-of-a-blob, INV-DA-19.
"""

import asyncio
import logging
from dataclasses import dataclass
from enum import Enum

from offchain.da.accept import AcceptRows, NodeParts
from offchain.da.duties import Moment, PaidBlob
from offchain.da.model import BlobState
from offchain.da.ports import BlobLedger
from offchain.da.refusals import BlobUnknown

log = logging.getLogger(__name__)


class Fate(Enum):
    """What becomes of a held blob."""

    KEEP_COUNTED = "unconfirmed: kept, counts against its payer"
    KEEP = "kept"
    DROP = "dropped"


@dataclass(frozen=True, slots=True)
class CollectRules:
    """`depth`: blocks on top of the one that is judged by. `answer_seconds`: one answer window."""

    depth: int = 8
    answer_seconds: int = 3_600


def fate_of(record: PaidBlob | None, known_deadline: int, now: int, rules: CollectRules) -> Fate:
    """Decide from the record at a deep block, or from the deadline the node wrote down."""
    if record is None:
        return Fate.DROP if now > known_deadline else Fate.KEEP_COUNTED
    windows = 2 * rules.answer_seconds
    match record.state:
        case BlobState.REFUNDED | BlobState.NONE:
            return Fate.DROP
        case BlobState.PAID:
            return Fate.DROP if now > record.deadline else Fate.KEEP_COUNTED
        case BlobState.CONFIRMED | BlobState.VOID:
            return Fate.DROP if now >= record.expiry + windows else Fate.KEEP


class CollectGarbage:
    """One pass over everything a node holds."""

    def __init__(self, node: AcceptRows, parts: NodeParts, rules: CollectRules) -> None:
        self._node = node
        self._parts = parts
        self._rules = rules

    async def collect(self) -> list[bytes]:
        """Remove what is over; the ids of the blobs removed."""
        ledger = self._parts.ledger
        moment = await asyncio.to_thread(_deep_moment, ledger, self._rules.depth)
        if moment is None:
            return []
        deadlines = {d.blob_id: d.deadline for d in await self._parts.journal.decisions()}
        sizes: dict[bytes, int] = {}
        for share in await self._parts.store.held():
            sizes[share.blob_id] = sizes.get(share.blob_id, 0) + share.size_bytes
            deadlines[share.blob_id] = max(share.deadline, deadlines.get(share.blob_id, 0))
        dropped = []
        for blob_id, deadline in deadlines.items():
            if self._node.is_busy_with(blob_id):
                continue
            record = await asyncio.to_thread(_record_at, ledger, blob_id, moment.block)
            fate = fate_of(record, deadline, moment.time, self._rules)
            if await self._apply(fate, blob_id, record, sizes.get(blob_id, 0)):
                dropped.append(blob_id)
        await self._parts.journal.forget(dropped)
        return dropped

    async def _apply(self, fate: Fate, blob_id: bytes, record: PaidBlob | None, size: int) -> bool:
        match fate:
            case Fate.KEEP_COUNTED:
                if record is not None:
                    self._node.count(blob_id, record.payer, size)
                return False
            case Fate.KEEP:
                self._node.discount(blob_id)
                return False
            case Fate.DROP:
                await self._parts.store.drop(blob_id)
                self._node.discount(blob_id)
                log.info("blob_dropped", extra={"blob_id": blob_id.hex()})
                return True


def _deep_moment(ledger: BlobLedger, depth: int) -> Moment | None:
    """The newest block with `depth` blocks on top; None when the chain is shorter."""
    block = ledger.head().block - depth
    return None if block < 0 else ledger.moment(block)


def _record_at(ledger: BlobLedger, blob_id: bytes, block: int) -> PaidBlob | None:
    try:
        return ledger.view(blob_id, at=block).record
    except BlobUnknown:
        return None
