"""The file that keeps one node's rows of one blob for one seed, big-endian.

  0      "ADS1"   4 u32 count   8 u32 m   12 u64 deadline
  20     blob id (32)   52 seed (32)   84 keccak(header) (32)
  116    count x u32 row, increasing
  then   keccak of everything above (32)
  then   header frame (32,960)   rows frame ("ADR1", 44 + count x (324 + 32m))

Row number p of the table starts at entry p of the rows frame, so one row is read alone. Rows carry
their paths, the header its coset roots: a row is checked against D each time it is read.
Source: docs/protocol/da.md#share-file.
"""

import struct
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from offchain.core.field import FIELD_BYTES, Elements
from offchain.core.hashing import DIGEST_BYTES, keccak
from offchain.core.layout import COLUMN_STEP, COSET_DEPTH, MAX_COLUMNS, N
from offchain.core.merkle import Digests, data_root, verify_row_path
from offchain.core.wire import HEADER_BYTES, PATH_BYTES, Header, Row
from offchain.da.ports import Bytes, Share
from offchain.da.refusals import RowNotHeld, ShareCorrupt

MAGIC: Final = b"ADS1"
_PROLOGUE: Final = struct.Struct(">4sIIQ32s32s32s")
_ROWS_HEAD: Final = 44
_WORD: Final = 4
MAX_PROLOGUE_BYTES: Final = _PROLOGUE.size + N * _WORD + DIGEST_BYTES

RowRoots = Callable[[Elements], Digests]


@dataclass(frozen=True, slots=True)
class ShareTable:
    """What the front of a share file says: whose rows, which rows, where they start."""

    blob_id: bytes
    seed: bytes
    deadline: int
    columns: int
    header_digest: bytes
    rows: tuple[int, ...] = field(repr=False)

    @property
    def header_offset(self) -> int:
        return _PROLOGUE.size + len(self.rows) * _WORD + DIGEST_BYTES

    @property
    def entry_bytes(self) -> int:
        return _WORD + PATH_BYTES + FIELD_BYTES * self.columns

    @property
    def size_bytes(self) -> int:
        return self.entry_offset(len(self.rows))

    def entry_offset(self, position: int) -> int:
        body = self.header_offset + HEADER_BYTES + _ROWS_HEAD
        return body + position * self.entry_bytes

    def position_of(self, row: int) -> int:
        """The place of a row in the table. Raises: RowNotHeld."""
        position = bisect_left(self.rows, row)
        if position == len(self.rows) or self.rows[position] != row:
            raise RowNotHeld(blob_id=self.blob_id.hex(), row=row)
        return position


def pack_share(share: Share) -> list[Bytes]:
    """The parts of the file, in order."""
    prologue = _PROLOGUE.pack(
        MAGIC,
        len(share.rows),
        share.columns,
        share.deadline,
        share.blob_id,
        share.seed,
        keccak(bytes(share.header)),
    )
    front = prologue + struct.pack(f">{len(share.rows)}I", *share.rows)
    return [front, keccak(front), share.header, share.frame]


def parse_table(raw: bytes) -> ShareTable:
    """Read the front of a share file, given at least its first bytes. Raises: ShareCorrupt."""
    if len(raw) < _PROLOGUE.size:
        raise ShareCorrupt(reason="short", length=len(raw))
    magic, count, columns, deadline, blob_id, seed, digest = _PROLOGUE.unpack_from(raw)
    is_width = columns % COLUMN_STEP == 0 and COLUMN_STEP <= columns <= MAX_COLUMNS
    if magic != MAGIC or not is_width or not 1 <= count <= N:
        raise ShareCorrupt(reason="prologue")
    end = _PROLOGUE.size + count * _WORD
    if keccak(raw[:end]) != raw[end : end + DIGEST_BYTES]:
        raise ShareCorrupt(reason="table digest", blob_id=blob_id.hex())
    rows = struct.unpack_from(f">{count}I", raw, _PROLOGUE.size)
    return ShareTable(blob_id, seed, deadline, columns, digest, rows)


def parse_header(table: ShareTable, raw: bytes) -> Header:
    """The header of a share. Raises: ShareCorrupt."""
    if keccak(raw) != table.header_digest:
        raise ShareCorrupt(reason="header digest", blob_id=table.blob_id.hex())
    return Header.parse(raw)


def parse_entries(table: ShareTable, start: int, raw: bytes) -> list[Row]:
    """The rows at table positions `start`, `start + 1` ...; lengths and indices checked.

    Raises: ShareCorrupt.
    """
    size = table.entry_bytes
    if not raw or len(raw) % size:
        raise ShareCorrupt(reason="short", blob_id=table.blob_id.hex(), row=table.rows[start])
    out = []
    for position, offset in enumerate(range(0, len(raw), size), start):
        (index,) = struct.unpack_from(">I", raw, offset)
        if index != table.rows[position]:
            raise ShareCorrupt(
                reason="row index", blob_id=table.blob_id.hex(), row=table.rows[position]
            )
        first = offset + _WORD
        path = tuple(
            raw[at : at + DIGEST_BYTES] for at in range(first, first + PATH_BYTES, DIGEST_BYTES)
        )
        data = np.frombuffer(
            raw, np.uint8, count=FIELD_BYTES * table.columns, offset=first + PATH_BYTES
        )
        out.append(Row(index, path, data.reshape(table.columns, FIELD_BYTES)))
    return out


def require_under_root(
    blob_id: bytes, header: Header, rows: Sequence[Row], row_roots: RowRoots
) -> None:
    """Check rows against D through their paths. Raises: ShareCorrupt, naming the first bad row."""
    if data_root(*header.coset_roots) != header.data_root:
        raise ShareCorrupt(reason="coset roots", blob_id=blob_id.hex())
    roots = row_roots(np.stack([row.data for row in rows]))
    for row, root in zip(rows, roots, strict=True):
        assert len(row.path) == COSET_DEPTH
        if not verify_row_path(header.coset_roots, row.index, root.tobytes(), row.path):
            raise ShareCorrupt(reason="row path", blob_id=blob_id.hex(), row=row.index)
