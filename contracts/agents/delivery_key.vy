# pragma version 0.4.3
"""
@title A key that oracles can seal to
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a key let through is a point of secp256k1, x || y. The group has a prime order, so every point but
        the one at infinity, which has no such form, will do: nobody holds up a sale by a key that nothing can be sealed to.
"""
from ..shared import secp256k1

KEY_BYTES: constant(uint256) = 64


@internal
@pure
def _hash(key: Bytes[KEY_BYTES]) -> bytes32:
    """
    @dev keccak-256 of a key that is a point; reverts for another.
    """
    assert len(key) == KEY_BYTES, "delivery_key: not 64 bytes"
    x: uint256 = convert(slice(key, 0, 32), uint256)
    y: uint256 = convert(slice(key, 32, 32), uint256)
    assert secp256k1._is_point(x, y), "delivery_key: not on the curve"
    return keccak256(key)
