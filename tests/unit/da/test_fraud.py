"""What one bad row, or K good ones under a bad D, make provable; openings checked by ckzg."""

from collections.abc import Callable
from functools import cache

import ckzg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core import kzg
from offchain.core.erasure import ErasureEngine
from offchain.core.field import MODULUS, Elements, integers_of, powers
from offchain.core.layout import ELEMENT_BYTES, K, N
from offchain.core.matrix.check import CheckedHeader, check_header, judge_rows
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.merkle import verify_leaf_path
from offchain.core.wire import Row
from offchain.da.errors import Bottom, CombinationMismatch, ElementNotCanonical, PathMismatch
from offchain.da.fraud import (
    BadLeaf,
    BadRow,
    BottomLocated,
    BottomProven,
    FraudProof,
    encode_again,
    first_dirty_leaf,
    locate,
    point_of,
    prove_row,
)
from offchain.da.pursue import next_suspect
from tests.support.matrices import a_payload, coded_rows, sealed

Change = Callable[[Elements], None]


@cache
def setup() -> object:
    return ckzg.load_trusted_setup(str(kzg.setup_path()), 0)


def a_bad_blob(engine: ErasureEngine, change: Change) -> tuple[EncodedBlob, CheckedHeader]:
    shape, rows = coded_rows(a_payload(), engine)
    change(rows)
    blob = sealed(rows, shape, engine)
    return blob, check_header(blob.header, engine)


def fault_of(checked: CheckedHeader, row: Row, engine: ErasureEngine) -> str:
    [verdict] = judge_rows(checked, [(row.index, row.path, row.data)], engine)
    assert verdict is not None
    return verdict.code


def is_opening(proof: BadRow) -> bool:
    return ckzg.verify_kzg_proof(
        proof.header.commitment,
        point_of(proof.row.index).to_bytes(32, "big"),
        proof.value.to_bytes(32, "big"),
        proof.opening,
        setup(),
    )


def combination(proof: BadRow, rho: int) -> int:
    elements = integers_of(proof.row.data)
    return sum(x * w for x, w in zip(elements, powers(rho, len(elements)), strict=True)) % MODULUS


def shows_bad_leaf(proof: FraudProof) -> bool:
    """Whether a leaf under D carries a byte that must be zero: what the contract looks at."""
    if not isinstance(proof, BadLeaf):
        return False
    header, leaf = proof.header, proof.leaf
    assert verify_leaf_path(
        header.data_root, header.shape, (leaf.row, leaf.leaf), leaf=leaf.data, path=leaf.path
    )
    first = (leaf.row * header.columns + 8 * leaf.leaf) * ELEMENT_BYTES
    for element in range(8):
        raw = leaf.data[32 * element : 32 * element + 32]
        start = first + element * ELEMENT_BYTES
        past = [byte for at, byte in enumerate(raw[1:], start) if at >= header.length]
        if raw[0] or any(past):
            return True
    return False


@pytest.mark.parametrize("index", [1_024, 2_000, 3_071])
def test_inv_da_15__parity_row_changed__opening_verifies_and_combination_differs(
    engine: ErasureEngine, index: int
) -> None:
    def change(rows: Elements) -> None:
        rows[index, 3, 31] ^= 1

    blob, checked = a_bad_blob(engine, change)
    row = blob.row(index)

    proof = prove_row(checked, row, engine, fault=fault_of(checked, row, engine))

    assert isinstance(proof, BadRow)
    assert proof.fault == CombinationMismatch.code
    assert is_opening(proof)
    assert combination(proof, checked.challenge) != proof.value


def test_inv_da_15__honest_rows__combination_is_the_opened_value(
    engine: ErasureEngine, blob: EncodedBlob, checked: CheckedHeader
) -> None:
    for index in (0, 7, 1_023, 1_024, 2_500, 3_071):
        row = blob.row(index)
        assert judge_rows(checked, [(row.index, row.path, row.data)], engine) == [None]

        opened = prove_row(checked, row, engine, fault="none")

        assert isinstance(opened, BadRow)
        assert is_opening(opened)
        assert combination(opened, checked.challenge) == opened.value


def test_prove_row__parity_element_at_the_modulus__whole_row(engine: ErasureEngine) -> None:
    def change(rows: Elements) -> None:
        rows[1_500, 2] = np.frombuffer(MODULUS.to_bytes(32, "big"), np.uint8)

    blob, checked = a_bad_blob(engine, change)
    row = blob.row(1_500)

    proof = prove_row(checked, row, engine, fault=fault_of(checked, row, engine))

    assert isinstance(proof, BadRow)
    assert proof.fault == ElementNotCanonical.code


@pytest.mark.parametrize(
    ("row", "column", "byte"), [(0, 0, 0), (5, 7, 0), (1_023, 7, 31), (1_023, 0, 1)]
)
def test_prove_row__data_row_with_a_byte_that_must_be_zero__one_leaf(
    engine: ErasureEngine, row: int, column: int, byte: int
) -> None:
    def change(rows: Elements) -> None:
        rows[row, column, byte] = 1

    blob, checked = a_bad_blob(engine, change)
    bad = blob.row(row)

    proof = prove_row(checked, bad, engine, fault=fault_of(checked, bad, engine))

    assert shows_bad_leaf(proof)


def test_first_dirty_leaf__honest_rows__none(blob: EncodedBlob) -> None:
    assert all(first_dirty_leaf(blob.rows[row], row, blob.shape) is None for row in range(N))


def test_judge_rows__one_liar_among_honest_rows__only_its_row_is_refused(
    engine: ErasureEngine, blob: EncodedBlob, checked: CheckedHeader
) -> None:
    triples = [(row.index, row.path, row.data) for row in map(blob.row, range(16))]
    altered = triples[5][2].copy()
    altered[0, 31] ^= 1
    triples[5] = (5, triples[5][1], altered)

    verdicts = judge_rows(checked, triples, engine)

    assert isinstance(verdicts[5], PathMismatch)
    assert [n for n, verdict in enumerate(verdicts) if verdict is not None] == [5]


def found_with(
    blob: EncodedBlob, checked: CheckedHeader, seen: list[int], engine: ErasureEngine
) -> Bottom:
    rows = {index: blob.rows[index] for index in seen}
    paths = {index: blob.row_path(index) for index in seen}
    codeword = encode_again(checked, rows, engine)
    return locate(checked, codeword, rows, paths, engine)


def test_locate__only_the_bad_row_is_missing__names_exactly_it(engine: ErasureEngine) -> None:
    def change(rows: Elements) -> None:
        rows[2_000, 3, 31] ^= 1

    blob, checked = a_bad_blob(engine, change)
    found = found_with(blob, checked, [*range(K), 2_001], engine)

    assert isinstance(found, BottomLocated)
    assert [one.rows for one in found.deviations] == [(2_000,)]


@given(bad=st.integers(K, N - 1), seed=st.integers(0, 2**32))
def test_locate__paths_of_rows_asked_for_on_the_way__narrow_to_the_bad_row(
    engine: ErasureEngine, bad: int, seed: int
) -> None:
    def change(rows: Elements) -> None:
        rows[bad, seed % 8, 31] ^= 1

    blob, checked = a_bad_blob(engine, change)
    seen = list(range(K))
    for _ in range(12):
        found = found_with(blob, checked, seen, engine)
        assert isinstance(found, BottomLocated)
        row = next_suspect(found.deviations, set())
        assert row not in seen
        if row == bad:
            break
        seen.append(row)

    assert row == bad


@pytest.mark.parametrize("seen", [range(K), range(K, 2 * K), range(500, 500 + K)])
def test_locate__codeword_that_is_not_clean__leaf_with_a_path_to_the_root(
    engine: ErasureEngine, seen: range
) -> None:
    shape, rows = coded_rows(a_payload(), engine)
    rows[1_023, 7, 31] = 1
    rows = engine.extend(rows[:K])
    blob = sealed(rows, shape, engine)
    checked = check_header(blob.header, engine)

    found = found_with(blob, checked, list(seen), engine)

    assert isinstance(found, BottomProven)
    assert shows_bad_leaf(found.proof)


def test_next_suspect__all_rows_withheld__nothing_left_to_ask(engine: ErasureEngine) -> None:
    def change(rows: Elements) -> None:
        rows[3_000, 0, 31] ^= 1

    blob, checked = a_bad_blob(engine, change)
    found = found_with(blob, checked, [*range(K), 3_001], engine)
    assert isinstance(found, BottomLocated)

    assert next_suspect(found.deviations, set()) == 3_000
    assert next_suspect(found.deviations, {3_000}) is None
