"""The node's BLS key in this process's memory."""

from offchain.core.bls import SecretKey, Signature


class BlsHeldSigner:
    """A `HeldSigner`; the key is never printed."""

    def __init__(self, secret: SecretKey) -> None:
        self._secret = secret

    def sign_held(self, digest: bytes) -> Signature:
        return self._secret.sign(digest)
