# pragma version 0.4.3
"""
@title What a sealed key opens to
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what a correct sender sealed opens to the key that was committed to, whoever asks.
@dev sealed = E 64 || (k xor keccak256(K || 0)) 32 || keccak256(K || 1 || those 32)[:16],
     K = keccak256(tag || (b E).x || E || B || chain id || collection || token || u64 epoch || receiver || newDataHash),
     keyCommit = keccak256(0x03 || k).
"""
from ..interfaces import IDeliveryFraudProofs
from ..interfaces import IKeyDeliveryVerifier
from ..shared import constants as C
from ..shared import secp256k1

SEALED_BYTES: constant(uint256) = 112
POINT_BYTES: constant(uint256) = 64
TAG_BYTES: constant(uint256) = 16


@internal
@view
def _open(
    key: IDeliveryFraudProofs.SealedKey, delivery: IKeyDeliveryVerifier.Delivery
) -> (bool, bytes32):
    """
    @return Whether it opens to the key committed to, and that key.
    """
    assert keccak256(key.sealed_key) == delivery.sealed_key_hash, "sealed_keys: another seal"
    if len(key.sealed_key) != SEALED_BYTES:
        return False, empty(bytes32)
    x: uint256 = convert(extract32(key.sealed_key, 0), uint256)
    y: uint256 = convert(extract32(key.sealed_key, 32), uint256)
    if x >= secp256k1.N or not secp256k1._is_point(x, y):
        return False, empty(bytes32)
    self._check_opened(key, delivery.key_hash, x, y)

    sealing: bytes32 = keccak256(
        concat(
            C.TAG_AGENT_SEAL,
            slice(key.shared, 0, 32),
            slice(key.sealed_key, 0, POINT_BYTES),
            key.public_key,
            convert(chain.id, bytes32),
            convert(delivery.collection, bytes20),
            convert(delivery.token, bytes32),
            convert(delivery.epoch, bytes8),
            convert(delivery.receiver, bytes20),
            delivery.new_data_hash,
        )
    )
    hidden: bytes32 = extract32(key.sealed_key, POINT_BYTES)
    tag: bytes32 = keccak256(concat(sealing, b"\x01", hidden))
    if slice(tag, 0, TAG_BYTES) != slice(key.sealed_key, POINT_BYTES + 32, TAG_BYTES):
        return False, empty(bytes32)
    pad: bytes32 = keccak256(concat(sealing, b"\x00"))
    opened: bytes32 = convert(convert(hidden, uint256) ^ convert(pad, uint256), bytes32)
    return keccak256(concat(b"\x03", opened)) == delivery.key_commit, opened


@internal
@view
def _check_opened(key: IDeliveryFraudProofs.SealedKey, key_hash: bytes32, x: uint256, y: uint256):
    """
    @dev Reverts unless the secret is that of the receiver's key, and times E the point shown.
    """
    is_ours: bool = len(key.public_key) == POINT_BYTES and keccak256(key.public_key) == key_hash
    assert is_ours, "sealed_keys: another key"
    secret: uint256 = convert(key.secret, uint256)
    is_secret: bool = secp256k1._is_public_key(
        secret,
        convert(extract32(key.public_key, 0), uint256),
        convert(extract32(key.public_key, 32), uint256),
    )
    assert is_secret, "sealed_keys: not its secret"
    assert len(key.shared) == POINT_BYTES, "sealed_keys: not the shared point"
    is_shared: bool = secp256k1._is_product(
        secret,
        x,
        y & 1,
        convert(extract32(key.shared, 0), uint256),
        convert(extract32(key.shared, 32), uint256),
    )
    assert is_shared, "sealed_keys: not the shared point"
