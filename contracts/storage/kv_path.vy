# pragma version 0.4.3
"""
@title Paths of a stream's tree
@license AGPL-3.0-only
@author Apogee
@notice Invariant: under one tree root a key hash has at most one leaf, and either its leaf or its absence has a path.
@dev leaf  = keccak256(0x00 || key hash 32 || u64 version || u8 kind || keccak256(value) 32)
     node  = keccak256(0x01 || left 32 || right 32); no leaf: 32 zero bytes; a subtree with one leaf is that leaf
     root  = keccak256(tag || stream 32 || u64 seq || u64 generation || tree root 32 || u64 keys || u64 byte count)
     Below depth i a key lies left when bit 255 - i of its hash is 0. Siblings come lowest first.
"""
from ..interfaces import IKVStreams
from ..shared import constants as C

MAX_DEPTH: constant(uint256) = 256
TOP_BIT: constant(uint256) = 255


@internal
@pure
def _stream_root(root: IKVStreams.StreamRoot) -> bytes32:
    return keccak256(
        concat(
            C.TAG_KV_ROOT,
            root.stream,
            convert(root.seq, bytes8),
            convert(root.generation, bytes8),
            root.tree_root,
            convert(root.keys, bytes8),
            convert(root.byte_count, bytes8),
        )
    )


@internal
@pure
def _leaf(leaf: IKVStreams.Leaf) -> bytes32:
    return keccak256(
        concat(
            b"\x00",
            leaf.key_hash,
            convert(leaf.version, bytes8),
            convert(leaf.kind, bytes1),
            leaf.value_hash,
        )
    )


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    return keccak256(concat(b"\x01", left, right))


@internal
@pure
def _fold(key_hash: bytes32, subtree: bytes32, siblings: DynArray[bytes32, MAX_DEPTH]) -> bytes32:
    """
    @dev The tree root when `subtree` lies on the key's way at the depth of the path.
    """
    bits: uint256 = convert(key_hash, uint256)
    depth: uint256 = len(siblings)
    node: bytes32 = subtree
    for sibling: bytes32 in siblings:
        depth -= 1
        if (bits >> (TOP_BIT - depth)) & 1 == 1:
            node = self._node(sibling, node)
        else:
            node = self._node(node, sibling)
    return node


@internal
@pure
def _holds(tree_root: bytes32, leaf: IKVStreams.Leaf, siblings: DynArray[bytes32, MAX_DEPTH]) -> bool:
    """
    @dev Whether the tree has this leaf.
    """
    return self._fold(leaf.key_hash, self._leaf(leaf), siblings) == tree_root


@internal
@pure
def _lacks(
    tree_root: bytes32, key_hash: bytes32, other: IKVStreams.Leaf, siblings: DynArray[bytes32, MAX_DEPTH]
) -> bool:
    """
    @dev Whether the key's way ends in nothing (`other` all zero), or in another key's leaf.
    """
    if self._is_nothing(other):
        return self._fold(key_hash, empty(bytes32), siblings) == tree_root
    if other.key_hash == key_hash:
        return False
    apart: uint256 = convert(other.key_hash ^ key_hash, uint256)
    depth: uint256 = len(siblings)
    # the first `depth` bits are the same
    if depth > 0 and apart >> (MAX_DEPTH - depth) != 0:
        return False
    return self._fold(key_hash, self._leaf(other), siblings) == tree_root


@internal
@pure
def _is_nothing(leaf: IKVStreams.Leaf) -> bool:
    return (
        leaf.key_hash == empty(bytes32)
        and leaf.value_hash == empty(bytes32)
        and leaf.version == 0
        and leaf.kind == 0
    )
