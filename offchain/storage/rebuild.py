"""Make the rows of lost shards again from any K other rows of their segment. Pure.

  rows given -> data rows (decoded where some are missing) -> the cosets with wanted rows -> trees

Each of those trees must have the root that the header names under D; other cosets are not made.

What comes out lies under D or nothing does, so a rebuilt shard is the lost one byte for byte.
Source: docs/protocol/storage.md#keeping, INV-STO-4.
"""

from collections.abc import Iterable, Mapping

from offchain.core.erasure import ErasureEngine
from offchain.core.field import Elements
from offchain.core.layout import K
from offchain.core.matrix.encode import rows_buffer
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
    _fill_data(full, rows, engine, threads=threads)
    trees = _trees_of(full, header, engine, {index // K for index in asked}, threads)
    return [Row(i, trees[i // K].path(i % K), full[i].copy()) for i in asked]


def _fill_data(
    full: Elements, rows: Mapping[int, Elements], engine: ErasureEngine, *, threads: int
) -> None:
    """Write the data rows: as given where all are, else decoded from the first K of the rows."""
    chosen = sorted(rows)[:K]
    if chosen[-1] < K:
        for index in chosen:
            full[index] = rows[index]
        return
    stacked = full[K : 2 * K]  # made afterwards, where it is wanted
    for position, index in enumerate(chosen):
        stacked[position] = rows[index]
    full[:K] = engine.decode(chosen, stacked, threads=threads)


def _trees_of(
    full: Elements, header: Header, engine: ErasureEngine, cosets: set[int], threads: int
) -> dict[int, CosetTree]:
    """The trees over the rows of these cosets, made first where they are parity. Raises: Bottom."""
    last = max(cosets, default=0)
    if last:
        engine.extend_in_place(full[: (last + 1) * K], threads=threads)
    trees = {}
    for coset in sorted(cosets):
        roots = engine.row_roots(full[coset * K : (coset + 1) * K], threads=threads)
        trees[coset] = CosetTree.build(roots, engine.keccak_many)
        if trees[coset].root != header.coset_roots[coset]:
            raise Bottom(reason="rows under D do not encode to D", data_root=header.data_root.hex())
    return trees
