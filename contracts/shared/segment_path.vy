# pragma version 0.4.3
"""
@title Segments under the root of a file
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is accepted as segment j of a file is the one segment there, whatever the prover sends.
@dev leaf = keccak256(0x00 || u32 j || D_j || keccak256(C_j) || u32 m_j || u64 len_j), node = keccak256(0x01 || left
     || right), an odd node is carried up as it is, root = keccak256(T_FILE || u32 segments || u64 length || tree
     root). How many segments there are, and m_j and len_j, follow from the length, so nobody has to show them.
"""
from . import constants as C

SEGMENT_BYTES: constant(uint256) = 32_505_856  # payload of a full segment
STEP_BYTES: constant(uint256) = 253_952  # payload of 8 columns
STEP_COLUMNS: constant(uint256) = 8
MAX_SEGMENTS: constant(uint256) = 2**MAX_DEPTH
MAX_DEPTH: constant(uint256) = 10
NODE: constant(uint256) = 32
PATH_BYTES: constant(uint256) = NODE * MAX_DEPTH


@internal
@pure
def _segments(length: uint256) -> uint256:
    return (length + SEGMENT_BYTES - 1) // SEGMENT_BYTES


@internal
@pure
def _length_of(segment: uint256, length: uint256) -> uint256:
    """
    @dev Payload bytes of a segment; reverts where the file has none.
    """
    assert segment < self._segments(length), "segment_path: no such segment"
    begin: uint256 = segment * SEGMENT_BYTES
    return min(length - begin, SEGMENT_BYTES)


@internal
@pure
def _columns_of(segment: uint256, length: uint256) -> uint256:
    return self._columns_for(self._length_of(segment, length))


@internal
@pure
def _columns_for(size: uint256) -> uint256:
    """
    @dev Columns of a segment of so many payload bytes.
    """
    return (size + STEP_BYTES - 1) // STEP_BYTES * STEP_COLUMNS


@internal
@pure
def _check(
    root: bytes32,
    length: uint256,
    segment: uint256,
    data_root: bytes32,
    commitment_hash: bytes32,
    path: Bytes[PATH_BYTES],
):
    """
    @dev Reverts unless this is the segment's matrix. A level at which the node is carried has no sibling.
    """
    size: uint256 = self._length_of(segment, length)
    node: bytes32 = keccak256(
        concat(
            b"\x00",
            convert(convert(segment, uint32), bytes4),
            data_root,
            commitment_hash,
            convert(convert(self._columns_for(size), uint32), bytes4),
            convert(convert(size, uint64), bytes8),
        )
    )
    segments: uint256 = self._segments(length)
    width: uint256 = segments
    place: uint256 = segment
    used: uint256 = 0
    for _: uint256 in range(MAX_DEPTH):
        if width == 1:
            break
        if place ^ 1 < width:
            sibling_at: uint256 = used
            used = unsafe_add(used, NODE)
            assert len(path) >= used, "segment_path: wrong length"
            sibling: bytes32 = extract32(path, sibling_at)
            if place & 1 == 0:
                node = keccak256(concat(b"\x01", node, sibling))
            else:
                node = keccak256(concat(b"\x01", sibling, node))
        place >>= 1
        width = unsafe_add(width, 1) >> 1
    assert len(path) == used, "segment_path: wrong length"
    top: bytes32 = keccak256(
        concat(
            C.TAG_STORAGE_FILE,
            convert(convert(segments, uint32), bytes4),
            convert(convert(length, uint64), bytes8),
            node,
        )
    )
    assert top == root, "segment_path: not in the file"
