"""How a data key is sealed: suite 1 to a one-time key on secp256k1, suite 2 by HPKE; pure.

  sealedKey  E 64 || (k xor keccak(K || 0)) 32 || keccak(K || 1 || those 32)[:16]
  K          keccak(TAG_SEAL || (b E).x || E || B || context)
  context    u256 chain id || collection 20 || u256 token || u64 epoch || receiver 20 || newDataHash

B = b G is the receiver's one-time key, E = e G the sender's; points are x || y. The EVM multiplies
by `ecrecover`, which takes an x below the group's order only: an E beyond it is drawn again.
Suite 2 cannot be proven wrong on the EVM and serves outside of sales. Sources:
docs/protocol/agents.md#bundles-and-delivery, RFC 9180.
"""

from dataclasses import dataclass
from typing import Final

from coincurve import PublicKey
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from offchain.core.errors import Corrupt, InvalidInput
from offchain.core.hashing import DIGEST_BYTES, TAG_AGENT_SEAL, Digest, keccak
from offchain.core.typed_data import words

FIELD: Final = 2**256 - 2**32 - 977
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
POINT_BYTES: Final = 64
TAG_BYTES: Final = 16
SEALED_BYTES: Final = POINT_BYTES + DIGEST_BYTES + TAG_BYTES
HPKE_BYTES: Final = 48  # what suite 2 adds: ephemeral key and tag
_HPKE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class SealInvalid(InvalidInput):
    """A key or a point cannot be like this."""

    code = "agents.seal.invalid"


class SealBroken(Corrupt):
    """The sealed key does not open with this secret here."""

    code = "agents.seal.broken"


@dataclass(frozen=True, slots=True)
class SealContext:
    """Where a sealed key opens, and nowhere else."""

    chain_id: int
    collection: bytes
    token: int
    epoch: int
    receiver: bytes
    new_data_hash: bytes

    def to_bytes(self) -> bytes:
        return b"".join(
            (
                words(self.chain_id),
                self.collection,
                words(self.token),
                self.epoch.to_bytes(8, "big"),
                self.receiver,
                self.new_data_hash,
            )
        )


def is_point(point: bytes) -> bool:
    """Whether x || y lies on the curve."""
    if len(point) != POINT_BYTES:
        return False
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    return x < FIELD and 0 < y < FIELD and (y * y - x * x * x - 7) % FIELD == 0


def public_key_of(secret: bytes) -> bytes:
    """B = x || y of a secret. Raises: SealInvalid."""
    _require_scalar(secret)
    return PublicKey.from_valid_secret(secret).format(compressed=False)[1:]


def shared_point(secret: bytes, point: bytes) -> bytes:
    """The point times the secret. Raises: SealInvalid."""
    _require_scalar(secret)
    if not is_point(point):
        raise SealInvalid(part="point")
    return PublicKey(b"\4" + point).multiply(secret).format(compressed=False)[1:]


def seal(key: bytes, public_key: bytes, context: SealContext, *, scalar: bytes) -> bytes:
    """Suite 1: `key` for whoever has the secret of B. Raises: SealInvalid.

    `scalar` is e: fresh, and such that `is_ephemeral` holds.
    """
    if len(key) != DIGEST_BYTES or not is_ephemeral(scalar):
        raise SealInvalid(part="key or scalar")
    ephemeral = public_key_of(scalar)
    pad_key = _key(shared_point(scalar, public_key), ephemeral, public_key, context)
    hidden = _xor(key, keccak(pad_key, b"\0"))
    return ephemeral + hidden + _tag(pad_key, hidden)


def unseal(sealed: bytes, secret: bytes, context: SealContext) -> bytes:
    """The key that suite 1 sealed. Raises: SealInvalid, SealBroken."""
    if len(sealed) != SEALED_BYTES or not is_point(sealed[:POINT_BYTES]):
        raise SealBroken(part="form")
    ephemeral, hidden = sealed[:POINT_BYTES], sealed[POINT_BYTES:-TAG_BYTES]
    shared = shared_point(secret, ephemeral)
    pad_key = _key(shared, ephemeral, public_key_of(secret), context)
    if _tag(pad_key, hidden) != sealed[-TAG_BYTES:]:
        raise SealBroken(part="tag")
    return _xor(hidden, keccak(pad_key, b"\0"))


def is_ephemeral(scalar: bytes) -> bool:
    """Whether e may be used: a scalar whose point has an x below the group's order."""
    if len(scalar) != DIGEST_BYTES or not 0 < int.from_bytes(scalar, "big") < ORDER:
        return False
    return int.from_bytes(public_key_of(scalar)[:32], "big") < ORDER


def hpke_seal(plain: bytes, public_key: bytes, info: bytes) -> bytes:
    """Suite 2: for an X25519 key of 32 bytes. Raises: SealInvalid."""
    try:
        return _HPKE.encrypt(plain, X25519PublicKey.from_public_bytes(public_key), info=info)
    except ValueError as error:
        raise SealInvalid(part="public key") from error


def hpke_open(sealed: bytes, secret: X25519PrivateKey, info: bytes) -> bytes:
    """What suite 2 sealed with this info. Raises: SealBroken."""
    try:
        return _HPKE.decrypt(sealed, secret, info=info)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(part="hpke") from error


def _key(shared: bytes, ephemeral: bytes, public_key: bytes, context: SealContext) -> Digest:
    return keccak(TAG_AGENT_SEAL, shared[:32], ephemeral, public_key, context.to_bytes())


def _tag(pad_key: bytes, hidden: bytes) -> bytes:
    return keccak(pad_key, b"\1", hidden)[:TAG_BYTES]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _require_scalar(secret: bytes) -> None:
    if len(secret) != DIGEST_BYTES or not 0 < int.from_bytes(secret, "big") < ORDER:
        raise SealInvalid(part="secret")
