"""Many small items in one matrix, each provable against D alone.

  payload  "APB1" || u32 count || count x ( keccak(item) || u32 length ) || items back to back

count <= 65,536, big-endian. Item n starts where the lengths before it end, so a proof carries the
leaves of the index up to entry n and those of the item: what a reader of the whole payload would
look at, and the same function judges both. Source: docs/protocol/da.md#shared-matrix.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from offchain.core.field import FIELD_BYTES
from offchain.core.hashing import DIGEST_BYTES, keccak
from offchain.core.layout import LEAF_BYTES, LEAF_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, Shape
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.merkle import LeafPath, leaf_levels, leaf_siblings, verify_leaf_path
from offchain.core.wire import FrameCount, FrameIndex, FrameLength, LeafFrame, leaf_frame_bytes
from offchain.da.errors import (
    ItemInvalid,
    ItemMissing,
    LeafPathMismatch,
    SharedMatrixTooLarge,
)

MAGIC: Final = b"APB1"
MAX_ITEMS: Final = 65_536
_HEAD: Final = struct.Struct(">4sI")
_ENTRY: Final = struct.Struct(">32sI")
_PROOF: Final = struct.Struct(">II")
assert _ENTRY.size == DIGEST_BYTES + 4

Read = Callable[[int, int], bytes]
LeafOf = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ItemProof:
    """The leaves that carry item `number` and the index before it, in order, with paths to D."""

    number: int
    leaves: tuple[LeafFrame, ...]

    def to_bytes(self) -> bytes:
        """u32 number || u32 count || count x leaf frame."""
        head = _PROOF.pack(self.number, len(self.leaves))
        return head + b"".join(leaf.to_bytes() for leaf in self.leaves)

    @classmethod
    def parse(cls, raw: bytes, shape: Shape) -> "ItemProof":
        """Read a proof about a matrix of `shape`. Raises: FrameLength, FrameCount, FrameIndex."""
        if len(raw) < _PROOF.size:
            raise FrameLength(length=len(raw), minimum=_PROOF.size)
        number, count = _PROOF.unpack_from(raw)
        size = leaf_frame_bytes(shape)
        most = -(-shape.length // LEAF_PAYLOAD_BYTES)
        if not 1 <= count <= most:
            raise FrameCount(count=count, maximum=most)
        if len(raw) != _PROOF.size + count * size:
            raise FrameLength(length=len(raw), expected=_PROOF.size + count * size)
        starts = range(_PROOF.size, len(raw), size)
        leaves = tuple(LeafFrame.parse(raw[start : start + size], shape) for start in starts)
        return cls(number, leaves)


def pack_items(items: Sequence[bytes]) -> bytes:
    """The payload of a shared matrix. Raises: SharedMatrixTooLarge."""
    size = index_bytes(len(items)) + sum(len(item) for item in items)
    if not 1 <= len(items) <= MAX_ITEMS or size > MAX_PAYLOAD_BYTES:
        raise SharedMatrixTooLarge(items=len(items), bytes=size, maximum=MAX_PAYLOAD_BYTES)
    index = b"".join(_ENTRY.pack(keccak(item), len(item)) for item in items)
    return b"".join((_HEAD.pack(MAGIC, len(items)), index, *items))


def index_bytes(items: int) -> int:
    """Bytes before the first item's own: head and index."""
    return _HEAD.size + items * _ENTRY.size


def read_item(payload: bytes, number: int) -> bytes:
    """Item `number` of a whole payload. Raises: ItemInvalid, ItemMissing."""
    start, stop, digest = locate_item(lambda a, b: payload[a:b], len(payload), number)
    return require_digest(payload[start:stop], digest, number)


def prove_item(blob: EncodedBlob, number: int) -> ItemProof:
    """The proof of item `number` of an encoded shared matrix. Raises: ItemInvalid, ItemMissing."""
    read = _reader_of(blob)
    start, stop, digest = locate_item(read, blob.shape.length, number)
    require_digest(read(start, stop), digest, number)
    frames: list[LeafFrame] = []
    row_of_levels, levels = -1, [[b""]]
    for row, leaf in _needed(blob.shape, number, start, stop):
        if row != row_of_levels:
            row_of_levels, levels = row, leaf_levels(blob.rows[row].tobytes())
        siblings = leaf_siblings(levels, leaf) + blob.row_path(row)
        data = blob.rows[row].reshape(blob.shape.leaves, -1)[leaf].tobytes()
        frames.append(LeafFrame(row, leaf, data, LeafPath(siblings, blob.header.coset_roots)))
    return ItemProof(number, tuple(frames))


def verify_item(proof: ItemProof, data_root: bytes, shape: Shape) -> bytes:
    """The item behind a proof, checked against D in a matrix of the paid `shape`.

    Raises: LeafPathMismatch; FrameIndex unless the leaves are exactly those needed; ItemInvalid and
    ItemMissing as `read_item` would for everyone.
    """
    pieces: dict[int, bytes] = {}
    for frame in proof.leaves:
        position = (frame.row, frame.leaf)
        if not verify_leaf_path(data_root, shape, position, leaf=frame.data, path=frame.path):
            raise LeafPathMismatch(row=frame.row, leaf=frame.leaf)
        pieces[frame.row * shape.leaves + frame.leaf] = frame.data

    def read(start: int, stop: int) -> bytes:
        return _assemble(pieces.__getitem__, start, stop)

    start, stop, digest = locate_item(read, shape.length, proof.number)
    item = require_digest(read(start, stop), digest, proof.number)
    needed = _needed(shape, proof.number, start, stop)
    if [(frame.row, frame.leaf) for frame in proof.leaves] != needed:
        raise FrameIndex(leaves=len(proof.leaves), expected=len(needed))
    return item


def locate_item(read: Read, length: int, number: int) -> tuple[int, int, bytes]:
    """Where item `number` starts and stops, and its digest, from head and index entries alone.

    `read(a, b)` gives payload bytes a .. b-1. Raises: ItemInvalid, ItemMissing.
    """
    if length < _HEAD.size:
        raise ItemInvalid(reason="shorter than a head", length=length)
    magic, count = _HEAD.unpack(read(0, _HEAD.size))
    if magic != MAGIC or not 1 <= count <= MAX_ITEMS or index_bytes(count) > length:
        raise ItemInvalid(reason="no index of a shared matrix", count=count)
    if not 0 <= number < count:
        raise ItemMissing(number=number, count=count)
    entries = read(_HEAD.size, index_bytes(number + 1))
    sizes = [size for _, size in _ENTRY.iter_unpack(entries)]
    start = index_bytes(count) + sum(sizes[:-1])
    stop = start + sizes[-1]
    if stop > length:
        raise ItemInvalid(reason="the item ends past the payload", number=number, end=stop)
    return start, stop, entries[-_ENTRY.size : -4]


def require_digest(item: bytes, digest: bytes, number: int) -> bytes:
    """The item, when these are its bytes. Raises: ItemInvalid."""
    if keccak(item) != digest:
        raise ItemInvalid(reason="the item's bytes are not those of its entry", number=number)
    return item


def _needed(shape: Shape, number: int, start: int, stop: int) -> list[tuple[int, int]]:
    index = shape.leaves_covering(0, index_bytes(number + 1))
    return list(dict.fromkeys([*index, *shape.leaves_covering(start, stop)]))


def _reader_of(blob: EncodedBlob) -> Read:
    flat = blob.rows.reshape(-1, LEAF_BYTES)

    def leaf_of(number: int) -> bytes:
        return bytes(flat[number].tobytes())

    return lambda start, stop: _assemble(leaf_of, start, stop)


def _assemble(leaf_of: LeafOf, start: int, stop: int) -> bytes:
    """Payload bytes start .. stop-1 out of 256-byte data leaves, counted through all rows."""
    if start == stop:
        return b""
    first, last = start // LEAF_PAYLOAD_BYTES, (stop - 1) // LEAF_PAYLOAD_BYTES
    try:
        joined = b"".join(_payload_of_leaves(leaf_of(number) for number in range(first, last + 1)))
    except KeyError as error:
        raise FrameIndex("a leaf of the item or its index is missing", leaf=error) from error
    skipped = first * LEAF_PAYLOAD_BYTES
    return joined[start - skipped : stop - skipped]


def _payload_of_leaves(leaves: Iterable[bytes]) -> Iterable[bytes]:
    for leaf in leaves:
        elements = np.frombuffer(leaf, np.uint8).reshape(-1, FIELD_BYTES)
        if elements[:, 0].any():
            raise ItemInvalid(reason="an element has a non-zero top byte")
        yield np.ascontiguousarray(elements[:, 1:]).tobytes()
