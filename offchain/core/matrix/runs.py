"""Aligned rows of one matrix, a power of two of them: a subtree, so one short path proves them all.

  row roots -> root of the subtree -> (10 - log2 rows) siblings, lowest first -> b_q -> D

Row `first` is a multiple of their number. Source: docs/protocol/storage.md#node.
"""

from collections.abc import Callable, Sequence

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.field import Elements, first_not_canonical
from offchain.core.layout import (
    COSET_DEPTH,
    IndexOutOfRange,
    K,
    N,
    has_clean_padding,
    has_clean_top_bytes,
)
from offchain.core.matrix.check import CheckedHeader
from offchain.core.matrix.errors import (
    CombinationMismatch,
    ElementNotCanonical,
    PaddingNotZero,
    PathMismatch,
    RowLength,
    TopByteNotZero,
)
from offchain.core.merkle import CosetTree, Digests, fold_path

HashMany = Callable[[Digests], Digests]


def run_depth(count: int) -> int:
    """Levels of the subtree over `count` rows. Raises: IndexOutOfRange for no power of two."""
    if not 1 <= count <= K or count & (count - 1):
        raise IndexOutOfRange(rows=count, bound=K)
    return count.bit_length() - 1


def require_aligned(first: int, count: int) -> None:
    """Raises: IndexOutOfRange unless rows first .. first+count-1 are one subtree."""
    run_depth(count)
    if not 0 <= first <= N - count or first % count:
        raise IndexOutOfRange(row=first, rows=count, bound=N)


def run_siblings(tree: CosetTree, first: int, count: int) -> tuple[bytes, ...]:
    """The siblings that lead from aligned rows to the root of their coset's tree."""
    require_aligned(first, count)
    depth = run_depth(count)
    position = (first % K) // count
    return tuple(
        level[position >> above ^ 1].tobytes() for above, level in enumerate(tree.levels[depth:-1])
    )


def is_run(
    roots: Digests,
    first: int,
    *,
    siblings: Sequence[bytes],
    coset_roots: Sequence[bytes],
    hash_many: HashMany,
) -> bool:
    """Whether rows with these roots lie at `first` under their coset root, by these siblings."""
    count = roots.shape[0]
    require_aligned(first, count)
    if len(siblings) != COSET_DEPTH - run_depth(count):
        return False
    coset, position = divmod(first, K)
    top = CosetTree.build(roots, hash_many).root
    return fold_path(top, position // count, siblings) == coset_roots[coset]


def check_run(
    checked: CheckedHeader,
    data: Elements,
    first: int,
    *,
    siblings: Sequence[bytes],
    engine: ErasureEngine,
    is_zero_checked: bool = True,
) -> Digests:
    """The roots of aligned rows, shape (n, m, 32), all judged at once: form, path, then the code.

    Path first: an `EncodingFault` is then proof that the encoding is bad. `is_zero_checked`: data
    rows must be zero where no payload is; the code holds without it. Raises: RowRejected.
    """
    count = data.shape[0]
    if data.shape[1:] != (checked.shape.columns, 32) or data.dtype != np.uint8:
        raise RowLength(row=first, bytes=data.size, expected=count * checked.shape.row_bytes)
    roots = engine.row_roots(data)
    if not is_run(
        roots,
        first,
        siblings=siblings,
        coset_roots=checked.header.coset_roots,
        hash_many=engine.keccak_many,
    ):
        raise PathMismatch(row=first, rows=count)
    _require_canonical(checked, data, first)
    if is_zero_checked and first < K:
        _require_zeros(checked, data, first)
    expected = checked.values[first : first + count]
    found = engine.combine(data, checked.challenge)
    if not np.array_equal(found, expected):
        wrong = int(np.flatnonzero((found != expected).any(axis=1))[0])
        raise CombinationMismatch(row=first + wrong)
    return roots


def _require_canonical(checked: CheckedHeader, data: Elements, first: int) -> None:
    position = first_not_canonical(data.reshape(-1, 32))
    if position is not None:
        row, column = divmod(position, checked.shape.columns)
        raise ElementNotCanonical(row=first + row, column=column)


def _require_zeros(checked: CheckedHeader, data: Elements, first: int) -> None:
    if not has_clean_top_bytes(data):
        row = int(np.flatnonzero(data[:, :, 0].any(axis=1))[0])
        raise TopByteNotZero(row=first + row)
    for offset in range(data.shape[0]):
        if not has_clean_padding(data[offset], first + offset, checked.shape):
            raise PaddingNotZero(row=first + offset)
