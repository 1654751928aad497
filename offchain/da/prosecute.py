"""A proof of fraud becomes a slash: announce it, wait a block, show it; restartable at any point.

The announcement hides the proof until copying it is too late. The salt follows from the reporter's
key and the evidence, so a reporter that was killed announces the same again, and what somebody else
has proven costs nothing. Source: docs/protocol/da.md#fraud-proofs.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.core.errors import NotFound, Rejected
from offchain.core.hashing import Digest, keccak
from offchain.core.merkle import row_root
from offchain.core.typed_data import words
from offchain.da.announce import announce
from offchain.da.dispute_ports import FraudDesk
from offchain.da.fraud import BadLeaf, BottomProven, FraudProof
from offchain.da.onchain_challenges import WHOLE_ROW
from offchain.da.ports import BlobLedger, RequestSigner, Settlement
from offchain.da.reverts import NothingToConvict

_SALT_CONTEXT: Final = keccak(b"apogee.da.prosecute.salt.v1")
log = logging.getLogger(__name__)


class ProofShelf(Protocol):
    """Proofs that wait to be sent; what `keep` returned from survives a power cut; blocking."""

    def keep(self, blob_id: bytes, proven: BottomProven) -> None: ...

    def waiting(self) -> Sequence[tuple[bytes, BottomProven]]: ...

    def remove(self, blob_id: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Prosecution:
    """What was sent; None where an earlier run, or somebody else, had done it."""

    evidence: bytes
    committed: Settlement | None
    proven: Settlement | None


def evidence_of(blob_id: bytes, proof: FraudProof) -> Digest:
    """The hash that the contract finds in the proof."""
    if isinstance(proof, BadLeaf):
        leaf = proof.leaf
        return keccak(words(blob_id, leaf.row, leaf.leaf, keccak(leaf.data)))
    root = row_root(proof.row.data.tobytes())
    return keccak(words(blob_id, proof.row.index, WHOLE_ROW, root))


class Prosecute:
    """Brings bad encodings before the contracts; the signer is the reporter's account."""

    def __init__(
        self,
        ledger: BlobLedger,
        desk: FraudDesk,
        reporter: RequestSigner,
        *,
        poll_seconds: float = 0.1,
    ) -> None:
        self._ledger = ledger
        self._desk = desk
        self._reporter = reporter
        self._poll_seconds = poll_seconds

    async def prosecute(self, blob_id: bytes, proof: FraudProof) -> Prosecution:
        """Announce, wait for a later block, prove. Raises: Rejected when the proof is none."""
        evidence = evidence_of(blob_id, proof)
        row = proof.leaf.row if isinstance(proof, BadLeaf) else proof.row.index
        if not await asyncio.to_thread(self._desk.is_worthwhile, blob_id, row):
            return Prosecution(evidence, None, None)
        salt, commitment = await asyncio.to_thread(self.announcement, evidence)
        committed = await announce(
            self._ledger, self._desk, commitment, poll_seconds=self._poll_seconds
        )
        try:
            proven = await asyncio.to_thread(self._desk.prove, blob_id, proof, salt)
        except NothingToConvict:  # somebody else was first; the outcome is the same
            return Prosecution(evidence, committed, None)
        log.info("bad_encoding_proven", extra={"blob_id": blob_id.hex(), "fault": proof.fault})
        return Prosecution(evidence, committed, proven)

    async def prosecute_kept(self, shelf: ProofShelf) -> list[Prosecution]:
        """Send every proof that waits; one that is sent, or proves nothing, waits no longer.

        Raises: Unavailable; then the rest waits for the next time.
        """
        done = []
        for blob_id, proven in await asyncio.to_thread(shelf.waiting):
            try:
                done.append(await self.prosecute(blob_id, proven.proof))
            except (Rejected, NotFound) as error:
                log.warning("proof_refused", extra={"blob_id": blob_id.hex(), "code": error.code})
            await asyncio.to_thread(shelf.remove, blob_id)
        return done

    def announcement(self, evidence: bytes) -> tuple[Digest, Digest]:
        """Salt and commitment: always the same of one reporter for one piece of evidence."""
        signed = self._reporter.sign_digest(keccak(_SALT_CONTEXT, evidence))
        salt = keccak(_SALT_CONTEXT, signed)
        return salt, keccak(words(evidence, self._reporter.address, salt))
