"""Every payload byte has one place, and the width follows from the length alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.layout import (
    MAX_PAYLOAD_BYTES,
    STEP_PAYLOAD_BYTES,
    ColumnsMismatch,
    IndexOutOfRange,
    K,
    N,
    PayloadEmpty,
    PayloadTooLarge,
    Shape,
    columns_for,
    fill_data_rows,
    has_clean_padding,
    has_clean_top_bytes,
    locate,
    payload_of,
)
from tests.support.matrices import a_payload


@pytest.mark.parametrize(
    ("length", "columns"),
    [
        (1, 8),
        (STEP_PAYLOAD_BYTES - 1, 8),
        (STEP_PAYLOAD_BYTES, 8),
        (STEP_PAYLOAD_BYTES + 1, 16),
        (MAX_PAYLOAD_BYTES - 1, 1_024),
        (MAX_PAYLOAD_BYTES, 1_024),
    ],
)
def test_columns_for__around_each_step__multiple_of_eight(length, columns):
    assert columns == columns_for(length)


def test_constants__protocol_page__agree():
    assert (STEP_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, K, N) == (253_952, 32_505_856, 1_024, 3_072)


def test_columns_for__no_bytes__refused():
    with pytest.raises(PayloadEmpty):
        columns_for(0)


def test_columns_for__one_byte_too_many__refused():
    with pytest.raises(PayloadTooLarge):
        columns_for(MAX_PAYLOAD_BYTES + 1)


@pytest.mark.parametrize("columns", [0, 16, 9, 1_032])
def test_shape__width_the_length_does_not_ask_for__refused(columns):
    with pytest.raises(ColumnsMismatch):
        Shape(1_000, columns)


@pytest.mark.parametrize(
    ("columns", "leaves", "depth"),
    [(8, 1, 0), (16, 2, 1), (24, 3, 2), (520, 65, 7), (1_024, 128, 7)],
)
def test_shape__leaves_and_depth__follow_from_columns(columns, leaves, depth):
    shape = Shape.of(columns // 8 * STEP_PAYLOAD_BYTES)

    assert (columns, leaves, depth) == (shape.columns, shape.leaves, shape.leaf_depth)
    assert shape.row_bytes == leaves * 256


@given(length=st.integers(1, 3 * STEP_PAYLOAD_BYTES), data=st.data())
def test_locate__any_payload_byte__is_where_filling_puts_it(length, data):
    position = data.draw(st.integers(0, length - 1))
    shape = Shape.of(length)
    payload = bytearray(length)
    payload[position] = 0xA5
    rows = np.empty((K, shape.columns, 32), np.uint8)

    fill_data_rows(bytes(payload), shape, rows)

    place = locate(position, shape)
    assert rows[place.row, place.column, place.byte] == 0xA5
    assert np.count_nonzero(rows) == 1
    assert place.leaf == place.column // 8


@given(length=st.integers(1, STEP_PAYLOAD_BYTES + 40))
def test_payload_of__filled_rows__returns_the_payload(length):
    shape = Shape.of(length)
    payload = a_payload(length)
    rows = np.full((K, shape.columns, 32), 0xFF, np.uint8)

    fill_data_rows(payload, shape, rows)

    assert payload == payload_of(rows, shape)
    assert has_clean_top_bytes(rows)
    assert all(has_clean_padding(rows[row], row, shape) for row in range(K))


@given(length=st.integers(1, STEP_PAYLOAD_BYTES - 1), data=st.data())
def test_has_clean_padding__one_byte_past_the_end__is_seen(length, data):
    shape = Shape.of(length)
    rows = np.zeros((K, shape.columns, 32), np.uint8)
    position = data.draw(st.integers(length, shape.capacity - 1))
    element, offset = divmod(position, 31)
    row, column = divmod(element, shape.columns)

    rows[row, column, 1 + offset] = 1

    assert not has_clean_padding(rows[row], row, shape)


@pytest.mark.parametrize("position", [-1, 1_000])
def test_locate__outside_the_payload__refused(position):
    with pytest.raises(IndexOutOfRange):
        locate(position, Shape.of(1_000))


def test_leaves_covering__a_range__counts_through_rows():
    shape = Shape.of(STEP_PAYLOAD_BYTES + 1)

    assert shape.leaves_covering(0, 248) == [(0, 0)]
    assert shape.leaves_covering(247, 497) == [(0, 0), (0, 1), (1, 0)]
    assert shape.leaves_covering(5, 5) == []
