"""Whether what a seat answered lies under the root that was asked for: pure, names no culprit.

Everything a reader keeps goes through here first; what fails is the seat's fault, because position,
length and path were fixed before it was asked. Source: docs/protocol/storage.md#node, INV-STO-15.
"""

from collections.abc import Sequence

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.field import FIELD_BYTES
from offchain.core.layout import LEAF_BYTES
from offchain.core.matrix.check import RowTriple
from offchain.core.matrix.errors import PathMismatch, RowLength
from offchain.core.matrix.runs import is_run
from offchain.core.merkle import Digests, LeafPath, data_root, verify_leaf_path, verify_row_path
from offchain.core.wire import Header, LeafFrame, Row
from offchain.storage.model import Segment
from offchain.storage.ports import Run


def run_lies_under(root: bytes, run: Run, engine: ErasureEngine, *, threads: int = 1) -> bool:
    """Whether a run lies under D at its rows."""
    return roots_under(root, run, engine, threads=threads) is not None


def roots_under(
    root: bytes, run: Run, engine: ErasureEngine, *, threads: int = 1
) -> Digests | None:
    """The roots of the rows of a run that lies under D; None when it does not."""
    if data_root(*run.coset_roots) != root:
        return None
    roots = engine.row_roots(run.data, threads=threads)
    lies = is_run(
        roots,
        run.first,
        siblings=run.siblings,
        coset_roots=run.coset_roots,
        hash_many=engine.keccak_many,
    )
    return roots if lies else None


def judge_run(
    run: Run, rows: range, header: Header, engine: ErasureEngine, *, threads: int = 1
) -> None:
    """Raises: RowLength, PathMismatch unless these are exactly those rows of the matrix."""
    expected = (len(rows), header.columns, FIELD_BYTES)
    if run.data.shape != expected or run.first != rows.start:
        raise RowLength(
            row=run.first, bytes=run.data.size, expected=len(rows) * 32 * header.columns
        )
    if not run_lies_under(header.data_root, run, engine, threads=threads):
        raise PathMismatch(row=run.first, rows=len(rows))


def rows_lie_under(
    coset_roots: Sequence[bytes], rows: Sequence[Row] | Sequence[RowTriple], engine: ErasureEngine
) -> bool:
    """Whether each row lies under its coset root, at its own index."""
    if not rows:
        return True
    triples = [(row[0], row[1], row[2]) for row in rows]
    shapes = {data.shape for _, _, data in triples}
    if len(shapes) != 1:
        return False
    roots = engine.row_roots(np.stack([data for _, _, data in triples]))
    return all(
        verify_row_path(coset_roots, index, root.tobytes(), path)
        for (index, path, _), root in zip(triples, roots, strict=True)
    )


def leaf_of(segment: Segment, raw: bytes, *, row: int, leaf: int) -> bytes | None:
    """The 256 bytes of a leaf frame that lies under the segment's root at this place, or None.

    Raises: FrameError when the bytes are no leaf frame of such a matrix.
    """
    frame = LeafFrame.parse(raw, segment.shape)
    if (frame.row, frame.leaf) != (row, leaf) or len(frame.data) != LEAF_BYTES:
        return None
    path = LeafPath(frame.path.siblings, frame.path.coset_roots)
    holds = verify_leaf_path(
        segment.data_root, segment.shape, (row, leaf), leaf=frame.data, path=path
    )
    return frame.data if holds else None
