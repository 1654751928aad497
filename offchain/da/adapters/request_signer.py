"""The disperser's hot key in this process's memory, for requests to nodes."""

from coincurve import PrivateKey

from offchain.core.hashing import keccak


class LocalRequestSigner:
    """A `RequestSigner` from a 32-byte secp256k1 secret; the key is never printed."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)

    @property
    def address(self) -> bytes:
        return keccak(self._key.public_key.format(compressed=False)[1:])[12:]

    def sign_digest(self, digest: bytes) -> bytes:
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes([27 + raw[64]])
