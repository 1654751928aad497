"""Where a buyer gets a key to seal to: bytes from the provider, their worth from the chain.

The provider, or a gateway between, may show any key; what is sealed to is only a key whose hash
stands in the verdict whose digest the registry calls live for the service's signer, all at one
block. Source: docs/protocol/attestation.md#private-inference.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from offchain.compute.model import Service
from offchain.compute.ports import ServiceLedger
from offchain.compute.private_errors import KeyDoubt, SealKeyUntrusted
from offchain.compute.private_keys import (
    EvidenceLedger,
    KeyWish,
    LiveEvidence,
    SealKey,
    ShownKey,
    trusted_key,
)


class KeyOffers(Protocol):
    """What providers show of their keys. Raises: ProviderUnreachable, ProviderRefused."""

    async def shown_key(self, endpoint: str, service: bytes, attestation_id: bytes) -> ShownKey:
        """Raises: SealKeyUntrusted (malformed) when it shows no key or no verdict."""
        ...


@dataclass(frozen=True, slots=True)
class KeySource:
    """The key of a service, by chain and provider."""

    services: ServiceLedger
    evidence: EvidenceLedger
    offers: KeyOffers

    async def key_of(self, service: bytes, wish: KeyWish) -> SealKey:
        """Raises: ServiceUnknown, SealKeyUntrusted, ProviderUnreachable."""
        found, live = await asyncio.to_thread(self._read, service)
        if live is None:
            raise SealKeyUntrusted(KeyDoubt.NO_VERDICT, service=service.hex())
        shown = await self.offers.shown_key(found.endpoint, service, live.attestation_id)
        return trusted_key(found, shown, live, wish)

    def _read(self, service: bytes) -> tuple[Service, LiveEvidence | None]:
        head = self.services.head()
        found = self.services.service(service, at=head.hash)
        signer = self.services.signer_at(service, head.timestamp, at=head.hash)
        return found, self.evidence.live(signer, head.timestamp, at=head.hash)
