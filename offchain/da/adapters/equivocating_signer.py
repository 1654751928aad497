"""An adversary: a signer that, beside its honest attestation, signs a second one for the same blob.

It is what the court exists for: whoever holds both signatures can prove the offence. Shipped for
drills and for the demo's bad operator; no node process builds it.
"""

from dataclasses import replace

from offchain.core.bls import PublicKey, SecretKey, Signature
from offchain.core.units import Seconds
from offchain.da.model import Attestation, attestation_digest


class EquivocatingSigner:
    """An `AttestationSigner` with its own key and a second tongue."""

    def __init__(self, secret: SecretKey) -> None:
        self._secret = secret

    @property
    def public_key(self) -> PublicKey:
        return self._secret.public_key()

    def sign_attestation(self, digest: bytes) -> Signature:
        return self._secret.sign(digest)

    def contradict(self, attestation: Attestation, domain: bytes) -> tuple[Attestation, Signature]:
        """The same blob and seed with another expiry, signed: the second statement."""
        other = replace(attestation, expiry=Seconds(attestation.expiry + 1))
        return other, self._secret.sign(attestation_digest(other, domain))
