"""Money as people type it: exact or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.apps.amounts import AmountInvalid, parse_amount, show_amount


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("100", 100 * 10**18),
        ("0.2eth", 2 * 10**17),
        ("5gwei", 5 * 10**9),
        ("1wei", 1),
        (" 1.5 ETH ", 15 * 10**17),
        ("0.000000000000000001", 1),
        ("0", 0),
    ],
)
def test_parse_amount__of_a_number_and_unit__is_exact(text: str, wei: int) -> None:
    assert parse_amount(text) == wei


@pytest.mark.parametrize(
    "text",
    ["", "eth", "-1", "1e3", "0x10", "1.5wei", "1 btc", "1,000", "1e18eth", "9" * 40, "nan", "٣"],
)
def test_parse_amount__of_anything_else__is_refused(text: str) -> None:
    with pytest.raises(AmountInvalid):
        parse_amount(text)


def test_parse_amount__more_than_any_contract_holds__is_refused() -> None:
    with pytest.raises(AmountInvalid):
        parse_amount("400000000000000000000")
    with pytest.raises(AmountInvalid):
        parse_amount("0.0000000000000000001")


@given(st.integers(min_value=0, max_value=10**30))
def test_show_amount__then_parse__is_the_same_to_the_wei(wei: int) -> None:
    assert parse_amount(show_amount(wei)) == wei
