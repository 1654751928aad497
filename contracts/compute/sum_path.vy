# pragma version 0.4.3
"""
@title Paths of a tree that also adds up
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a path that folds to a root shows what the tree's maker committed to at every node on the way, and
        whether it adds up.
@dev node = keccak256(0x01 || left 32 || left sum 12 || right 32 || right sum 12). A node without a partner goes up as
     it is. A path holds, lowest first, for every level with a sibling: its hash 32, its sum 12, and the sum that the
     parent commits to for our own side 12. No state.
"""

MAX_LEVELS: constant(uint256) = 20
STEP_BYTES: constant(uint256) = 56
LEAF_PATH: constant(uint256) = 1_120  # MAX_LEVELS * STEP_BYTES
ITEM_PATH: constant(uint256) = 336  # six levels: 64 items
WORD_OFFSET: constant(uint256) = 24  # a word from here ends with a step's two sums
SUM_BITS: constant(uint256) = 96
SUM_MASK: constant(uint256) = 2**96 - 1

struct Folded:
    root: bytes32
    weight: uint256  # that the tree gives the leaf
    first: uint256  # what lies left of it
    adds_up: bool  # every committed sum is that of its parts


@internal
@pure
def _node(left: bytes32, left_sum: uint256, right: bytes32, right_sum: uint256) -> bytes32:
    return keccak256(
        concat(
            b"\x01",
            left,
            convert(convert(left_sum, uint96), bytes12),
            right,
            convert(convert(right_sum, uint96), bytes12),
        )
    )


@internal
@pure
def _fold(leaf: bytes32, index: uint256, count: uint256, path: Bytes[LEAF_PATH], total: uint256) -> Folded:
    """
    @param count Leaves of the tree.
    @param total What the root is said to weigh.
    """
    assert index < count, "sum_path: no such leaf"
    folded: Folded = Folded(root=leaf, weight=0, first=0, adds_up=True)
    position: uint256 = index
    width: uint256 = count
    cursor: uint256 = 0
    sum: uint256 = 0
    for _: uint256 in range(MAX_LEVELS):
        if width == 1:
            break
        if position ^ 1 < width:
            assert cursor + STEP_BYTES <= len(path), "sum_path: path too short"
            sibling: bytes32 = extract32(path, cursor)
            sums: uint256 = convert(extract32(path, cursor + WORD_OFFSET), uint256)
            side: uint256 = (sums >> SUM_BITS) & SUM_MASK
            own: uint256 = sums & SUM_MASK
            if cursor == 0:
                folded.weight = own
            elif own != sum:
                folded.adds_up = False
            if position & 1 == 1:
                folded.root = self._node(sibling, side, folded.root, own)
                folded.first += side
            else:
                folded.root = self._node(folded.root, own, sibling, side)
            sum = own + side
            cursor += STEP_BYTES
        position >>= 1
        width = (width + 1) >> 1
    assert width == 1, "sum_path: too many leaves"
    assert cursor == len(path), "sum_path: path too long"

    if cursor == 0:
        folded.weight = total
    elif sum != total:
        folded.adds_up = False
    return folded
