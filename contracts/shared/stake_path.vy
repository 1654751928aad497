# pragma version 0.4.3
"""
@title Paths of the Merkle-sum tree of stake
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a path that folds to a frozen root proves a weight and its interval on the line [0, total).
@dev leaf = keccak256(0x00 || operator id 4 || weight 16 || key hash 32)
     node = keccak256(0x01 || left 32 || right 32 || left sum 16 || right sum 16)
     An empty subtree of any size is 32 zero bytes with sum 0. No state: whoever proves a draw imports it.
"""
from . import constants as C

MAX_SUM: constant(uint256) = 2**128


@internal
@pure
def _leaf(operator_id: uint256, weight: uint256, key_hash: bytes32) -> bytes32:
    if weight == 0:
        return empty(bytes32)
    return keccak256(
        concat(
            b"\x00",
            convert(convert(operator_id, uint32), bytes4),
            convert(convert(weight, uint128), bytes16),
            key_hash,
        )
    )


@internal
@pure
def _node(left: bytes32, right: bytes32, sums: uint256) -> bytes32:
    """
    @param sums Left sum in the upper 128 bits, right sum in the lower.
    """
    if left == empty(bytes32) and right == empty(bytes32):
        return empty(bytes32)
    return keccak256(concat(b"\x01", left, right, convert(sums, bytes32)))


@internal
@pure
def _fold(
    leaf: bytes32,
    weight: uint256,
    seat: uint256,
    siblings: bytes32[C.TREE_DEPTH],
    sums: uint128[C.TREE_DEPTH],
) -> (bytes32, uint256, uint256):
    """
    @dev Walk from a leaf to the root. Siblings and their sums come lowest level first.
    @return Root, first point of the leaf's interval, total. The caller compares root and total with frozen ones.
    """
    assert seat < C.MAX_OPERATORS, "stake_path: no such seat"

    node: bytes32 = leaf
    total: uint256 = weight
    first: uint256 = 0
    for level: uint256 in range(C.TREE_DEPTH):
        side: uint256 = convert(sums[level], uint256)
        if (seat >> level) & 1 == 1:
            node = self._node(siblings[level], node, side << 128 | total)
            first += side
        else:
            node = self._node(node, siblings[level], total << 128 | side)
        total += side
        assert total < MAX_SUM, "stake_path: sum too large"
    return node, first, total


@internal
@pure
def _point(seed: bytes32, stratum: uint256, strata: uint256, total: uint256) -> uint256:
    """
    @dev The point that draw `stratum` of `strata` hits on [0, total): uniform in [sT/n, (s+1)T/n).
    """
    assert total > 0, "stake_path: no weight"
    assert stratum < strata, "stake_path: no such stratum"
    assert strata < 2**32, "stake_path: too many strata"

    low: uint256 = stratum * total // strata
    width: uint256 = (stratum + 1) * total // strata - low
    chance: uint256 = convert(keccak256(concat(seed, convert(stratum, bytes32))), uint256) >> 128
    return low + (chance * width >> 128)
