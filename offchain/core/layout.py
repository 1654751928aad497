"""Where every byte of a payload lies in the matrix of field elements, and back.

  payload   p[0] .. p[len-1] 0 .. 0        zero-filled to 31 * K * m bytes
  element   00 || p[31e] .. p[31e+30]      32 bytes, e = 0 .. K*m-1, row by row
  row       m elements = m/8 leaves of 256 bytes; a data leaf carries 248 payload bytes

Source: docs/protocol/da.md#encoding.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from offchain.core.errors import InvalidInput
from offchain.core.field import FIELD_BYTES, Elements

K: Final = 1_024
N: Final = 3_072
COSETS: Final = N // K
ELEMENT_BYTES: Final = 31
LEAF_BYTES: Final = 256
LEAF_ELEMENTS: Final = LEAF_BYTES // FIELD_BYTES
LEAF_PAYLOAD_BYTES: Final = LEAF_ELEMENTS * ELEMENT_BYTES
COLUMN_STEP: Final = LEAF_ELEMENTS
MAX_COLUMNS: Final = 1_024
STEP_PAYLOAD_BYTES: Final = COLUMN_STEP * K * ELEMENT_BYTES
MAX_PAYLOAD_BYTES: Final = MAX_COLUMNS * K * ELEMENT_BYTES
COSET_DEPTH: Final = 10
_MOVE: Final = np.dtype(f"V{FIELD_BYTES}")
_PAYLOAD: Final = np.dtype(f"V{ELEMENT_BYTES}")


class LayoutError(InvalidInput):
    """The length or width of a matrix lies outside the protocol."""

    code = "da.layout.invalid"
    next_step = "Send 1 to 32,505,856 bytes in one matrix; split larger files."


class PayloadEmpty(LayoutError):
    """A payload has at least one byte."""

    code = "da.payload.empty"


class PayloadTooLarge(LayoutError):
    """The payload does not fit one matrix."""

    code = "da.payload.too_large"


class ColumnsMismatch(LayoutError):
    """The number of columns is not the one that the length asks for."""

    code = "da.layout.columns_mismatch"


class IndexOutOfRange(LayoutError):
    """A row, leaf or byte index lies outside the matrix."""

    code = "da.layout.index_out_of_range"
    next_step = "Use an index below the bound in the message."


def columns_for(length: int) -> int:
    """The width m for a payload of `length` bytes: 8 * ceil(length / 253,952)."""
    if length < 1:
        raise PayloadEmpty(length=length)
    if length > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(length=length, maximum=MAX_PAYLOAD_BYTES)
    return COLUMN_STEP * -(-length // STEP_PAYLOAD_BYTES)


@dataclass(frozen=True, slots=True)
class Location:
    """One payload byte in the matrix: row, column, leaf of the row, byte of the element."""

    row: int
    column: int
    leaf: int
    byte: int


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of one matrix; only the width that the length asks for exists."""

    length: int
    columns: int

    def __post_init__(self) -> None:
        expected = columns_for(self.length)
        if self.columns != expected:
            raise ColumnsMismatch(columns=self.columns, expected=expected, length=self.length)

    @classmethod
    def of(cls, length: int) -> "Shape":
        return cls(length, columns_for(length))

    @property
    def rows(self) -> int:
        return N

    @property
    def row_bytes(self) -> int:
        return FIELD_BYTES * self.columns

    @property
    def leaves(self) -> int:
        """Leaves in a row: L = m / 8."""
        return self.columns // LEAF_ELEMENTS

    @property
    def leaf_depth(self) -> int:
        """Levels between a leaf and its row's root: ceil(log2 L)."""
        return (self.leaves - 1).bit_length()

    @property
    def capacity(self) -> int:
        """Payload bytes the data rows can carry."""
        return ELEMENT_BYTES * K * self.columns

    def locate(self, payload_byte: int) -> Location:
        """Where payload byte p lies. Raises: IndexOutOfRange past the payload's end."""
        if not 0 <= payload_byte < self.length:
            raise IndexOutOfRange(byte=payload_byte, bound=self.length)
        element, offset = divmod(payload_byte, ELEMENT_BYTES)
        row, column = divmod(element, self.columns)
        return Location(row, column, column // LEAF_ELEMENTS, 1 + offset)

    def leaves_covering(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The (row, leaf) pairs that carry payload bytes start .. stop-1, in order."""
        if not 0 <= start <= stop <= self.length:
            raise IndexOutOfRange(start=start, stop=stop, bound=self.length)
        if start == stop:
            return []
        first, last = start // LEAF_PAYLOAD_BYTES, (stop - 1) // LEAF_PAYLOAD_BYTES
        return [divmod(number, self.leaves) for number in range(first, last + 1)]

    def payload_bytes_in_row(self, row: int) -> int:
        """How many payload bytes data row `row` carries; the rest of the row is zero."""
        per_row = ELEMENT_BYTES * self.columns
        return min(per_row, max(0, self.length - row * per_row))


def locate(payload_byte: int, shape: Shape) -> Location:
    """Where payload byte p lies in a matrix of `shape`."""
    return shape.locate(payload_byte)


def fill_data_rows(payload: bytes | bytearray | memoryview, shape: Shape, data: Elements) -> None:
    """Write the payload into `data`, shape (K, m, 32), zero-filled to the end."""
    source = np.frombuffer(payload, np.uint8)
    flat = data.reshape(-1, FIELD_BYTES)
    whole, rest = divmod(shape.length, ELEMENT_BYTES)
    if whole > 1:
        # 32 bytes a move, from one byte before the element, are twice as fast as 31
        moves: np.ndarray[tuple[int], np.dtype[np.void]] = np.ndarray(
            (whole - 1,),
            dtype=_MOVE,
            buffer=source,
            offset=ELEMENT_BYTES - 1,
            strides=(ELEMENT_BYTES,),
        )
        flat.view(_MOVE)[1:whole, 0] = moves
    if whole:
        flat[0, 1:] = source[:ELEMENT_BYTES]
    flat[whole:] = 0
    if rest:
        flat[whole, 1 : 1 + rest] = source[whole * ELEMENT_BYTES :]
    flat[:, 0] = 0


def payload_of(data: Elements, shape: Shape) -> bytes:
    """The payload in the data rows; padding is not looked at (`has_clean_padding` does)."""
    return bytes(payload_view(data, shape))


def payload_view(data: Elements, shape: Shape, room: Elements | None = None) -> memoryview:
    """The payload in contiguous data rows, in `room` (at least K rows of 31 m bytes) or, without
    one, in memory of its own that nobody else writes.
    """
    elements = -(-shape.length // ELEMENT_BYTES)
    moves: np.ndarray[tuple[int], np.dtype[np.void]] = np.ndarray(
        (elements,), dtype=_PAYLOAD, buffer=data.data, offset=1, strides=(FIELD_BYTES,)
    )
    size = elements * ELEMENT_BYTES
    payload = np.empty(size, np.uint8) if room is None else room[:size]
    payload.view(_PAYLOAD)[:] = moves
    return payload.data[: shape.length]


def has_clean_top_bytes(data: Elements) -> bool:
    """Whether every element of some data rows starts with a zero byte."""
    return not data.reshape(-1, FIELD_BYTES)[:, 0].any()


def has_clean_padding(row: Elements, row_index: int, shape: Shape) -> bool:
    """Whether data row `row_index`, shape (m, 32), is zero past the payload's end."""
    used = shape.payload_bytes_in_row(row_index)
    if used == ELEMENT_BYTES * shape.columns:
        return True
    whole, rest = divmod(used, ELEMENT_BYTES)
    if rest:
        if row[whole, 1 + rest :].any():
            return False
        whole += 1
    return not row[whole:].any()
