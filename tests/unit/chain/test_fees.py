"""Offers: never above the cap, replacements always enough, first offers survive full blocks."""

from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.fees import FeePolicy, Offer, first_offer, next_offer
from offchain.chain.model import FeeQuote

FEES = st.integers(0, 10**15)
QUOTES = st.builds(FeeQuote, base_fee_wei=FEES, tip_wei=FEES)
POLICIES = st.builds(
    FeePolicy, cap_wei=st.integers(1, 10**16), headroom_bps=st.integers(10_000, 40_000)
)


@given(QUOTES, POLICIES)
def test_first_offer__any_quote__within_the_cap(quote: FeeQuote, policy: FeePolicy) -> None:
    offer = first_offer(quote, policy)

    assert 0 <= offer.tip_wei <= offer.max_fee_wei <= policy.cap_wei


@given(QUOTES, POLICIES, FEES, FEES)
def test_next_offer__any_quote__both_parts_grow_by_an_eighth(
    quote: FeeQuote, policy: FeePolicy, max_fee_wei: int, tip_wei: int
) -> None:
    previous = Offer(max(max_fee_wei, tip_wei), min(max_fee_wei, tip_wei))

    offer = next_offer(previous, quote, policy)

    if offer is not None:
        assert offer.max_fee_wei * 8 >= previous.max_fee_wei * 9
        assert offer.tip_wei * 8 >= previous.tip_wei * 9
        assert offer.max_fee_wei > previous.max_fee_wei
        assert offer.tip_wei <= offer.max_fee_wei <= policy.cap_wei


def test_first_offer__six_full_blocks__still_enough() -> None:
    quote = FeeQuote(base_fee_wei=10**9, tip_wei=1)
    base_fee = quote.base_fee_wei
    for _ in range(5):
        base_fee += base_fee // 8

    assert first_offer(quote, FeePolicy()).max_fee_wei >= base_fee


def test_next_offer__base_fee_ran_away__catches_up_at_once() -> None:
    offer = next_offer(Offer(100, 1), FeeQuote(10**9, 5), FeePolicy())

    assert offer == Offer(2 * 10**9 + 5, 5)


def test_next_offer__above_the_cap__none() -> None:
    assert next_offer(Offer(90, 1), FeeQuote(10, 1), FeePolicy(cap_wei=100)) is None
