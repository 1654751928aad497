"""BLS12-381 signatures, min-pk: keys in G1, signatures in G2, in the forms the EVM reads.

Source: RFC 9380 (hash to curve), draft-irtf-cfrg-bls-signature (proof of possession), EIP-2537.

  form          bytes  layout, big-endian
  compressed    48/96  G1 / G2, zcash flags in the top bits
  EIP-2537 G1   128    16 zero || x 48 || 16 zero || y 48
  EIP-2537 G2   256    x.c0, x.c1, y.c0, y.c1, each 16 zero || 48
  secret        32     a scalar, 1 .. r-1
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from offchain.core.errors import InvalidInput

R: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
DST_SIGNATURE: Final = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
DST_POSSESSION: Final = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
KEY_BYTES: Final = 48
SIGNATURE_BYTES: Final = 96
_PAD: Final = bytes(16)


class InvalidPoint(InvalidInput):
    """These bytes are no point of the right curve and subgroup, or the point at infinity."""

    code = "bls.invalid_point"
    next_step = "Send a compressed BLS12-381 point of prime order that is not the identity."


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A G1 point of prime order that is not the identity."""

    compressed: bytes
    _point: G1Point = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw: bytes) -> "PublicKey":
        """Read 48 compressed or 128 EIP-2537 bytes. Raises: InvalidPoint."""
        try:
            if len(raw) == KEY_BYTES:
                point = G1Point.from_compressed_bytes(raw)
            elif len(raw) == 128 and raw[:16] == raw[64:80] == _PAD:
                point = G1Point.from_xy_bytes_be(raw[16:64] + raw[80:128])
            else:
                raise InvalidPoint(length=len(raw))
        except (ValueError, TypeError) as error:
            raise InvalidPoint(reason=str(error)) from error
        if point == G1Point.identity():
            raise InvalidPoint(reason="identity")
        return cls(bytes(point.to_compressed_bytes()), point)

    def eip2537(self) -> bytes:
        return encode_g1(self._point)


@dataclass(frozen=True, slots=True)
class Signature:
    """A G2 point of prime order that is not the identity."""

    compressed: bytes
    _point: G2Point = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw: bytes) -> "Signature":
        """Read 96 compressed bytes. Raises: InvalidPoint."""
        if len(raw) != SIGNATURE_BYTES:
            raise InvalidPoint(length=len(raw))
        try:
            point = G2Point.from_compressed_bytes(raw)
        except (ValueError, TypeError) as error:
            raise InvalidPoint(reason=str(error)) from error
        if point == G2Point.identity():
            raise InvalidPoint(reason="identity")
        return cls(bytes(point.to_compressed_bytes()), point)

    def eip2537(self) -> bytes:
        return encode_g2(self._point)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A signing scalar; never printed, never logged."""

    scalar: int = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.scalar < R:
            raise InvalidInput("a BLS secret key lies between 1 and r - 1")

    @classmethod
    def from_seed(cls, seed: bytes) -> "SecretKey":
        """Derive a key from at least 32 bytes of entropy; same seed, same key."""
        if len(seed) < 32:
            raise InvalidInput("a BLS key seed has at least 32 bytes", length=len(seed))
        wide = hashlib.sha512(b"apogee.bls.keygen.v1" + seed).digest()
        return cls(int.from_bytes(wide, "big") % (R - 1) + 1)

    def to_bytes(self) -> bytes:
        return self.scalar.to_bytes(32, "big")

    def public_key(self) -> PublicKey:
        point = G1Point() * self._scalar()
        return PublicKey(bytes(point.to_compressed_bytes()), point)

    def sign(self, message: bytes, dst: bytes = DST_SIGNATURE) -> Signature:
        point = G2Point.hash_to_curve(message, dst) * self._scalar()
        return Signature(bytes(point.to_compressed_bytes()), point)

    def _scalar(self) -> Scalar:
        return Scalar.from_be_bytes(self.to_bytes())


def verify(
    key: PublicKey, message: bytes, signature: Signature, dst: bytes = DST_SIGNATURE
) -> bool:
    """Whether `signature` is `key`'s signature over `message`."""
    hashed = G2Point.hash_to_curve(message, dst)
    return bool(GT.pairing_check([key._point, -G1Point()], [hashed, signature._point]))  # noqa: SLF001


def aggregate_signatures(signatures: Sequence[Signature]) -> Signature:
    """Sum of signatures. Raises: InvalidPoint when the sum is the identity or the list empty."""
    total = G2Point.identity()
    for signature in signatures:
        total = total + signature._point  # noqa: SLF001
    if total == G2Point.identity():
        raise InvalidPoint(reason="identity")
    return Signature(bytes(total.to_compressed_bytes()), total)


def aggregate_keys(keys: Sequence[PublicKey]) -> PublicKey:
    """Sum of keys. Raises: InvalidPoint when the sum is the identity or the list empty."""
    total = G1Point.identity()
    for key in keys:
        total = total + key._point  # noqa: SLF001
    if total == G1Point.identity():
        raise InvalidPoint(reason="identity")
    return PublicKey(bytes(total.to_compressed_bytes()), total)


def encode_g1(point: G1Point) -> bytes:
    """A G1 point in EIP-2537 form, 128 bytes; the identity is all zero."""
    raw = bytes(point.to_xy_bytes_be())
    return _PAD + raw[:48] + _PAD + raw[48:]


def encode_g2(point: G2Point) -> bytes:
    """A G2 point in EIP-2537 form, 256 bytes; arkworks writes c0 before c1, as the EVM reads."""
    raw = bytes(point.to_xy_bytes_be())
    return b"".join(_PAD + raw[start : start + 48] for start in range(0, 192, 48))
