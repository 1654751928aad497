"""Client of KVFraudProofs, which judges seats that stood for two roots.

Source: docs/protocol/storage.md#false-roots.
"""

from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef
from offchain.storage import reverts_log as reverts


@dataclass(frozen=True, slots=True)
class FalseRootFinding:
    """What the court would be told; `pool` is operator id << 8 | STORAGE."""

    offence: int
    pool: int
    epoch: int
    subject: bytes
    amount: int
    victim: bytes
    loss: int


class KVFraudProofsClient(ContractClient):
    """What evidence about roots of streams proves; SlashingCourt.report executes it."""

    contract = "KVFraudProofs"
    reverts = reverts.FALSE_ROOTS

    def adjudicate(self, offence: int, evidence: bytes, *, at: BlockRef) -> FalseRootFinding:
        """Raises: RootNotFalse."""
        return self._read(FalseRootFinding, "adjudicate", offence, evidence, at=at)

    def evidence_seconds(self, offence: int, *, at: BlockRef) -> int:
        return self._read(int, "evidence_seconds", offence, at=at)

    def subject_of(self, stream: bytes, seq: int, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "subject_of", stream, seq, epoch, at=at)
