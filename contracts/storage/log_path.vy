# pragma version 0.4.3
"""
@title Paths of the log
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a path that folds to a root of the log proves one entry at one place of a log of that size.
@dev leaf = keccak256(0x00 || u64 seq || id 32 || u8 kind || entry hash 32)
     node = keccak256(0x01 || left 32 || right 32)
     root = keccak256(0x02 || u64 size || folded 32), 0 folded for the empty log
     The log is a row of perfect trees, one for each bit of its size, largest first; folding joins the two rightmost until
     one is left. A path is the siblings within the entry's tree, lowest first, then the fold of the trees to its right
     if there are any, then the trees to its left, nearest first.
"""
from ..interfaces import IStorageLog

LEVELS: constant(uint256) = 40
MAX_SIZE: constant(uint256) = 2**40 - 1
MAX_PATH: constant(uint256) = 41  # 39 in the largest tree of any size, or fewer and the others


@internal
@pure
def _leaf(seq: uint256, id: bytes32, kind: uint256, entry_hash: bytes32) -> bytes32:
    return keccak256(
        concat(
            b"\x00",
            convert(convert(seq, uint64), bytes8),
            id,
            convert(convert(kind, uint8), bytes1),
            entry_hash,
        )
    )


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    return keccak256(concat(b"\x01", left, right))


@internal
@pure
def _root(size: uint256, folded: bytes32) -> bytes32:
    """
    @dev Binds the size, so that one root tells one place for each entry.
    """
    return keccak256(concat(b"\x02", convert(convert(size, uint64), bytes8), folded))


@internal
@pure
def _holds(root: bytes32, size: uint256, entry: IStorageLog.Entry, path: DynArray[bytes32, MAX_PATH]) -> bool:
    """
    @dev Whether a log of this root and size has the entry at its place; false for a path that is too short or too long.
    """
    if size > MAX_SIZE or entry.seq >= size or entry.kind > 255:
        return False

    node: bytes32 = self._leaf(entry.seq, entry.id, entry.kind, entry.entry_hash)
    above: uint256 = entry.seq ^ size  # its highest bit is the level of the entry's tree
    step: uint256 = 0
    for level: uint256 in range(LEVELS):
        if above >> (level + 1) == 0:
            # trees to the right, folded into one
            if size & ((1 << level) - 1) != 0:
                if step == len(path):
                    return False
                node = self._node(node, path[step])
                step += 1
            break
        if step == len(path):
            return False
        if (entry.seq >> level) & 1 == 1:
            node = self._node(path[step], node)
        else:
            node = self._node(node, path[step])
        step += 1
    for _: uint256 in range(LEVELS):
        if step == len(path):
            break
        node = self._node(path[step], node)
        step += 1
    return step == len(path) and self._root(size, node) == root
