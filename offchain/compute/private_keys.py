"""Encryption keys: the enclave's own, and whether a key that somebody offers may be sealed to.

The enclave's secret never leaves the memory of its process; a new process has a new key, a new
quote and a new verdict. The key before stays usable until it is replaced again, so that a request
that was on its way at a renewal still opens. A buyer believes no one's word for a key: its hash has
to stand in a verdict that is live for the service's signer.
Source: docs/protocol/attestation.md#private-inference.
"""

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from offchain.attestation.model import Verdict
from offchain.attestation.report_data import Domain
from offchain.chain.model import BlockRef
from offchain.compute.model import NO_ATTESTATION, Level, Service
from offchain.compute.private_errors import KeyDoubt, SealKeyUnknown, SealKeyUntrusted
from offchain.compute.private_form import KEY_BYTES, key_hash, unseal


class EnclaveKeys:
    """The key of one enclave, and the one before it."""

    def __init__(self) -> None:
        self._current = X25519PrivateKey.generate()
        self._before: X25519PrivateKey | None = None

    @property
    def public(self) -> bytes:
        """The key that requests are sealed to, 32 bytes; its hash belongs into report_data."""
        return self._current.public_key().public_bytes_raw()

    def rotate(self) -> bytes:
        """Begin a new key; requests sealed to the one before still open."""
        self._before, self._current = self._current, X25519PrivateKey.generate()
        return self.public

    def open(self, named: bytes, sealed: bytes, info: bytes) -> bytes:
        """Raises: SealKeyUnknown, SealBroken."""
        for secret in (self._current, self._before):
            if secret is not None and key_hash(secret.public_key().public_bytes_raw()) == named:
                return unseal(sealed, secret, info)
        raise SealKeyUnknown(key_hash="0x" + named.hex())


@dataclass(frozen=True, slots=True)
class LiveEvidence:
    """What the chain says at one block of the evidence behind a service's signer.

    `attestation_id` is the digest of a verdict in `domain`: whoever has it can check the verdict.
    """

    domain: Domain
    attestation_id: bytes
    service: bytes
    level: Level
    is_simulated: bool
    until: int


class EvidenceLedger(Protocol):
    """The live verdict of a signer, at one block; blocking. Raises: Unavailable."""

    def live(self, signer: bytes, time: int, *, at: BlockRef) -> LiveEvidence | None:
        """None when nothing is live at this chain time."""
        ...

    def stood(self, attestation_id: bytes, signer: bytes, time: int, *, at: BlockRef) -> bool:
        """Whether this evidence of this signer was live at a time, renewed since or not."""
        ...


class NoEvidence:
    """An `EvidenceLedger` of a network without attestations."""

    def live(self, signer: bytes, time: int, *, at: BlockRef) -> LiveEvidence | None:
        del signer, time, at
        return None

    def stood(self, attestation_id: bytes, signer: bytes, time: int, *, at: BlockRef) -> bool:
        del attestation_id, signer, time, at
        return False


@dataclass(slots=True)
class MemoryEvidence:
    """An `EvidenceLedger` in memory, by signer; `before`: what was renewed since."""

    verdicts: dict[bytes, LiveEvidence] = field(default_factory=dict)
    before: dict[bytes, LiveEvidence] = field(default_factory=dict)

    def live(self, signer: bytes, time: int, *, at: BlockRef) -> LiveEvidence | None:
        del at
        found = self.verdicts.get(signer)
        return None if found is None or found.until < time else found

    def stood(self, attestation_id: bytes, signer: bytes, time: int, *, at: BlockRef) -> bool:
        del at
        known = (self.verdicts.get(signer), self.before.get(signer))
        return any(
            one is not None and one.attestation_id == attestation_id and time <= one.until
            for one in known
        )


def attestation_of(live: LiveEvidence | None, service: bytes) -> bytes:
    """What a receipt of this service names; zero bytes when nothing is live for it."""
    return NO_ATTESTATION if live is None or live.service != service else live.attestation_id


@dataclass(frozen=True, slots=True)
class ShownKey:
    """What a provider, or whoever answers for it, offers; nothing of it is believed."""

    public: bytes
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key that a live verdict is about."""

    public: bytes
    evidence: LiveEvidence

    @property
    def hash(self) -> bytes:
        return key_hash(self.public)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """How good the evidence has to be."""

    least: Level = Level.MODEL_IN_TEE
    allows_simulated: bool = False


def trusted_key(
    service: Service, shown: ShownKey, live: LiveEvidence | None, wish: KeyWish
) -> SealKey:
    """The key, if a live verdict is about it and good enough. Raises: SealKeyUntrusted."""
    if live is None:
        raise SealKeyUntrusted(KeyDoubt.NO_VERDICT, service=service.id.hex())
    if live.service != service.id:
        raise SealKeyUntrusted(KeyDoubt.OTHER_SERVICE, service=service.id.hex())
    if shown.verdict.digest(live.domain) != live.attestation_id:
        raise SealKeyUntrusted(KeyDoubt.OTHER_VERDICT, live=live.attestation_id.hex())
    if len(shown.public) != KEY_BYTES:
        raise SealKeyUntrusted(KeyDoubt.MALFORMED, bytes=len(shown.public))
    if key_hash(shown.public) != shown.verdict.enc_key_hash:
        raise SealKeyUntrusted(KeyDoubt.OTHER_KEY, service=service.id.hex())
    if live.level < wish.least:
        raise SealKeyUntrusted(
            KeyDoubt.CLASS_TOO_LOW, level=live.level.name, wanted=wish.least.name
        )
    if live.is_simulated and not wish.allows_simulated:
        raise SealKeyUntrusted(KeyDoubt.SIMULATED)
    return SealKey(shown.public, live)


def least_level(wanted: Level) -> Level:
    """Who asks for privacy means that only measured code reads along: a broker's engine is not
    measured, so a broker has to be asked for by name.
    """
    return wanted if wanted >= Level.BROKER_IN_TEE else Level.MODEL_IN_TEE
