# pragma version 0.4.3
"""
@title The sum tree over a batch's items
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the root binds every accepted item, its place and its amount.
@dev Leaf: keccak(0x02 || the item's eight words), weight: its amount. Node: keccak(0x01 || left || left sum u96 ||
     right || right sum u96). A node without a partner goes up as it is.
"""
MAX_ITEMS: constant(uint256) = 64
MAX_LEVELS: constant(uint256) = 6


struct Peaks:  # of whole subtrees, by level: there is one where the count of leaves has a bit
        hashes: bytes32[7]
        sums: uint256[7]


@internal
@pure
def _add(peaks: Peaks, count: uint256, leaf: bytes32, amount: uint256) -> Peaks:
    """
    @param count Of the leaves that are under the peaks.
    """
    grown: Peaks = peaks
    hash: bytes32 = leaf
    sum: uint256 = amount
    level: uint256 = 0
    for _: uint256 in range(MAX_LEVELS):
        if (count >> level) & 1 == 0:
            break
        hash = self._node(grown.hashes[level], grown.sums[level], hash, sum)
        sum += grown.sums[level]
        level += 1
    grown.hashes[level] = hash
    grown.sums[level] = sum
    return grown


@internal
@pure
def _root(peaks: Peaks, count: uint256) -> bytes32:
    """
    @dev What has no partner goes up as it is, so the peaks are joined from the lowest on.
    """
    hash: bytes32 = empty(bytes32)
    sum: uint256 = 0
    is_first: bool = True
    for level: uint256 in range(MAX_LEVELS + 1):
        if (count >> level) & 1 == 0:
            continue
        if is_first:
            hash = peaks.hashes[level]
            is_first = False
        else:
            hash = self._node(peaks.hashes[level], peaks.sums[level], hash, sum)
        sum += peaks.sums[level]
    return hash


@internal
@pure
def _node(left: bytes32, left_sum: uint256, right: bytes32, right_sum: uint256) -> bytes32:
    return keccak256(
        concat(
            0x01,
            left,
            convert(convert(left_sum, uint96), bytes12),
            right,
            convert(convert(right_sum, uint96), bytes12),
        )
    )
