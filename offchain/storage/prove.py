"""A node answers every challenge against its operator's seats from its shard store.

Each pass asks the newest block what is open, so a restart forgets nothing, an answer that another
process sent is not sent again, and one that a reorganisation took back is sent anew. The challenge
with the earliest deadline goes first; one whose window ends before a transaction can be mined is
still tried, since only the contract's clock counts. A leaf that is lost here is logged as an alarm;
repair makes the shard again. Source: docs/protocol/storage.md#keeping, INV-STO-9.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from offchain.core.errors import ApogeeError, Corrupt, NotFound
from offchain.core.matrix.encode import leaf_frame_of
from offchain.storage.keep_ports import (
    Challenge,
    KeeperDesk,
    KeeperLedger,
    LeafProof,
    SegmentBook,
    Sent,
)
from offchain.storage.model import segment_path
from offchain.storage.ports import ShardStore

SENT_AT_ONCE = 4
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProveParts:
    """What proving works with; `operator` is this node's id."""

    operator: int
    ledger: KeeperLedger
    desk: KeeperDesk
    store: ShardStore
    book: SegmentBook


@dataclass(slots=True)
class Proved:
    """What one pass did. `lost`: challenges for which the leaf is not here."""

    sent: list[tuple[Challenge, Sent]] = field(default_factory=list)
    lost: list[Challenge] = field(default_factory=list)


class ProveChallenges:
    """One operator's prover."""

    def __init__(self, parts: ProveParts) -> None:
        self._parts = parts

    async def prove(self) -> Proved:
        """Answer everything that is open; a failure of one leaves the others to be answered.

        Raises: Unavailable when the chain cannot be read at all.
        """
        report = Proved()
        waiting = await asyncio.to_thread(self._open)
        places = asyncio.Semaphore(SENT_AT_ONCE)

        async def one(challenge: Challenge) -> None:
            async with places:
                await self._answer(challenge, report)

        await asyncio.gather(*map(one, waiting))
        return report

    def _open(self) -> list[Challenge]:
        ledger = self._parts.ledger
        head = ledger.head()
        found = ledger.challenges(self._parts.operator, at=head)
        return sorted(found, key=lambda one: (one.deadline, one.key))

    async def _answer(self, challenge: Challenge, report: Proved) -> None:
        named = {"challenge": challenge.key, "deadline": challenge.deadline}
        try:
            proof = await self._proof(challenge)
        except (NotFound, Corrupt) as error:
            log.critical("challenge_not_answerable", extra=named | {"code": error.code})
            report.lost.append(challenge)
            return
        try:
            sent = await asyncio.to_thread(self._parts.desk.prove, challenge, proof)
        except ApogeeError as error:
            log.warning("proof_failed", extra=named | {"code": error.code, "error": str(error)})
            return
        log.info("challenge_answered", extra=named | {"gas": sent.gas_used})
        report.sent.append((challenge, sent))

    async def _proof(self, challenge: Challenge) -> LeafProof:
        """The leaf and everything above it. Raises: ShardNotHeld, ShardCorrupt."""
        parts = self._parts
        segments = await parts.book.segments(challenge.root)
        if segments is None:
            raise SegmentsUnknown(root=challenge.root.hex())
        segment = segments[challenge.segment]
        header = await parts.store.header(segment.data_root)
        [row] = await parts.store.rows(segment.data_root, [challenge.row])
        frame = leaf_frame_of(row, challenge.leaf, header)
        return LeafProof(segment, segment_path(segments, challenge.segment), frame.to_bytes())


class SegmentsUnknown(NotFound):
    """No segments are kept here under the file's root."""

    code = "storage.segments.unknown"
    next_step = "The next repair asks the other seats for them."
