"""Every engine computes what the integers and an independent formula say."""

import itertools
import random

import numpy as np
import pytest
import sha3
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.erasure import ErasureEngine, Geometry, RowsMissing
from offchain.core.erasure.choose import _build, available_engines
from offchain.core.erasure.reference import ReferenceEngine
from offchain.core.field import (
    DOMAIN_POINTS,
    MODULUS,
    bit_reverse,
    elements_of,
    integers_of,
    root_of_unity,
)
from offchain.core.layout import K
from offchain.core.merkle import row_root
from tests.support.matrices import some_elements

EDGES = (0, 1, 2, MODULUS - 1, MODULUS - 2, MODULUS >> 1, (1 << 248) - 1, 1 << 254)
SMALL = Geometry(data_rows=16, total_rows=48)


def interpolated(values: list[int], points: list[int], target: int) -> int:
    """Lagrange's formula, written out."""
    total = 0
    for value, point in zip(values, points, strict=True):
        term = value
        for other in points:
            if other != point:
                term = term * (target - other) * pow(point - other, -1, MODULUS) % MODULUS
        total += term
    return total % MODULUS


def test_extend__four_data_rows__each_parity_row_lies_on_the_polynomial():
    geometry = Geometry(data_rows=4, total_rows=16)
    root = root_of_unity(16)
    points = [pow(root, bit_reverse(row, 4), MODULUS) for row in range(16)]
    data = some_elements(4, 2)

    rows = ReferenceEngine(geometry).extend(data)

    for column in range(2):
        values = integers_of(data[:, column])
        expected = [interpolated(values, points[:4], point) for point in points]
        assert expected == integers_of(rows[:, column])


def test_inv_da_1__every_engine__same_bytes_as_the_integers(small_engine, integers):
    data = some_elements(16, 24, seed=3)
    rows = integers.extend(data)
    values = data[:, 5]

    assert np.array_equal(rows, small_engine.extend(data))
    assert np.array_equal(integers.combine(rows, 12345), small_engine.combine(rows, 12345))
    assert np.array_equal(
        integers.extend_combinations(values), small_engine.extend_combinations(values)
    )
    assert np.array_equal(integers.coefficients(values), small_engine.coefficients(values))


def test_extend_in_place__room_for_one_parity_coset__only_that_one_is_made(small_engine, integers):
    data = some_elements(16, 24, seed=4)
    rows = integers.extend(data)
    room = np.zeros_like(rows[:32])
    room[:16] = data

    small_engine.extend_in_place(room)

    assert np.array_equal(rows[:32], room)


@given(pattern=st.lists(st.sampled_from(EDGES), min_size=16, max_size=16), seed=st.integers(0, 99))
def test_inv_da_1__longest_carries__same_bytes_as_the_integers(pattern, seed):
    integers = ReferenceEngine(SMALL)
    data = some_elements(16, 8, seed=seed)
    data[:, :4] = elements_of(pattern)[:, np.newaxis]
    lost = random.Random(seed).sample(range(48), 16)
    expected = integers.extend(data)

    for name in available_engines():
        engine = _build(name, SMALL)
        assert np.array_equal(expected, engine.extend(data)), name
        assert np.array_equal(data, engine.decode(lost, expected[lost])), name
        challenge = pattern[0]
        assert np.array_equal(
            integers.combine(expected, challenge), engine.combine(expected, challenge)
        ), name


def test_inv_da_1__protocol_geometry__same_bytes_as_the_integers(engine, protocol_integers):
    data = some_elements(K, 8, seed=5)
    data[:, 1] = elements_of([MODULUS - 1])
    data[:, 2] = 0
    rows = protocol_integers.extend(data)
    values = data[:, 0]

    assert np.array_equal(rows, engine.extend(data))
    assert np.array_equal(
        protocol_integers.extend_combinations(values), engine.extend_combinations(values)
    )
    assert np.array_equal(protocol_integers.coefficients(values), engine.coefficients(values))
    assert len(engine.extend_combinations(values)) == DOMAIN_POINTS


@pytest.mark.parametrize("columns", [8, 24, 40])
def test_combine__widths_that_are_no_power_of_two__same_as_the_integers(
    small_engine, integers, columns
):
    rows = some_elements(13, columns, seed=columns)

    assert np.array_equal(integers.combine(rows, MODULUS - 1), small_engine.combine(rows, -1))


def test_combine__a_thousand_columns_of_the_largest_element__does_not_overflow(engine):
    rows = np.broadcast_to(elements_of([MODULUS - 1]), (3, 1_024, 32)).copy()

    combined = engine.combine(rows, MODULUS - 1)

    expected = sum(-pow(-1, j) for j in range(1_024)) % MODULUS
    assert [expected] * 3 == integers_of(combined)


def test_inv_da_2__four_of_twelve_rows__every_subset_restores_the_data():
    engine = ReferenceEngine(Geometry(data_rows=4, total_rows=12))
    data = some_elements(4, 1)
    rows = engine.extend(data)

    for subset in itertools.combinations(range(12), 4):
        assert np.array_equal(data, engine.decode(subset, rows[list(subset)])), subset


@given(seed=st.integers(0, 10_000))
def test_inv_da_2__sixteen_of_forty_eight_rows__any_subset_in_any_order_restores(seed):
    generator = random.Random(seed)
    data = some_elements(16, 8, seed=seed)
    rows = ReferenceEngine(SMALL).extend(data)
    have = generator.sample(range(48), 16)

    for name in available_engines():
        assert np.array_equal(data, _build(name, SMALL).decode(have, rows[have])), name


@pytest.mark.parametrize(
    "have",
    [
        list(range(K)),
        list(range(K, 2 * K)),
        list(range(2 * K, 3 * K)),
        [*range(1, K), 3 * K - 1],
        list(range(0, 3 * K, 3)),
    ],
    ids=["data", "first parity", "second parity", "one lost", "every third"],
)
def test_inv_da_2__protocol_geometry__patterns_of_loss_restore(engine, have):
    data = some_elements(K, 8, seed=7)
    rows = engine.extend(data)

    assert np.array_equal(data, engine.decode(have, rows[have]))


@pytest.mark.parametrize(
    "indices",
    [list(range(15)), list(range(17)), [0] * 16, [*range(15), 48], [*range(15), -1]],
    ids=["too few", "too many", "repeated", "past the end", "negative"],
)
def test_decode__not_sixteen_distinct_rows__refused(small_engine, indices):
    rows = some_elements(len(indices), 8)

    with pytest.raises(RowsMissing):
        small_engine.decode(indices, rows)


@pytest.mark.parametrize("count", [1, 7, 8, 9])
@pytest.mark.parametrize("length", [64, 256, 136, 32, 105, 135])
def test_keccak_many__any_count__equals_an_independent_implementation(small_engine, count, length):
    messages = np.frombuffer(random.Random(count).randbytes(count * length), np.uint8)
    messages = messages.reshape(count, length)

    hashed = small_engine.keccak_many(messages)

    expected = [sha3.keccak_256(message.tobytes()).digest() for message in messages]
    assert expected == [digest.tobytes() for digest in hashed]


@pytest.mark.parametrize("columns", [8, 16, 24, 40, 72, 520])
def test_row_roots__any_width__equal_the_written_out_tree(small_engine, columns):
    rows = some_elements(11, columns, seed=columns)

    roots = small_engine.row_roots(rows)

    assert [row_root(row.tobytes()) for row in rows] == [root.tobytes() for root in roots]


def test_threads__more_than_columns__same_bytes(engine):
    data = some_elements(K, 16, seed=9)
    alone = engine.extend(data)

    together = engine.extend(data, threads=3)

    assert np.array_equal(alone, together)
    assert np.array_equal(engine.combine(alone, 99), engine.combine(alone, 99, threads=3))
    assert np.array_equal(engine.row_roots(alone), engine.row_roots(alone, threads=3))
    have = list(range(K, 2 * K))
    assert np.array_equal(data, engine.decode(have, alone[have], threads=3))


def test_engines__port__have_names_of_their_own(small_engine: ErasureEngine):
    assert small_engine.name in available_engines()
    assert small_engine.geometry == SMALL
