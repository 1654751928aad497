"""A bad encoding becomes evidence: what one row or leaf under D shows, and where D goes wrong.

  bad row    lies under D; an element >= r, or its combination is not the q(z_i) that C opens
  bad leaf   of a data row, lies under D; a top byte or a byte past the payload is not zero

K rows can each be right while D is not: encoded again they give another tree. Siblings on the paths
of those rows that differ from it name subtrees in which D goes wrong; a row published from there
breaks the code, since its combination meets q(z_i) with probability m / r. Pure.
Source: docs/protocol/da.md#fraud-proofs, INV-DA-15.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from offchain.core import kzg
from offchain.core.erasure import ErasureEngine
from offchain.core.field import (
    FIELD_BYTES,
    Elements,
)
from offchain.core.hashing import keccak
from offchain.core.layout import (
    COSET_DEPTH,
    ELEMENT_BYTES,
    LEAF_ELEMENTS,
    K,
    N,
    Shape,
)
from offchain.core.matrix.check import CheckedHeader, judge_rows
from offchain.core.matrix.encode import coset_trees, leaf_frame_of
from offchain.core.matrix.openings import point_of
from offchain.core.merkle import CosetTree, RowPath
from offchain.core.wire import Header, LeafFrame, Row
from offchain.da.errors import Bottom, EncodingFault, PaddingNotZero, TopByteNotZero

Node = tuple[int, int, int]  # coset, depth above the row's root, position at that depth


@dataclass(frozen=True, slots=True, eq=False)
class BadRow:
    """A row under D and the opening of C at its point: `value` = q(z_i), `opening` 48 bytes."""

    header: Header
    row: Row
    value: int
    opening: bytes
    fault: str


@dataclass(frozen=True, slots=True, eq=False)
class BadLeaf:
    """A leaf of a data row under D with a byte that must be zero and is not."""

    header: Header
    leaf: LeafFrame
    fault: str


FraudProof = BadRow | BadLeaf


class BottomProven(Bottom):
    """D is no valid encoding, and `proof` shows it on chain in one transaction."""

    next_step = "Send the proof: `DAFraudProofs` takes the disperser's stake and pays the reporter."

    def __init__(self, row: Row, proof: FraudProof) -> None:
        super().__init__(row=row.index, fault=proof.fault)
        self.header = proof.header
        self.row = row
        self.proof = proof


@dataclass(frozen=True, slots=True, eq=False)
class Codeword:
    """All rows of a matrix, (N, m, 32), and the trees over them."""

    rows: Elements = field(repr=False)
    trees: tuple[CosetTree, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deviation:
    """A smallest known subtree in which D is not the tree that the rows encode to.

    At least one of `rows`, none of them seen yet, breaks the code.
    """

    coset: int
    depth: int
    position: int
    rows: tuple[int, ...] = field(repr=False)


class BottomLocated(Bottom):
    """D is no valid encoding; the rows that prove it are withheld, these are their places.

    Whoever challenges one of `deviations[0].rows` makes its owner publish it or lose stake.
    """

    next_step = "Post a ROW challenge for one of the rows named here; its owner must publish it."

    def __init__(self, deviations: tuple[Deviation, ...]) -> None:
        first = deviations[0]
        super().__init__(rows=len(first.rows), first_row=first.rows[0], subtrees=len(deviations))
        self.deviations = deviations


def prove_row(checked: CheckedHeader, row: Row, engine: ErasureEngine, *, fault: str) -> FraudProof:
    """The evidence in a row that lies under D and breaks the code: a leaf where one is enough."""
    dirty = first_dirty_leaf(row.data, row.index, checked.shape)
    if dirty is not None:
        position, reason = dirty
        return BadLeaf(checked.header, leaf_frame_of(row, position, checked.header), reason)
    coefficients = engine.coefficients(checked.header.combinations)
    opened = kzg.open_at(coefficients, point_of(row.index))
    return BadRow(checked.header, row, opened.value, opened.proof, fault)


def find_fraud(
    checked: CheckedHeader, rows: Sequence[Row], engine: ErasureEngine
) -> BottomProven | None:
    """The proof in the first of these rows that lies under D and breaks the code."""
    triples = [(row.index, row.path, row.data) for row in rows]
    for row, fault in zip(rows, judge_rows(checked, triples, engine), strict=True):
        if isinstance(fault, EncodingFault):
            return BottomProven(row, prove_row(checked, row, engine, fault=fault.code))
    return None


def first_dirty_leaf(row: Elements, index: int, shape: Shape) -> tuple[int, str] | None:
    """The first leaf of a data row with a byte that must be zero, and which rule it breaks."""
    if index >= K:
        return None
    tops = np.flatnonzero(row[:, 0])
    if len(tops):
        return int(tops[0]) // LEAF_ELEMENTS, TopByteNotZero.code
    used = shape.payload_bytes_in_row(index)
    past = np.flatnonzero(row[:, 1:].reshape(-1)[used:])
    if len(past):
        column = (used + int(past[0])) // ELEMENT_BYTES
        return column // LEAF_ELEMENTS, PaddingNotZero.code
    return None


def encode_again(
    checked: CheckedHeader,
    rows: Mapping[int, Elements],
    engine: ErasureEngine,
    *,
    threads: int = 1,
) -> Codeword:
    """The matrix that at least K rows, each right by itself, determine."""
    chosen = sorted(rows)[:K]
    full = np.empty((N, checked.shape.columns, FIELD_BYTES), np.uint8)
    full[:K] = engine.decode(chosen, np.stack([rows[one] for one in chosen]), threads=threads)
    roots = engine.extend_and_hash(full, threads=threads)
    return Codeword(full, coset_trees(roots, engine))


def locate(
    checked: CheckedHeader,
    codeword: Codeword,
    rows: Mapping[int, Elements],
    paths: Mapping[int, RowPath],
    engine: ErasureEngine,
) -> Bottom:
    """What verified rows, with their paths, show of a D that is not the codeword's.

    `BottomProven` when a leaf that must be zero is not and its path to D is known; otherwise
    `BottomLocated`.
    """
    known = _known_nodes(checked.header, rows, paths, engine)
    for index in range(K):
        data = codeword.rows[index]
        dirty = first_dirty_leaf(data, index, checked.shape)
        path = _path_under_root(index, codeword.trees, known) if dirty else None
        if dirty is not None and path is not None:
            row = Row(index, path, data.copy())
            frame = leaf_frame_of(row, dirty[0], checked.header)
            return BottomProven(row, BadLeaf(checked.header, frame, dirty[1]))
    found = _deviations(codeword.trees, known)
    ordered = sorted(found, key=lambda one: (one.depth, one.coset, one.position))
    assert ordered, "rows that encode to D and are clean everywhere are no bottom"
    return BottomLocated(tuple(ordered))


def _known_nodes(
    header: Header,
    rows: Mapping[int, Elements],
    paths: Mapping[int, RowPath],
    engine: ErasureEngine,
) -> dict[Node, bytes]:
    """Every node of D's trees that the header and the verified rows' paths show."""
    known: dict[Node, bytes] = {
        (coset, COSET_DEPTH, 0): root for coset, root in enumerate(header.coset_roots)
    }
    order = sorted(rows)
    roots = engine.row_roots(np.stack([rows[index] for index in order]))
    for index, root in zip(order, roots, strict=True):
        coset, position = divmod(index, K)
        digest = root.tobytes()
        for depth, sibling in enumerate(paths[index]):
            if (coset, depth, position) in known:
                break  # this node and all above it came with another row
            known[coset, depth, position] = digest
            known[coset, depth, position ^ 1] = sibling
            pair = (sibling, digest) if position & 1 else (digest, sibling)
            digest, position = keccak(*pair), position >> 1
    return known


def _path_under_root(
    index: int, trees: Sequence[CosetTree], known: Mapping[Node, bytes]
) -> RowPath | None:
    """The path of a row of the re-encoded tree to D, when what is known proves it lies there."""
    coset, position = divmod(index, K)
    levels = trees[coset].levels
    depth = next(d for d in range(COSET_DEPTH + 1) if (coset, d, position >> d) in known)
    if known[coset, depth, position >> depth] != levels[depth][position >> depth].tobytes():
        return None
    inside = tuple(levels[d][position >> d ^ 1].tobytes() for d in range(depth))
    above = tuple(known[coset, d, position >> d ^ 1] for d in range(depth, COSET_DEPTH))
    return inside + above


def _deviations(trees: Sequence[CosetTree], known: Mapping[Node, bytes]) -> Iterator[Deviation]:
    for (coset, depth, position), digest in known.items():
        is_seen_below = depth > 0 and (coset, depth - 1, 2 * position) in known
        if is_seen_below or digest == trees[coset].levels[depth][position].tobytes():
            continue
        first = coset * K + (position << depth)
        yield Deviation(coset, depth, position, tuple(range(first, first + (1 << depth))))
