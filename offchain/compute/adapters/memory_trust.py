"""Evidence and what the chain says around it, in memory."""

from dataclasses import dataclass, field, replace

from offchain.attestation.model import Verdict
from offchain.chain.model import BlockRef
from offchain.compute.errors import ProviderRefused
from offchain.compute.trust import Evidence, Judged


@dataclass(slots=True)
class MemoryTrust:
    """A `TrustLedger` and an `EvidenceShows`. `judged_by`: what holds while `until` is not over."""

    judged_by: dict[bytes, Judged] = field(default_factory=dict)
    shown: dict[bytes, Evidence] = field(default_factory=dict)

    def judged(self, signed_at: int, verdict: Verdict, epoch: int, *, at: BlockRef) -> Judged:
        del epoch, at
        known = self.judged_by[verdict.evidence_id]
        return replace(known, stood=known.stood and signed_at <= verdict.not_after)

    async def shown_evidence(self, endpoint: str, attestation_id: bytes) -> Evidence:
        if attestation_id not in self.shown:
            raise ProviderRefused(endpoint=endpoint, status=404)
        return self.shown[attestation_id]
