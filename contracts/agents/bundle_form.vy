# pragma version 0.4.3
"""
@title Where everything lies in an encrypted bundle
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is accepted as a leaf of a bundle's content or keys is the one leaf there, whatever is sent.
@dev header 88 || chunks of salt 32, data, tag 16 || key leaves 32 each || content leaves 32 each. A chunk has 1,024
     leaves of 64 bytes, the last one what is left. node = keccak256(left || right), 64 bytes; leaves and roots hash
     other lengths; an odd node is carried up as it is.
"""
HEADER_BYTES: constant(uint256) = 88
CHUNK_BYTES: constant(uint256) = 65_536
CHUNK_LEAVES: constant(uint256) = 1_024
LEAF_BYTES: constant(uint256) = 64
SALT_BYTES: constant(uint256) = 32
TAG_BYTES: constant(uint256) = 16
NODE: constant(uint256) = 32
MAX_DEPTH: constant(uint256) = 24
MAX_KEY_DEPTH: constant(uint256) = 14


@internal
@pure
def _check_length(content_root: bytes32, length: uint64, top: bytes32):
    """
    @dev Reverts unless the content has so many bytes under this tree.
    """
    bound: bytes32 = keccak256(concat(b"\x04", convert(length, bytes8), top))
    assert bound == content_root, "bundle_form: other content"


@internal
@pure
def _chunks(length: uint256) -> uint256:
    return (length + CHUNK_BYTES - 1) // CHUNK_BYTES


@internal
@pure
def _leaves(length: uint256) -> uint256:
    return (length + LEAF_BYTES - 1) // LEAF_BYTES


@internal
@pure
def _salt_at(chunk: uint256) -> uint256:
    return HEADER_BYTES + chunk * (SALT_BYTES + CHUNK_BYTES + TAG_BYTES)


@internal
@pure
def _leaf_at(chunk: uint256, leaf: uint256) -> uint256:
    return self._salt_at(chunk) + SALT_BYTES + leaf * LEAF_BYTES


@internal
@pure
def _list_at(length: uint256) -> uint256:
    """
    @dev Where the list of content leaves begins.
    """
    chunks: uint256 = self._chunks(length)
    return HEADER_BYTES + chunks * (SALT_BYTES + TAG_BYTES + NODE) + self._leaves(length) * LEAF_BYTES


@internal
@pure
def _file_length(length: uint256) -> uint256:
    return self._list_at(length) + self._leaves(length) * NODE


@internal
@pure
def _header(length: uint64, content_root: bytes32, key_root: bytes32) -> Bytes[HEADER_BYTES]:
    return concat(
        b"AGB1",
        0x00010001,
        convert(length, bytes8),
        convert(convert(CHUNK_BYTES, uint32), bytes4),
        convert(convert(self._chunks(convert(length, uint256)), uint32), bytes4),
        content_root,
        key_root,
    )


@internal
@pure
def _content_leaf(chunk: uint32, leaf: uint32, salt: bytes32, data: Bytes[LEAF_BYTES]) -> bytes32:
    return keccak256(concat(b"\x00", convert(chunk, bytes4), convert(leaf, bytes4), salt, data))


@internal
@pure
def _key_leaf(chunk: uint32, chunk_key: bytes32) -> bytes32:
    return keccak256(concat(b"\x02", convert(chunk, bytes4), chunk_key))


@internal
@pure
def _check_content(
    length: uint64,
    top: bytes32,
    chunk: uint32,
    leaf: uint32,
    leaf_hash: bytes32,
    path: DynArray[bytes32, MAX_DEPTH],
):
    """
    @dev Reverts unless the content has this leaf there.
    """
    place: uint256 = convert(leaf, uint256)
    assert place < CHUNK_LEAVES, "bundle_form: no such leaf"
    index: uint256 = convert(chunk, uint256) * CHUNK_LEAVES + place
    self._check_path(top, index, self._leaves(convert(length, uint256)), leaf_hash, path)


@internal
@pure
def _check_key(
    key_root: bytes32,
    length: uint64,
    chunk: uint32,
    leaf_hash: bytes32,
    path: DynArray[bytes32, MAX_DEPTH],
):
    """
    @dev Reverts unless keyRoot has this leaf there.
    """
    count: uint256 = self._chunks(convert(length, uint256))
    self._check_path(key_root, convert(chunk, uint256), count, leaf_hash, path)


@internal
@pure
def _check_path(
    root: bytes32, index: uint256, count: uint256, leaf_hash: bytes32, path: DynArray[bytes32, MAX_DEPTH]
):
    assert index < count, "bundle_form: no such leaf"
    node: bytes32 = leaf_hash
    place: uint256 = index
    width: uint256 = count
    used: uint256 = 0
    for _: uint256 in range(MAX_DEPTH):
        if width == 1:
            break
        if place ^ 1 < width:
            assert used < len(path), "bundle_form: wrong path"
            if place & 1 == 0:
                node = keccak256(concat(node, path[used]))
            else:
                node = keccak256(concat(path[used], node))
            used = unsafe_add(used, 1)
        place >>= 1
        width = unsafe_add(width, 1) >> 1
    assert width == 1 and used == len(path) and node == root, "bundle_form: wrong path"
