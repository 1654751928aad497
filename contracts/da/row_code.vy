# pragma version 0.4.3
"""
@title What makes a row, or a leaf, no part of any encoding
@license AGPL-3.0-only
@author Apogee
@notice Invariant: no row and no leaf of an honest encoding is bad, and the challenge rho, the points z_i and the
        combination are those of offchain/core.
"""
from ..shared import constants as C
from ..shared import point_evaluation
from . import assignment

K: constant(uint256) = 1_024  # rows that carry the payload
ROW_BYTES: constant(uint256) = 32_768  # of the widest row
LEAF_BYTES: constant(uint256) = 256
LEAF_ELEMENTS: constant(uint256) = 8
MAX_LEAVES: constant(uint256) = 128
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
        convert(convert(assignment.N, uint32), bytes4),
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
def _combination(data: Bytes[ROW_BYTES], rho: uint256) -> (bool, uint256):
    """
    @dev Whether every element is below r, and sum rho^j x_j mod r; `data` is whole leaves.
    """
    is_canonical: bool = True
    sum: uint256 = 0
    leaves: uint256 = len(data) // LEAF_BYTES
    for step: uint256 in range(leaves, bound=MAX_LEAVES):
        part: Bytes[LEAF_BYTES] = slice(data, LEAF_BYTES * (leaves - 1 - step), LEAF_BYTES)
        elements: uint256[LEAF_ELEMENTS] = abi_decode(part, uint256[LEAF_ELEMENTS])
        for place: uint256 in range(LEAF_ELEMENTS):
            element: uint256 = elements[LEAF_ELEMENTS - 1 - place]
            if element >= R:
                is_canonical = False
            sum = uint256_addmod(uint256_mulmod(sum, rho, R), element, R)
    return is_canonical, sum


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
