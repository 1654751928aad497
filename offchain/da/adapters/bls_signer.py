"""The node's BLS key in this process's memory."""

from offchain.core.bls import PublicKey, SecretKey, Signature


class BlsSigner:
    """An `AttestationSigner`; the key is never printed."""

    def __init__(self, secret: SecretKey) -> None:
        self._secret = secret

    @property
    def public_key(self) -> PublicKey:
        return self._secret.public_key()

    def sign_attestation(self, digest: bytes) -> Signature:
        return self._secret.sign(digest)
