"""Fetch what an answer's evidence is judged by, and judge it: bytes from anybody, facts from one
block. Source: docs/protocol/attestation.md#records.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from offchain.compute.errors import ProviderRefused, ProviderUnreachable
from offchain.compute.model import Level, Receipt
from offchain.compute.ports import ServiceLedger
from offchain.compute.private_errors import SealKeyUntrusted
from offchain.compute.trust import (
    Claim,
    Doubt,
    Evidence,
    Judged,
    Rules,
    Trust,
    TrustLedger,
    UntrustedAnswer,
    trust,
)
from offchain.compute.verify import Facts, Verified
from offchain.core.errors import Rejected, Unavailable


class EvidenceShows(Protocol):
    """Verdicts and bundles as providers and relayers show them."""

    async def shown_evidence(self, endpoint: str, attestation_id: bytes) -> Evidence:
        """Raises: ProviderUnreachable, ProviderRefused, SealKeyUntrusted (malformed)."""
        ...


@dataclass(frozen=True, slots=True)
class TrustSource:
    """Where the evidence of answers comes from. `others`: endpoints beside the provider's."""

    services: ServiceLedger
    ledger: TrustLedger
    shows: EvidenceShows
    rules: Rules
    others: Sequence[str] = ()

    async def of(self, verified: Verified, facts: Facts, *, simulated: bool = False) -> Verified:
        """With its evidence, judged now; an answer of a level that rests on no evidence stays as
        it is. Raises: UntrustedAnswer, Unavailable.
        """
        receipt, level = verified.receipt, verified.verifiability.level
        if not any(receipt.attestation_id):
            if level >= Level.BROKER_IN_TEE:
                raise UntrustedAnswer(Doubt.NOT_LIVE, attestation="none is named")
            return verified
        claim = Claim(facts.signer, level)
        endpoint = facts.service.endpoint
        found = await self.behind(receipt, claim, endpoint, simulated=simulated)
        return replace(verified, evidence=found)

    async def behind(
        self,
        receipt: Receipt,
        claim: Claim,
        endpoint: str,
        *,
        now: int | None = None,
        simulated: bool = False,
    ) -> Trust:
        """The evidence that a receipt names; `now`: another moment than the newest block's.

        Raises: UntrustedAnswer, Unavailable.
        """
        shown = await self._shown(endpoint, receipt.attestation_id)
        try:
            judged = await asyncio.to_thread(self._read, receipt, shown)
        except Rejected as error:  # the registry knows no such epoch
            raise UntrustedAnswer(Doubt.QUOTE_REFUSED, found=error.code) from error
        judged = judged if now is None else replace(judged, now=now)
        rules = replace(self.rules, allow_simulated=self.rules.allow_simulated and simulated)
        return trust(receipt, claim, shown, judged, rules)

    async def _shown(self, endpoint: str, attestation_id: bytes) -> Evidence:
        """From the first that shows it."""
        last = ""
        for place in (endpoint, *self.others):
            try:
                return await self.shows.shown_evidence(place, attestation_id)
            except (ProviderUnreachable, ProviderRefused, SealKeyUntrusted, Unavailable) as error:
                last = error.code
        raise UntrustedAnswer(Doubt.EVIDENCE_MISSING, last=last)

    def _read(self, receipt: Receipt, shown: Evidence) -> Judged:
        at = self.services.head().hash
        return self.ledger.judged(receipt.time, shown.verdict, shown.bundle.epoch, at=at)
