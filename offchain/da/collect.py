"""What a node no longer answers for is removed, never early and at last always.

  unconfirmed   kept until the deadline is past at a block that is deep enough
  confirmed     kept until expiry + 2 answer windows, inherited rows too
  void          the same: what it holds is evidence
  unknown       what the node signed for: until the expiry it signed, + 2 answer windows; what it
                did not: until the deadline it wrote down. A payment that a reorg took back looks
                like a chain that is not the node's
  unreadable    kept while the chain does not answer

Only the chain's clock counts, at a block that is deep enough. Three phases: load, decide (pure),
apply (idempotent). Source: docs/protocol/da.md#repair-and-churn, INV-DA-19, INV-DA-24.
"""

import asyncio
import logging
from dataclasses import dataclass
from enum import Enum

from offchain.core.errors import Unavailable
from offchain.da.accept import AcceptRows, NodeParts
from offchain.da.duties import BlobView, Moment, PaidBlob
from offchain.da.model import BlobState
from offchain.da.ports import BlobLedger
from offchain.da.refusals import (
    BlobUnknown,
)
from offchain.node.errors import StoreBroken, StoreFull

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


def fate_of(record: PaidBlob | None, known_until: int, now: int, rules: CollectRules) -> Fate:
    """Decide from the record at a deep block, or from the time the node wrote down."""
    if record is None:
        return Fate.DROP if now > known_until else Fate.KEEP_COUNTED
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
        self._kept_until: dict[bytes, int] = {}  # confirmed blobs need no look before

    async def collect(self) -> list[bytes]:
        """Remove what is over; the ids of the blobs removed.

        A blob that cannot be removed keeps no other from going. Raises: Unavailable, after the
        rest is done, when the chain or the disk did not answer.
        """
        moment = await asyncio.to_thread(_deep_moment, self._parts.ledger, self._rules.depth)
        if moment is None:
            return []
        known = await self._known()
        self._kept_until = {one: at for one, at in self._kept_until.items() if one in known}
        dropped: list[bytes] = []
        failure: Unavailable | None = None
        for blob_id, (until, size) in known.items():
            is_later = moment.time < self._kept_until.get(blob_id, 0)
            if is_later or self._node.is_busy_with(blob_id):
                continue
            try:
                if await self._judge(blob_id, until, size, moment):
                    dropped.append(blob_id)
            except (StoreFull, StoreBroken) as error:
                log.warning("blob_not_dropped", extra={"blob_id": blob_id.hex()})
                failure = error
            except Unavailable as error:
                failure = error
                break
        await self._parts.journal.forget(dropped)
        if failure is not None:
            raise failure
        return dropped

    async def _known(self) -> dict[bytes, tuple[int, int]]:
        """Every blob here: until when it is kept if the chain knows nothing of it, and its size."""
        windows = 2 * self._rules.answer_seconds
        known = {d.blob_id: (d.expiry + windows, 0) for d in await self._parts.journal.decisions()}
        for share in await self._parts.store.held():
            until, size = known.get(share.blob_id, (0, 0))
            known[share.blob_id] = (max(until, share.deadline), size + share.size_bytes)
        return known

    async def _judge(self, blob_id: bytes, until: int, size: int, moment: Moment) -> bool:
        """Decide on one blob and do it; whether it was removed."""
        view = await asyncio.to_thread(_view_at, self._parts.ledger, blob_id, moment.block)
        record = view.record if view else None
        now = min(moment.time, view.moment.time) if view else moment.time
        match fate_of(record, until, now, self._rules):
            case Fate.KEEP_COUNTED:
                if record is not None:
                    self._node.count(blob_id, record.payer, size)
                return False
            case Fate.KEEP:
                assert record is not None
                self._kept_until[blob_id] = record.expiry + 2 * self._rules.answer_seconds
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


def _view_at(ledger: BlobLedger, blob_id: bytes, block: int) -> BlobView | None:
    try:
        return ledger.view(blob_id, at=block)
    except BlobUnknown:
        return None
