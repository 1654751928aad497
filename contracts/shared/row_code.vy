# pragma version 0.4.3
"""
@title What makes a row, or a leaf, no part of any encoding
@license AGPL-3.0-only
@author Apogee
@notice Invariant: no row and no leaf of an honest encoding is bad, and the challenge rho, the points z_i and the
        combination are those of offchain/core.
"""
from . import constants as C
from . import point_evaluation
from . import row_path

K: constant(uint256) = 1_024  # rows that carry the payload
LEAF_BYTES: constant(uint256) = 256
LEAF_ELEMENTS: constant(uint256) = 8
PAYLOAD_BYTES: constant(uint256) = 31  # in an element of 32; the top byte is zero
INDEX_BITS: constant(uint256) = 12  # the domain of EIP-4844 has 2^12 points
R: constant(uint256) = point_evaluation.SCALAR_FIELD
# 7^((r - 1) / 4096)
OMEGA: constant(
    uint256
) = 39_033_254_847_818_212_395_286_706_435_128_746_857_159_659_164_139_250_548_781_411_570_340_225_835_782


@internal
@pure
def _challenge(data_root: bytes32, columns: uint256, length: uint256) -> uint256:
    """
    @dev rho of a matrix: bound to everything that gives its bytes a meaning.
    """
    bound: Bytes[84] = concat(
        C.TAG_RLC,
        data_root,
        convert(convert(columns, uint32), bytes4),
        convert(convert(length, uint64), bytes8),
        convert(convert(K, uint32), bytes4),
        convert(convert(row_path.ROWS, uint32), bytes4),
    )
    return convert(keccak256(bound), uint256) % R


@internal
@pure
def _point(row: uint256) -> uint256:
    """
    @dev z_i = w^brp12(i). Squaring once a bit, lowest first, reverses the bits on the way.
    """
    z: uint256 = 1
    for bit: uint256 in range(INDEX_BITS):
        z = uint256_mulmod(z, z, R)
        if (row >> bit) & 1 == 1:
            z = uint256_mulmod(z, OMEGA, R)
    return z


@internal
@pure
def _absorb(part: Bytes[LEAF_BYTES], rho: uint256, sum: uint256) -> (uint256, uint256):
    """
    @dev Horner's rule over one leaf, from its last element down; over a row's leaves from the last down it gives
         sum rho^j x_j mod r. Returns the leaf's largest element and the sum so far. Written out, since a loop with its
         bounds would cost three times as much.
    """
    x: uint256[LEAF_ELEMENTS] = abi_decode(part, uint256[LEAF_ELEMENTS])
    largest: uint256 = max(max(max(x[0], x[1]), max(x[2], x[3])), max(max(x[4], x[5]), max(x[6], x[7])))
    result: uint256 = uint256_addmod(uint256_mulmod(sum, rho, R), x[7], R)
    result = uint256_addmod(uint256_mulmod(result, rho, R), x[6], R)
    result = uint256_addmod(uint256_mulmod(result, rho, R), x[5], R)
    result = uint256_addmod(uint256_mulmod(result, rho, R), x[4], R)
    result = uint256_addmod(uint256_mulmod(result, rho, R), x[3], R)
    result = uint256_addmod(uint256_mulmod(result, rho, R), x[2], R)
    result = uint256_addmod(uint256_mulmod(result, rho, R), x[1], R)
    return largest, uint256_addmod(uint256_mulmod(result, rho, R), x[0], R)


@internal
@pure
def _is_bad_leaf(data: Bytes[LEAF_BYTES], row: uint256, leaf: uint256, columns: uint256, length: uint256) -> bool:
    """
    @dev In a parity row an element >= r; in a data row a top byte, or a byte past the payload's end, that is not zero.
    """
    elements: uint256[LEAF_ELEMENTS] = abi_decode(data, uint256[LEAF_ELEMENTS])
    begin: uint256 = PAYLOAD_BYTES * (row * columns + LEAF_ELEMENTS * leaf)  # first payload byte of the element
    for place: uint256 in range(LEAF_ELEMENTS):
        element: uint256 = elements[place]
        if row >= K:
            if element >= R:
                return True
            continue
        used: uint256 = min(PAYLOAD_BYTES, max(length, begin) - begin)
        past: uint256 = 8 * (PAYLOAD_BYTES - used)  # bits behind the payload's end
        if element >> (8 * PAYLOAD_BYTES) != 0 or element & ((1 << past) - 1) != 0:
            return True
        begin += PAYLOAD_BYTES
    return False
