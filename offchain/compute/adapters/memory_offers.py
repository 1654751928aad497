"""What providers show of their encryption keys, in memory."""

from dataclasses import dataclass, field

from offchain.compute.private_errors import KeyDoubt, SealKeyUntrusted
from offchain.compute.private_keys import ShownKey


@dataclass(slots=True)
class MemoryOffers:
    """Keys by service; a `KeyOffers`."""

    shown: dict[bytes, ShownKey] = field(default_factory=dict)

    async def shown_key(self, endpoint: str, service: bytes, attestation_id: bytes) -> ShownKey:
        del endpoint, attestation_id
        if service not in self.shown:
            raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="service")
        return self.shown[service]
