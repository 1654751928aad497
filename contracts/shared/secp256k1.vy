# pragma version 0.4.3
"""
@title Points of secp256k1
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a point passes for the product of a scalar and a point only where it is that product, as far as
        nobody finds two points whose keccak-256 share their last 20 bytes.
@dev The precompile of ecrecover answers with the address of r^-1 (s R - z G), R having the x-coordinate r. With z = 0
     and s = scalar * r that is the address of scalar * R. It takes only an r below the group's order.
"""

P: constant(uint256) = max_value(uint256) - 2**32 - 976  # the field
N: constant(
    uint256
) = 115_792_089_237_316_195_423_570_985_008_687_907_852_837_564_279_074_904_382_605_163_141_518_161_494_337
G_X: constant(
    uint256
) = 55_066_263_022_277_343_669_578_718_895_168_534_326_250_603_453_777_594_175_500_187_360_389_116_729_240
G_PARITY: constant(uint256) = 0  # of its y
LOW_160: constant(uint256) = 2**160 - 1


@internal
@pure
def _is_point(x: uint256, y: uint256) -> bool:
    """
    @dev Whether x || y lies on the curve. No point has y = 0.
    """
    if x >= P or y >= P:
        return False
    cube: uint256 = uint256_mulmod(uint256_mulmod(x, x, P), x, P)
    return uint256_mulmod(y, y, P) == uint256_addmod(cube, 7, P)


@internal
@pure
def _is_public_key(secret: uint256, x: uint256, y: uint256) -> bool:
    """
    @dev Whether x || y is secret * G.
    """
    return self._is_product(secret, G_X, G_PARITY, x, y)


@internal
@pure
def _is_product(scalar: uint256, of_x: uint256, of_parity: uint256, x: uint256, y: uint256) -> bool:
    """
    @dev Whether x || y is scalar times the point with this x, below the order, and this parity of y.
    """
    if scalar == 0 or scalar >= N or of_x == 0 or of_x >= N:
        return False
    found: address = ecrecover(empty(bytes32), 27 + of_parity, of_x, uint256_mulmod(scalar, of_x, N))
    if found == empty(address):
        return False
    return convert(found, uint256) == convert(keccak256(abi_encode(x, y)), uint256) & LOW_160
