# pragma version 0.4.3
"""
@title The root of a row
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the root is that of the binary tree over the keccak-256 of the row's leaves of 256 bytes, padded with
        zero digests to a power of two, whoever sends the row.
"""

ROW_BYTES: constant(uint256) = 32_768  # of the widest row
LEAF_BYTES: constant(uint256) = 256
MAX_LEAVES: constant(uint256) = 128
LEAF_DEPTH: constant(uint256) = 7  # 2^7 = MAX_LEAVES


@internal
@pure
def _leaves_of(size: uint256, columns: uint256) -> uint256:
    """
    @dev Leaves of a row of so many bytes; reverts unless it has 32 bytes a column.
    """
    leaves: uint256 = size // LEAF_BYTES
    assert size == 32 * columns and size == LEAF_BYTES * leaves, "row_tree: wrong length"
    return leaves


@internal
@pure
def _fold(nodes: bytes32[MAX_LEAVES], leaves: uint256) -> bytes32:
    """
    @param nodes Digests of the row's leaves; the rest of the list is zero.
    """
    width: uint256 = 1
    for _: uint256 in range(LEAF_DEPTH):
        if width >= leaves:
            break
        width *= 2
    for _: uint256 in range(LEAF_DEPTH):
        if width <= 1:
            break
        width //= 2
        for place: uint256 in range(width, bound=MAX_LEAVES // 2):
            nodes[place] = keccak256(concat(nodes[2 * place], nodes[2 * place + 1]))
    return nodes[0]
