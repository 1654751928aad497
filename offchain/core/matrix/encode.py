"""Turn a payload into 3,072 rows and a header, and any 1,024 rows back into the payload.

  payload -> data rows -> all rows -> row roots -> b0 b1 b2 -> D -> rho -> y -> C

A payload that comes back was re-encoded to D, whichever rows it came from: two honest readers never
get different bytes. Source: docs/protocol/da.md#encoding, #reading.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from offchain.core import kzg
from offchain.core.combination import challenge
from offchain.core.erasure import ErasureEngine
from offchain.core.field import FIELD_BYTES, Elements
from offchain.core.layout import (
    COSETS,
    IndexOutOfRange,
    K,
    N,
    PayloadTooLarge,
    Shape,
    fill_data_rows,
    has_clean_padding,
    has_clean_top_bytes,
    payload_of,
)
from offchain.core.matrix.errors import Bottom, InsufficientRows
from offchain.core.merkle import (
    CosetTree,
    Digests,
    LeafPath,
    RowPath,
    data_root,
    leaf_levels,
    leaf_siblings,
)
from offchain.core.wire import Header, LeafFrame, Row, encode_rows


@dataclass(frozen=True, slots=True, eq=False)
class EncodedBlob:
    """One encoded matrix: all rows, (N, m, 32), the header, and the trees that give paths."""

    shape: Shape
    header: Header
    rows: Elements = field(repr=False)
    trees: tuple[CosetTree, ...] = field(repr=False)

    def row(self, index: int) -> Row:
        """Row `index` with its path."""
        return Row(index, self.row_path(index), self.rows[index])

    def row_path(self, index: int) -> RowPath:
        """The ten siblings of row `index`, lowest first. Raises: IndexOutOfRange."""
        if not 0 <= index < N:
            raise IndexOutOfRange(row=index, bound=N)
        coset, position = divmod(index, K)
        return self.trees[coset].path(position)

    def rows_frame(self, blob_id: bytes, indices: Iterable[int]) -> bytes:
        """The rows frame that carries these rows to their owner."""
        return encode_rows(blob_id, self.shape.columns, [self.row(index) for index in indices])

    def leaf_frame(self, row: int, leaf: int) -> LeafFrame:
        """Leaf `leaf` of row `row` with its path to D. Raises: IndexOutOfRange."""
        path = self.row_path(row)
        return leaf_frame_of(Row(row, path, self.rows[row]), leaf, self.header)


def encode(
    payload: bytes | bytearray | memoryview,
    engine: ErasureEngine,
    *,
    threads: int = 1,
    buffer: Elements | None = None,
) -> EncodedBlob:
    """Encode 1 to 32,505,856 bytes. Raises: PayloadEmpty, PayloadTooLarge.

    `buffer`, at least 96 KiB a column, holds the rows of the result when it is given: a worker that
    encodes blob after blob keeps one, and a result lives until the next.
    """
    shape = Shape.of(len(payload))
    rows = rows_buffer(shape, buffer)
    fill_data_rows(payload, shape, rows[:K])
    trees = coset_trees(engine.extend_and_hash(rows, threads=threads), engine)
    roots = (trees[0].root, trees[1].root, trees[2].root)
    root = data_root(*roots)
    values = engine.combine(rows[:K], challenge(root, shape), threads=threads)
    commitment = kzg.commit(engine.coefficients(values), use_ifma=engine.uses_ifma)
    header = Header(shape.columns, shape.length, root, roots, commitment, values)
    return EncodedBlob(shape, header, rows, trees)


def rows_buffer(shape: Shape, buffer: Elements | None = None) -> Elements:
    """Room for all rows of a matrix, (N, m, 32), at the start of `buffer` when that is given."""
    if buffer is None:
        return np.empty((N, shape.columns, FIELD_BYTES), np.uint8)
    size = N * shape.row_bytes
    if buffer.size < size or not buffer.flags.c_contiguous:
        raise PayloadTooLarge(buffer=buffer.size, needed=size)
    return buffer.reshape(-1)[:size].reshape(N, shape.columns, FIELD_BYTES)


def decode_verified(
    header: Header, rows: Mapping[int, Elements], engine: ErasureEngine, *, threads: int = 1
) -> bytes:
    """The payload behind D from any K rows whose paths were checked (`check_rows`).

    Everything is encoded again and compared with D, also when all data rows are present.
    Raises: InsufficientRows below K rows; Bottom when D is no valid encoding.
    """
    shape = header.shape
    if len(rows) < K:
        raise InsufficientRows(rows=len(rows), needed=K)
    full = np.empty((N, shape.columns, FIELD_BYTES), np.uint8)
    _restore_data(full[:K], rows, engine, threads=threads)
    if not has_clean_top_bytes(full[:K]):
        raise Bottom(reason="an element of a data row has a non-zero top byte")
    trees = coset_trees(engine.extend_and_hash(full, threads=threads), engine)
    if data_root(*(tree.root for tree in trees)) != header.data_root:
        raise Bottom(reason="the rows do not encode to D again")
    first_short = shape.length // (shape.capacity // K)
    if not all(has_clean_padding(full[row], row, shape) for row in range(first_short, K)):
        raise Bottom(reason="the matrix is not zero past the payload's end")
    return payload_of(full[:K], shape)


def leaf_frame_of(row: Row, leaf: int, header: Header) -> LeafFrame:
    """One leaf of a whole row with its path to D. Raises: IndexOutOfRange."""
    if not 0 <= leaf < header.shape.leaves:
        raise IndexOutOfRange(leaf=leaf, bound=header.shape.leaves)
    siblings = leaf_siblings(leaf_levels(row.data.tobytes()), leaf) + tuple(row.path)
    data = row.data.reshape(header.shape.leaves, -1)[leaf].tobytes()
    return LeafFrame(row.index, leaf, data, LeafPath(siblings, header.coset_roots))


def _restore_data(
    data: Elements, rows: Mapping[int, Elements], engine: ErasureEngine, *, threads: int
) -> None:
    """Fill `data` from K of the rows, data rows first, which cost least."""
    chosen = sorted(rows)[:K]
    if chosen[-1] < K:
        for index in chosen:
            data[index] = rows[index]
        return
    stacked = np.stack([rows[index] for index in chosen])
    data[:] = engine.decode(chosen, stacked, threads=threads)


def coset_trees(roots: Digests, engine: ErasureEngine) -> tuple[CosetTree, ...]:
    """The trees over the roots of all N rows, one a coset."""
    return tuple(
        CosetTree.build(roots[coset * K : (coset + 1) * K], engine.keccak_many)
        for coset in range(COSETS)
    )
