"""The sampler's bound against counting every draw, and that asking for more never cheats."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.layout import K, N
from offchain.da.confidence import (
    ConfidenceInvalid,
    allowed_at,
    doubt,
    parse_confidence,
    rows_to_ask,
    show_confidence,
)

small = st.integers(2, 9).flatmap(
    lambda total: st.tuples(st.just(total), st.integers(1, total), st.integers(0, total))
)


def counted(good: int, asked: int, available: int, total: int) -> Fraction:
    """The share of all draws in which at least `good` of the asked rows are available."""
    draws = list(combinations(range(total), asked))
    passing = [draw for draw in draws if sum(row < available for row in draw) >= good]
    return Fraction(len(passing), len(draws))


@given(small, st.data())
def test_inv_da_18__small_codes__formula_equals_counting_every_draw(
    sizes: tuple[int, int, int], data: st.DataObject
) -> None:
    total, needed, asked = sizes
    good = data.draw(st.integers(0, asked))

    assert counted(good, asked, needed - 1, total) == doubt(good, asked, needed=needed, total=total)


@given(small, st.data())
def test_inv_da_18__adversary_with_fewer_rows__never_passes_more_often(
    sizes: tuple[int, int, int], data: st.DataObject
) -> None:
    total, needed, asked = sizes
    good = data.draw(st.integers(0, asked))
    available = data.draw(st.integers(0, needed - 1))

    assert counted(good, asked, available, total) <= doubt(good, asked, needed=needed, total=total)


@pytest.mark.parametrize(
    ("good", "asked", "expected"),
    [(8, 8, 1.4848e-4), (20, 20, 2.4821e-10), (18, 20, 2.0651e-7), (30, 30, 3.5388e-15)],
)
def test_inv_da_18__protocol_sizes__figures_of_the_specification(
    good: int, asked: int, expected: float
) -> None:
    assert float(doubt(good, asked)) == pytest.approx(expected, rel=1e-4)


@given(failed=st.integers(0, 60), digits=st.integers(1, 12))
def test_rows_to_ask__any_failures__fewest_that_suffice(failed: int, digits: int) -> None:
    allowed = Fraction(1, 10**digits)

    asked = rows_to_ask(failed, allowed)

    assert asked is not None
    assert doubt(asked - failed, asked) <= allowed
    assert asked == failed or doubt(asked - 1 - failed, asked - 1) > allowed


def test_rows_to_ask__too_many_failed_to_ever_know__none() -> None:
    assert rows_to_ask(N - K + 1, Fraction(1, 10)) is None
    assert rows_to_ask(N - K, Fraction(1, 10**6)) == N


@given(st.integers(1, 12))
def test_allowed_at__all_looks_together__below_what_was_asked(digits: int) -> None:
    alpha = Fraction(1, 10**digits)

    assert sum(allowed_at(look, alpha) for look in range(60)) < alpha


@given(available=st.integers(0, 3), asked_first=st.integers(1, 3))
def test_inv_da_18__asking_for_more_until_satisfied__lost_blob_passes_at_most_alpha(
    available: int, asked_first: int
) -> None:
    """Every order of a small code: how often does the whole procedure call a lost blob there?"""
    total, needed, alpha = 8, 4, Fraction(3, 10)
    passed = 0
    orders = list(combinations(range(total), available))
    for there in orders:  # rows in random order = random places of the available rows
        asked = look = 0
        while True:
            bad = sum(row not in there for row in range(asked))
            wanted = rows_to_ask(bad, allowed_at(look, alpha), needed=needed, total=total)
            if wanted is None:
                break
            if wanted <= asked:
                passed += 1
                break
            asked, look = wanted, look + 1

    assert Fraction(passed, len(orders)) <= alpha


@pytest.mark.parametrize("text", ["", "0", "1", "1.0", "-0.5", "2", "nan", "inf", "1/0", "9" * 40])
def test_parse_confidence__not_between_zero_and_one__refused(text: str) -> None:
    with pytest.raises(ConfidenceInvalid):
        parse_confidence(text)


def test_parse_confidence__decimal__exact() -> None:
    assert Fraction(999_999, 1_000_000) == parse_confidence("0.999999")


@given(st.integers(1, 40))
def test_show_confidence__never_says_more_than_is_true(asked: int) -> None:
    left = doubt(asked, asked)

    shown = Fraction(show_confidence(left))

    assert shown <= 1 - left
    assert 1 - left - shown < max(left / 10, Fraction(1, 100))


def test_show_confidence__twenty_of_twenty__three_digits_after_the_nines() -> None:
    assert show_confidence(doubt(20, 20)) == "0.999999999751"
