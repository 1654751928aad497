"""Fraud proofs compute on chain what offchain/core computes, and honest data is never bad."""

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.combination import challenge
from offchain.core.field import MODULUS, elements_of, integers_of
from offchain.core.layout import K, N, Shape
from offchain.core.merkle import row_root
from offchain.da.fraud import first_dirty_leaf, point_of
from tests.support.da_encoding import honest, the_engine

PROBE = """
# pragma version 0.4.3
from contracts.shared import row_code
from contracts.shared import row_tree


@view
@external
def challenge(data_root: bytes32, columns: uint256, length: uint256) -> uint256:
    return row_code._challenge(data_root, columns, length)


@view
@external
def point(row: uint256) -> uint256:
    return row_code._point(row)


@view
@external
def combination(data: Bytes[32_768], rho: uint256) -> (uint256, uint256):
    largest: uint256 = 0
    sum: uint256 = 0
    leaves: uint256 = len(data) // 256
    for step: uint256 in range(leaves, bound=128):
        here: uint256 = 0
        here, sum = row_code._absorb(slice(data, 256 * (leaves - 1 - step), 256), rho, sum)
        largest = max(largest, here)
    return largest, sum


@view
@external
def is_bad_leaf(
    data: Bytes[256], row: uint256, leaf: uint256, columns: uint256, length: uint256
) -> bool:
    return row_code._is_bad_leaf(data, row, leaf, columns, length)


@view
@external
def root(data: Bytes[32_768], columns: uint256) -> bytes32:
    leaves: uint256 = row_tree._leaves_of(len(data), columns)
    digests: bytes32[128] = empty(bytes32[128])
    for leaf: uint256 in range(leaves, bound=128):
        digests[leaf] = keccak256(slice(data, 256 * leaf, 256))
    return row_tree._fold(digests, leaves)
"""
STORED: list[object] = []
LENGTHS = st.integers(1, 32_505_856)
ELEMENTS = st.one_of(
    st.integers(0, MODULUS - 1), st.sampled_from([0, 1, MODULUS - 1, MODULUS, 2**256 - 1])
)


@pytest.fixture(scope="module", autouse=True)
def probe(native_evm: None) -> object:
    STORED.append(boa.loads(PROBE))
    return STORED[-1]


def test_inv_da_15__points__are_those_of_every_row() -> None:
    rows = {0, 1, 2, K - 1, K, K + 1, 2 * K - 1, 2 * K, N - 1, *range(7, N, 311)}
    for row in sorted(rows):
        assert point_of(row) == STORED[-1].point(row)


@given(root=st.binary(min_size=32, max_size=32), length=LENGTHS)
def test_inv_da_15__challenge__binds_root_columns_and_length(root: bytes, length: int) -> None:
    shape = Shape.of(length)

    assert challenge(root, shape) == STORED[-1].challenge(root, shape.columns, length)


@given(leaves=st.sampled_from([1, 2, 3, 5]), rho=st.integers(0, MODULUS - 1), data=st.data())
def test_inv_da_15__combination__is_the_sum_of_powers_times_elements(
    leaves: int, rho: int, data: st.DataObject
) -> None:
    row = data.draw(st.lists(ELEMENTS, min_size=8 * leaves, max_size=8 * leaves))
    raw = elements_of(row).tobytes()
    expected = sum(pow(rho, place, MODULUS) * x for place, x in enumerate(row)) % MODULUS

    largest, combination = STORED[-1].combination(raw, rho)

    assert (max(row), expected) == (largest, combination)


def test_inv_da_15__combination_of_real_rows__is_the_engines() -> None:
    encoded = honest(1_000_000)
    rho = challenge(encoded.header.data_root, encoded.shape)
    rows = [0, K - 1, K, 2_500]
    expected = integers_of(the_engine().combine(encoded.rows[rows], rho))

    found = [STORED[-1].combination(encoded.rows[row].tobytes(), rho) for row in rows]

    assert expected == [combination for _, combination in found]
    assert all(largest < MODULUS for largest, _ in found)


@pytest.mark.parametrize("length", [1, 253_953, 600_000, 1_000_000, 1_300_000, 2_200_000])
def test_row_tree__any_number_of_leaves__is_the_one_leaf_rule(length: int) -> None:
    """1, 2, 3, 4, 6 and 9 leaves: padded with zero digests to a power of two."""
    encoded = honest(length)
    for row in (0, 2_000):
        data = encoded.rows[row].tobytes()

        assert row_root(data) == STORED[-1].root(data, encoded.shape.columns)


@given(length=LENGTHS, row=st.integers(0, K - 1), leaf=st.integers(0, 127), data=st.data())
def test_inv_da_15__honest_data_leaf__is_never_bad_and_any_stray_byte_is(
    length: int, row: int, leaf: int, data: st.DataObject
) -> None:
    """Every byte of a leaf may be what it likes, but top bytes and what lies past the payload."""
    shape = Shape.of(length)
    leaf %= shape.leaves
    used = shape.payload_bytes_in_row(row)
    raw = bytearray(256)
    allowed = []
    for place in range(256):
        element, byte = divmod(place, 32)
        position = 31 * (8 * leaf + element) + byte - 1
        if byte and position < used:
            raw[place] = 0xFF
            allowed.append(place)
    ask = lambda: STORED[-1].is_bad_leaf(bytes(raw), row, leaf, shape.columns, length)

    assert not ask()
    stray = data.draw(st.sampled_from(sorted(set(range(256)) - set(allowed))))
    raw[stray] ^= data.draw(st.integers(1, 255))
    assert ask()
    whole = elements_of(0 for _ in range(shape.columns))
    whole[8 * leaf : 8 * leaf + 8] = elements_of(
        int.from_bytes(raw[32 * e : 32 * e + 32], "big") for e in range(8)
    )
    found = first_dirty_leaf(whole, row, shape)
    assert found is not None
    assert leaf == found[0]


@given(row=st.integers(K, N - 1), elements=st.lists(ELEMENTS, min_size=8, max_size=8))
def test_inv_da_15__parity_leaf__is_bad_iff_an_element_is_no_field_element(
    row: int, elements: list[int]
) -> None:
    raw = elements_of(elements).tobytes()

    is_bad = STORED[-1].is_bad_leaf(raw, row, 0, 8, 1_000)

    assert is_bad == any(x >= MODULUS for x in elements)
