# pragma version 0.4.3
"""
@title Several leaves of the stake tree shown at once
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a cover lists subtrees from left to right without gap or overlap, so what it opens are leaves of
        the tree with the folded root, each on its own interval of the line [0, total).
@dev Words, left to right: a closed subtree is `level << 128 | sum` (its hash comes from `hashes`, none when the sum is 0);
     an opened leaf is `operator id << 136 | weight` (its key comes from `keys`). The stack holds one subtree per bit
     of the position, as a binary counter does; two equal ones become their parent at once.
"""
from . import constants as C
from . import stake_path

MAX_OPENED: constant(uint256) = 32
MAX_CLOSED: constant(uint256) = 256
MAX_WORDS: constant(uint256) = 288
HALF: constant(uint256) = 2**128 - 1

struct Opened:
    operator_id: uint256
    first: uint256  # of its interval
    end: uint256


@internal
@pure
def _fold(
    words: DynArray[uint256, MAX_WORDS],
    hashes: DynArray[bytes32, MAX_CLOSED],
    key_hashes: DynArray[bytes32, MAX_OPENED],
) -> (bytes32, uint256, DynArray[Opened, MAX_OPENED]):
    opened: DynArray[Opened, MAX_OPENED] = []
    nodes: bytes32[C.TREE_DEPTH + 1] = empty(bytes32[C.TREE_DEPTH + 1])
    sums: uint256[C.TREE_DEPTH + 1] = empty(uint256[C.TREE_DEPTH + 1])
    height: uint256 = 0  # of the stack
    position: uint256 = 0  # seats covered
    total: uint256 = 0
    shown: uint256 = 0  # hashes used

    for word: uint256 in words:
        assert position < C.MAX_OPERATORS, "stake_cover: too long"
        amount: uint256 = word & HALF
        level: uint256 = (word >> 128) & 255
        operator_id: uint256 = word >> 136
        node: bytes32 = empty(bytes32)
        if operator_id != 0:
            assert level == 0 and amount != 0, "stake_cover: no such leaf"
            assert len(opened) < len(key_hashes), "stake_cover: key missing"
            node = stake_path._leaf(operator_id, amount, key_hashes[len(opened)])
            opened.append(Opened(operator_id=operator_id, first=total, end=total + amount))
        elif amount != 0:
            assert shown < len(hashes), "stake_cover: hash missing"
            node = hashes[shown]
            shown += 1
        assert level <= C.TREE_DEPTH, "stake_cover: no such level"
        assert position & ((1 << level) - 1) == 0, "stake_cover: gap or overlap"
        position += 1 << level
        total += amount
        assert total <= HALF, "stake_cover: sum too large"

        last: uint256 = position - 1  # seat; where its bit is set, the subtree is a right child
        for _: uint256 in range(C.TREE_DEPTH):
            if height == 0 or (last >> level) & 1 == 0:
                break
            height -= 1
            node = stake_path._node(nodes[height], node, sums[height] << 128 | amount)
            amount += sums[height]
            level += 1
        nodes[height] = node
        sums[height] = amount
        height += 1

    assert position == C.MAX_OPERATORS, "stake_cover: too short"
    assert shown == len(hashes), "stake_cover: hash left over"
    assert len(opened) == len(key_hashes), "stake_cover: key left over"
    return nodes[0], total, opened
