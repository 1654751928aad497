"""What a node or reader checks before it believes a header or a row: pure, cheapest first.

Header: every y_i < r; the coset roots fold to D; C is a subgroup point and the commitment to the
y's. Row: length; every element < r; data rows zero where they must be; path to the coset root; its
combination equals q at its point, which is extended from the header, never taken from the sender.
Source: docs/protocol/da.md#node-check.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from py_arkworks_bls12381 import G1Point

from offchain.core import kzg
from offchain.core.combination import challenge
from offchain.core.erasure import ErasureEngine
from offchain.core.field import (
    FIELD_BYTES,
    MODULUS,
    Elements,
    first_not_canonical,
    powers,
)
from offchain.core.layout import COSET_DEPTH, K, N, Shape, has_clean_padding, has_clean_top_bytes
from offchain.core.matrix.errors import (
    CombinationMismatch,
    CommitmentInvalid,
    CommitmentMismatch,
    CosetRootsMismatch,
    ElementNotCanonical,
    HeaderCombinationNotCanonical,
    HeaderRejected,
    PaddingNotZero,
    PathMismatch,
    RowIndexOutOfRange,
    RowLength,
    RowRejected,
    TopByteNotZero,
)
from offchain.core.merkle import data_root, verify_row_path
from offchain.core.wire import Header

RowTriple = tuple[int, Sequence[bytes], Elements]
MAX_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class CheckedHeader:
    """A header that holds, with what judging its rows needs: rho and q on the whole domain."""

    header: Header
    shape: Shape
    challenge: int
    values: Elements = field(repr=False)


def check_header(header: Header, engine: ErasureEngine) -> CheckedHeader:
    """Check one header. Raises: LayoutError, HeaderRejected."""
    _require_consistent(header)
    coefficients = engine.coefficients(header.combinations)
    if kzg.commit(coefficients, use_ifma=engine.uses_ifma) != header.commitment:
        _parse_commitment(header)
        raise CommitmentMismatch(data_root=header.data_root.hex())
    return _accept(header, engine)


def check_headers(
    headers: Sequence[Header],
    engine: ErasureEngine,
    *,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> list[CheckedHeader | HeaderRejected]:
    """Check several headers with one sum of points; each gets its own verdict, in order.

    The weights are powers of one secret random field element, so a batch with a false commitment
    passes with probability below 2^-248. Only when it fails is each header checked alone.
    """
    verdicts: list[CheckedHeader | HeaderRejected | None] = [None] * len(headers)
    pending: list[int] = []
    for position, header in enumerate(headers):
        try:
            _require_consistent(header)
            _parse_commitment(header)
        except HeaderRejected as error:
            verdicts[position] = error
        else:
            pending.append(position)
    for start in range(0, len(pending), MAX_BATCH):
        batch = pending[start : start + MAX_BATCH]
        group = [headers[position] for position in batch]
        weight = int.from_bytes(randomness(FIELD_BYTES), "big") % MODULUS
        holds = len(group) > 1 and _commitments_hold(group, weight, engine)
        for position, header in zip(batch, group, strict=True):
            verdicts[position] = _accept(header, engine) if holds else _judge(header, engine)
    return [verdict for verdict in verdicts if verdict is not None]


def check_rows(checked: CheckedHeader, rows: Sequence[RowTriple], engine: ErasureEngine) -> None:
    """Check rows of one matrix, each (index, path, row). Raises: RowRejected, the first found."""
    if not rows:
        return
    for index, path, row in rows:
        _require_form(checked, index, path, row)
    for index, _, row in rows:
        _require_values(checked, index, row)
    stacked = np.stack([row for _, _, row in rows])
    for (index, path, _), root in zip(rows, engine.row_roots(stacked), strict=True):
        if not verify_row_path(checked.header.coset_roots, index, root.tobytes(), path):
            raise PathMismatch(row=index)
    combinations = engine.combine(stacked, checked.challenge)
    for (index, _, _), combination in zip(rows, combinations, strict=True):
        if not np.array_equal(combination, checked.values[index]):
            raise CombinationMismatch(row=index)


def judge_rows(
    checked: CheckedHeader, rows: Sequence[RowTriple], engine: ErasureEngine
) -> list[RowRejected | None]:
    """A verdict for each row, None where it holds, for the price of checking them together.

    The path is looked at first: whatever `EncodingFault` is found lies under D and proves the
    encoding bad.
    """
    verdicts: list[RowRejected | None] = [_fault_of(_require_form, checked, *row) for row in rows]
    formed = [position for position, verdict in enumerate(verdicts) if verdict is None]
    if formed:
        roots = engine.row_roots(np.stack([rows[position][2] for position in formed]))
        for position, root in zip(formed, roots, strict=True):
            index, path, row = rows[position]
            if not verify_row_path(checked.header.coset_roots, index, root.tobytes(), path):
                verdicts[position] = PathMismatch(row=index)
            else:
                verdicts[position] = _fault_of(_require_values, checked, index, row)
    sound = [position for position in formed if verdicts[position] is None]
    if sound:
        stacked = np.stack([rows[position][2] for position in sound])
        for position, value in zip(sound, engine.combine(stacked, checked.challenge), strict=True):
            index = rows[position][0]
            if not np.array_equal(value, checked.values[index]):
                verdicts[position] = CombinationMismatch(row=index)
    return verdicts


def path_holds(checked: CheckedHeader, row: RowTriple, engine: ErasureEngine) -> bool:
    """Whether a row lies under D, whatever its elements: then an encoding fault is the disperser's.

    A row refused with `EncodingFault` whose path holds is proof of a bad encoding.
    """
    index, path, data = row
    if data.shape != (checked.shape.columns, FIELD_BYTES):
        return False
    root = engine.row_roots(data[np.newaxis])[0].tobytes()
    return verify_row_path(checked.header.coset_roots, index, root, path)


def _require_consistent(header: Header) -> None:
    position = first_not_canonical(header.combinations)
    if position is not None:
        raise HeaderCombinationNotCanonical(row=position)
    if data_root(*header.coset_roots) != header.data_root:
        raise CosetRootsMismatch(data_root=header.data_root.hex())


def _parse_commitment(header: Header) -> G1Point:
    try:
        return kzg.parse_commitment(header.commitment)
    except kzg.CommitmentInvalid as error:
        raise CommitmentInvalid(reason=str(error)) from error


def _commitments_hold(headers: Sequence[Header], weight: int, engine: ErasureEngine) -> bool:
    """Whether sum w^b C_b == commitment to sum w^b y_b."""
    width = -(-len(headers) // 8) * 8
    stacked = np.zeros((K, width, FIELD_BYTES), np.uint8)
    for column, header in enumerate(headers):
        stacked[:, column] = header.combinations
    coefficients = engine.coefficients(engine.combine(stacked, weight))
    expected = kzg.commit_point(coefficients, use_ifma=engine.uses_ifma)
    points = [kzg.parse_commitment(header.commitment) for header in headers]
    return bool(expected == kzg.combine_points(points, powers(weight, len(points))))


def _judge(header: Header, engine: ErasureEngine) -> CheckedHeader | HeaderRejected:
    try:
        return check_header(header, engine)
    except HeaderRejected as error:
        return error


def _accept(header: Header, engine: ErasureEngine) -> CheckedHeader:
    values = engine.extend_combinations(header.combinations)
    values.setflags(write=False)
    return CheckedHeader(header, header.shape, challenge(header.data_root, header.shape), values)


def _fault_of(check: Callable[..., None], *arguments: object) -> RowRejected | None:
    try:
        check(*arguments)
    except RowRejected as fault:
        return fault
    return None


def _require_form(checked: CheckedHeader, index: int, path: Sequence[bytes], row: Elements) -> None:
    if not 0 <= index < N:
        raise RowIndexOutOfRange(row=index, bound=N)
    if row.shape != (checked.shape.columns, FIELD_BYTES) or row.dtype != np.uint8:
        raise RowLength(row=index, bytes=row.size, expected=checked.shape.row_bytes)
    if len(path) != COSET_DEPTH:
        raise PathMismatch(row=index, siblings=len(path), expected=COSET_DEPTH)


def _require_values(checked: CheckedHeader, index: int, row: Elements) -> None:
    column = first_not_canonical(row)
    if column is not None:
        raise ElementNotCanonical(row=index, column=column)
    if index < K:
        if not has_clean_top_bytes(row):
            raise TopByteNotZero(row=index)
        if not has_clean_padding(row, index, checked.shape):
            raise PaddingNotZero(row=index)
