"""An adversary: a signer whose signatures are over something else than it was asked to sign."""

from offchain.core.bls import SecretKey, Signature
from offchain.core.hashing import keccak


class ForgingSigner:
    """An `AttestationSigner` that signs another digest."""

    def __init__(self, secret: SecretKey) -> None:
        self._secret = secret

    def sign_attestation(self, digest: bytes) -> Signature:
        return self._secret.sign(keccak(b"another statement", digest))
