"""The field in integers: roots of unity, inverses, and what is canonical."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.field import (
    MODULUS,
    batch_inverse,
    bit_reverse,
    elements_of,
    first_not_canonical,
    integers_of,
    powers,
    root_of_unity,
)


@pytest.mark.parametrize("order", [2, 16, 1_024, 4_096])
def test_root_of_unity__each_order__is_primitive(order):
    root = root_of_unity(order)

    assert pow(root, order, MODULUS) == 1
    assert pow(root, order // 2, MODULUS) == MODULUS - 1


@given(values=st.lists(st.integers(0, MODULUS - 1), min_size=1, max_size=20))
def test_elements__integers_and_back__same(values):
    assert values == integers_of(elements_of(values))


@given(values=st.lists(st.integers(1, MODULUS - 1), min_size=1, max_size=20))
def test_batch_inverse__non_zero_values__products_are_one(values):
    inverses = batch_inverse(values)

    assert all(v * i % MODULUS == 1 for v, i in zip(values, inverses, strict=True))


def test_powers__base_three__each_the_product_before():
    assert powers(3, 5) == [1, 3, 9, 27, 81]


@pytest.mark.parametrize(
    ("value", "position"),
    [(MODULUS - 1, None), (MODULUS, 2), (MODULUS + 1, 2), ((1 << 256) - 1, 2), (1 << 255, 2)],
)
def test_first_not_canonical__around_the_modulus__finds_it(value, position):
    elements = elements_of([0, MODULUS - 1, value, 5])

    assert position == first_not_canonical(elements)


def test_bit_reverse__twelve_bits__mirrors():
    assert bit_reverse(1, 12) == 2_048
    assert all(bit_reverse(bit_reverse(i, 12), 12) == i for i in range(4_096))
