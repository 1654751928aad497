"""Make the rows of lost shards again from any K other rows of their segment. Pure.

  rows given -> data rows (decoded where some are missing) -> trees -> compare with the header's D
  wanted rows of coset 0: hashing the 1,024 data rows is enough; others: all 3,072 rows are encoded

What comes out lies under D or nothing does, so a rebuilt shard is the lost one byte for byte.
Source: docs/protocol/storage.md#keeping, INV-STO-4.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.field import Elements
from offchain.core.layout import K
from offchain.core.matrix.encode import coset_trees, rows_buffer
from offchain.core.matrix.errors import Bottom, InsufficientRows
from offchain.core.merkle import CosetTree
from offchain.core.wire import Header, Row


def rebuild_rows(
    header: Header,
    rows: Mapping[int, Elements],
    wanted: Iterable[int],
    engine: ErasureEngine,
    *,
    threads: int = 1,
    buffer: Elements | None = None,
) -> list[Row]:
    """The wanted rows with their paths, in the order asked for.

    `rows` have been checked against D by their paths. `buffer`, 96 KiB a column, is used if given;
    the rows that come back are copies, so it may be used again.
    Raises: InsufficientRows below K rows; Bottom when K rows under D do not encode to D.
    """
    asked = list(wanted)
    if len(rows) < K:
        raise InsufficientRows(rows=len(rows), needed=K)
    full = rows_buffer(header.shape, buffer)
    _fill_data(full[:K], rows, engine, threads=threads)
    trees = _trees_of(full, header, engine, is_parity=any(i >= K for i in asked), threads=threads)
    return [Row(i, trees[i // K].path(i % K), full[i].copy()) for i in asked]


def _fill_data(
    data: Elements, rows: Mapping[int, Elements], engine: ErasureEngine, *, threads: int
) -> None:
    """Write the data rows: as given where all are, else decoded from the first K of the rows."""
    chosen = sorted(rows)[:K]
    if chosen[-1] < K:
        for index in chosen:
            data[index] = rows[index]
        return
    stacked = np.stack([rows[index] for index in chosen])
    data[:] = engine.decode(chosen, stacked, threads=threads)


def _trees_of(
    full: Elements, header: Header, engine: ErasureEngine, *, is_parity: bool, threads: int
) -> tuple[CosetTree, ...]:
    """The trees over the rows, of coset 0 alone or of all three. Raises: Bottom."""
    if is_parity:
        trees = coset_trees(engine.extend_and_hash(full, threads=threads), engine)
    else:
        roots = engine.row_roots(full[:K], threads=threads)
        trees = (CosetTree.build(roots, engine.keccak_many),)
    for tree, root in zip(trees, header.coset_roots, strict=False):
        if tree.root != root:
            raise Bottom(reason="rows under D do not encode to D", data_root=header.data_root.hex())
    return trees
