"""Accounts' signatures of digests: 65 bytes r || s || v, low s, v 27 or 28; pure.

A second form of a signature would be a second name of the same thing, so only this one counts.
"""

from typing import Final, Protocol

from coincurve import PublicKey

from offchain.core.hashing import keccak

SIGNATURE_BYTES: Final = 65
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_LOW_V: Final = 27


class DigestSigner(Protocol):
    """A key that signs digests."""

    @property
    def address(self) -> bytes: ...

    def sign_digest(self, digest: bytes) -> bytes: ...


def signer_of(digest: bytes, signature: bytes) -> bytes | None:
    """The 20 bytes of the account that signed; None for anything but a signature in its form."""
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (_LOW_V, _LOW_V + 1):
        return None
    if not 0 < int.from_bytes(signature[32:64], "big") <= _ORDER // 2:
        return None
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - _LOW_V]), digest, hasher=None
        )
    except ValueError:
        return None
    return keccak(key.format(compressed=False)[1:])[12:]
