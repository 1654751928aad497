"""The frames that carry a matrix between processes, big-endian, every count bounded.

  header   0 "ADH1"  4 u32 m  8 u64 len  16 D  48 b0  80 b1  112 b2  144 C (48)
           192 y_0 .. y_1023                                               32,960 bytes
  rows     "ADR1" || blob id (32) || u32 m || u32 count
           || count x ( u32 row || 10 x 32 path || 32m bytes )
  leaf     u32 row || u32 leaf || 256 bytes || (d+10) x 32 siblings || b0 || b1 || b2

A frame has exactly one reading: rows are in strictly increasing order, nothing follows the last.
Source: docs/protocol/da.md#frames.
"""

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from offchain.core.errors import InvalidInput
from offchain.core.field import FIELD_BYTES, Elements
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import (
    COLUMN_STEP,
    COSET_DEPTH,
    COSETS,
    LEAF_BYTES,
    MAX_COLUMNS,
    K,
    N,
    Shape,
)
from offchain.core.merkle import LeafPath, RowPath

HEADER_MAGIC: Final = b"ADH1"
ROWS_MAGIC: Final = b"ADR1"
COMMITMENT_BYTES: Final = 48
HEADER_BYTES: Final = 32_960
PATH_BYTES: Final = COSET_DEPTH * DIGEST_BYTES

_HEADER: Final = struct.Struct(">4sIQ32s32s32s32s48s")
_ROWS: Final = struct.Struct(">4s32sII")
_WORD: Final = struct.Struct(">I")
_LEAF: Final = struct.Struct(">II")

MAX_ROWS_FRAME_BYTES: Final = _ROWS.size + N * (_WORD.size + PATH_BYTES + 32 * MAX_COLUMNS)


class FrameError(InvalidInput):
    """These bytes are no frame of this protocol."""

    code = "da.frame.malformed"
    next_step = "Send the frame as docs/protocol/da.md#frames lays it out."


class FrameMagic(FrameError):
    """The first four bytes name another format."""

    code = "da.frame.magic"


class FrameLength(FrameError):
    """The frame is shorter or longer than its counts say."""

    code = "da.frame.length"


class FrameColumns(FrameError):
    """The number of columns is no multiple of 8 between 8 and 1,024, or not the expected one."""

    code = "da.frame.columns"


class FrameCount(FrameError):
    """The frame announces more rows than allowed, or none."""

    code = "da.frame.count"


class FrameIndex(FrameError):
    """A row or leaf index is out of range, repeated or out of order."""

    code = "da.frame.index"


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """All a node needs to judge its rows; `combinations` holds y_0 .. y_1023, shape (K, 32)."""

    columns: int
    length: int
    data_root: bytes
    coset_roots: tuple[bytes, bytes, bytes]
    commitment: bytes
    combinations: Elements

    @property
    def shape(self) -> Shape:
        return Shape(self.length, self.columns)

    def to_bytes(self) -> bytes:
        head = _HEADER.pack(
            HEADER_MAGIC,
            self.columns,
            self.length,
            self.data_root,
            *self.coset_roots,
            self.commitment,
        )
        return head + self.combinations.tobytes()

    @classmethod
    def parse(cls, raw: bytes) -> "Header":
        """Read 32,960 bytes. Raises: FrameError, LayoutError when len and m do not agree."""
        if len(raw) != HEADER_BYTES:
            raise FrameLength(length=len(raw), expected=HEADER_BYTES)
        magic, columns, length, root, b0, b1, b2, commitment = _HEADER.unpack_from(raw)
        if magic != HEADER_MAGIC:
            raise FrameMagic(magic=magic.hex())
        Shape(length, columns)
        values = np.frombuffer(raw, np.uint8, offset=_HEADER.size).reshape(K, FIELD_BYTES)
        return cls(columns, length, root, (b0, b1, b2), commitment, values)


class Row(NamedTuple):
    """One row with its path to its coset root; `data` has shape (m, 32)."""

    index: int  # type: ignore[assignment]  # a row's index hides tuple.index, which nobody calls
    path: RowPath
    data: Elements


@dataclass(frozen=True, slots=True, eq=False)
class RowsFrame:
    """Rows of one blob, in strictly increasing order of index."""

    blob_id: bytes
    columns: int
    rows: tuple[Row, ...]

    def to_bytes(self) -> bytes:
        return b"".join(rows_frame_pieces(self.blob_id, self.columns, self.rows))


def parse_rows(raw: bytes | memoryview, *, columns: int, max_rows: int = N) -> RowsFrame:
    """Read a rows frame of a matrix with `columns` columns; row data are views into `raw`.

    Raises: FrameMagic, FrameLength, FrameColumns, FrameCount, FrameIndex.
    """
    view = memoryview(raw)
    if len(view) < _ROWS.size:
        raise FrameLength(length=len(view), minimum=_ROWS.size)
    magic, blob_id, width, count = _ROWS.unpack_from(view)
    if magic != ROWS_MAGIC:
        raise FrameMagic(magic=magic.hex())
    if width != columns or width % COLUMN_STEP or not COLUMN_STEP <= width <= MAX_COLUMNS:
        raise FrameColumns(columns=width, expected=columns)
    if not 1 <= count <= min(max_rows, N):
        raise FrameCount(count=count, maximum=min(max_rows, N))
    size = _WORD.size + PATH_BYTES + FIELD_BYTES * width
    if len(view) != _ROWS.size + count * size:
        raise FrameLength(length=len(view), expected=_ROWS.size + count * size)
    return RowsFrame(blob_id, width, tuple(_rows_in(view, width=width, count=count)))


def _rows_in(view: memoryview, *, width: int, count: int) -> Iterator[Row]:
    size = _WORD.size + PATH_BYTES + FIELD_BYTES * width
    previous = -1
    for start in range(_ROWS.size, _ROWS.size + count * size, size):
        index = _WORD.unpack_from(view, start)[0]
        if not previous < index < N:
            raise FrameIndex(index=index, previous=previous, bound=N)
        previous = index
        path = _digests(view, start + _WORD.size, COSET_DEPTH)
        data = np.frombuffer(
            view, np.uint8, count=FIELD_BYTES * width, offset=start + _WORD.size + PATH_BYTES
        )
        yield Row(index, path, data.reshape(width, FIELD_BYTES))


@dataclass(frozen=True, slots=True)
class LeafFrame:
    """One leaf with its path to D."""

    row: int
    leaf: int
    data: bytes
    path: LeafPath

    def to_bytes(self) -> bytes:
        head = _LEAF.pack(self.row, self.leaf)
        return head + self.data + b"".join((*self.path.siblings, *self.path.coset_roots))

    @classmethod
    def parse(cls, raw: bytes, shape: Shape) -> "LeafFrame":
        """Read a leaf of a matrix of `shape`. Raises: FrameLength, FrameIndex."""
        depth = shape.leaf_depth + COSET_DEPTH
        expected = leaf_frame_bytes(shape)
        if len(raw) != expected:
            raise FrameLength(length=len(raw), expected=expected)
        row, leaf = _LEAF.unpack_from(raw)
        if row >= N or leaf >= shape.leaves:
            raise FrameIndex(row=row, leaf=leaf, leaves=shape.leaves)
        start = _LEAF.size + LEAF_BYTES
        siblings = _digests(raw, start, depth)
        roots = _digests(raw, start + depth * DIGEST_BYTES, COSETS)
        return cls(row, leaf, bytes(raw[_LEAF.size : start]), LeafPath(siblings, roots))


def leaf_frame_bytes(shape: Shape) -> int:
    """The size of a leaf frame of a matrix of `shape`."""
    digests = shape.leaf_depth + COSET_DEPTH + COSETS
    return _LEAF.size + LEAF_BYTES + digests * DIGEST_BYTES


def encode_rows(blob_id: bytes, columns: int, rows: Sequence[Row]) -> bytes:
    """A rows frame from rows in any order. Raises: FrameIndex for a repeated row."""
    ordered = tuple(sorted(rows, key=lambda row: row.index))
    for before, after in itertools.pairwise(ordered):
        if before.index == after.index:
            raise FrameIndex(index=after.index)
    return RowsFrame(blob_id, columns, ordered).to_bytes()


def rows_frame_pieces(
    blob_id: bytes, columns: int, rows: Sequence[Row]
) -> list[bytes | memoryview]:
    """The frame of rows in increasing order, in pieces; data are views of the rows' own memory."""
    pieces: list[bytes | memoryview] = [_ROWS.pack(ROWS_MAGIC, blob_id, columns, len(rows))]
    for row in rows:
        data = np.ascontiguousarray(row.data).reshape(-1).data
        pieces += [_WORD.pack(row.index) + b"".join(row.path), data]
    return pieces


def _digests(raw: bytes | memoryview, start: int, count: int) -> tuple[bytes, ...]:
    return tuple(
        bytes(raw[position : position + DIGEST_BYTES])
        for position in range(start, start + count * DIGEST_BYTES, DIGEST_BYTES)
    )
