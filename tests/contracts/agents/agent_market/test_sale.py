"""A sale from order to end: who has the token and the money at every step."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import boa
import pytest

from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import bond_of, fee_of
from tests.support.agents_market import (
    DELIVER,
    FEE_BPS,
    FUNDS,
    KEY,
    NATIVE,
    OBJECTION,
    PRICE,
    RIVAL_KEY,
    SHOW,
    SLACK,
    MarketSite,
    accept,
    an_order,
    boa_fields,
    buy,
    conserves,
    deliver,
    dispute,
    pass_,
    pass_until,
    proofs_of,
)

Unmoved = Callable[[str], AbstractContextManager[None]]
FEE, ROYALTY, BOND = fee_of(PRICE, FEE_BPS), PRICE // 10, bond_of(PRICE)


def state_of(site: MarketSite, sale: int) -> SaleState:
    return SaleState(int(site.market.sale(sale).state))


def credited(site: MarketSite) -> dict[str, int]:
    return {who: int(site.market.credit_of(who, NATIVE)) for who in site.accounts()}


def is_owner(site: MarketSite, who: str) -> bool:
    return str(site.nft.ownerOf(site.token_id)).lower() == who.lower()


def test_accept__delivery_is_good__token_and_money_change_hands(site: MarketSite) -> None:
    sale = buy(site)

    accept(site, sale)

    assert state_of(site, sale) == SaleState.SETTLED
    assert is_owner(site, site.buyer.address)
    credit = credited(site)
    assert credit[site.buyer.address] == FUNDS - PRICE
    assert credit[site.seller.address] == FUNDS + PRICE - FEE - ROYALTY
    assert (credit[site.treasury], credit[site.creator]) == (FEE, ROYALTY)
    assert conserves(site)


def test_inv_agt_4__until_settled__nobody_is_paid_and_the_token_stays(site: MarketSite) -> None:
    before = credited(site)
    sale = buy(site)
    locked = before | {
        site.buyer.address: FUNDS - PRICE,
        site.seller.address: FUNDS - BOND,
    }

    assert locked == credited(site)
    assert (state_of(site, sale), is_owner(site, site.seller.address)) == (SaleState.LOCKED, True)
    outputs, digests = deliver(site, sale)
    assert locked == credited(site)
    assert (
        state_of(site, sale),
        is_owner(site, site.seller.address),
    ) == (SaleState.DELIVERED, True)
    pass_until(site, sale)
    site.market.settle(sale, outputs, digests, sender=site.stranger)
    assert is_owner(site, site.buyer.address)
    assert conserves(site)


def test_inv_agt_3__settled__price_is_seller_royalty_and_fee(site: MarketSite) -> None:
    currency = site.currency.address
    order = an_order(site, currency=bytes.fromhex(currency[2:]))
    sale = buy(site, order)

    accept(site, sale)

    shares = [site.market.credit_of(who, currency) for who in site.accounts()]
    assert sum(shares) == 3 * FUNDS
    assert (
        site.market.credit_of(site.treasury, currency),
        site.market.credit_of(site.creator, currency),
    ) == (FEE, ROYALTY)
    assert all(site.market.credit_of(one, NATIVE) in (0, FUNDS) for one in site.accounts())
    assert conserves(site)


def test_confirm__buyer_says_yes__settles_before_the_time_to_object_is_over(
    site: MarketSite, unmoved: Unmoved
) -> None:
    sale = buy(site)
    outputs, digests = deliver(site, sale)

    with unmoved("market: not the buyer"):
        site.market.confirm(sale, outputs, sender=site.stranger)
    with unmoved("market: too early"):
        site.market.settle(sale, outputs, digests, sender=site.seller.address)
    site.market.confirm(sale, outputs, sender=site.buyer.address)

    assert is_owner(site, site.buyer.address)


def test_settle__buyer_never_answers__he_is_bound_all_the_same(site: MarketSite) -> None:
    sale = buy(site)
    pass_(DELIVER)
    outputs, digests = deliver(site, sale)
    pass_(OBJECTION + 1)

    site.market.settle(sale, outputs, digests, sender=site.stranger)

    assert (state_of(site, sale), is_owner(site, site.buyer.address)) == (SaleState.SETTLED, True)


def test_refund__seller_is_offline_after_the_lock__buyer_has_money_and_bond(
    site: MarketSite, unmoved: Unmoved
) -> None:
    sale = buy(site)
    pass_(DELIVER)
    with unmoved("market: too early"):
        site.market.refund(sale, sender=site.buyer.address)
    pass_(1)
    with unmoved("market: time is over"):
        site.market.deliver(sale, proofs_of(site, sale), sender=site.seller.address)
    with unmoved("market: time is over"):
        accept(site, sale)

    site.market.refund(sale, sender=site.stranger)

    credit = credited(site)
    assert (
        credit[site.buyer.address],
        credit[site.seller.address],
    ) == (FUNDS + BOND, FUNDS - BOND)
    assert (
        is_owner(site, site.seller.address),
        bool(site.nft.lock_of(site.token_id)[1]),
    ) == (True, False)
    assert conserves(site)


def test_refund_false__proven_within_the_time_to_object__ends_at_once(
    site: MarketSite, unmoved: Unmoved
) -> None:
    sale = buy(site)
    _, digests = deliver(site, sale)
    with unmoved("market: not proven false"):
        site.market.refund_false(sale, digests, sender=site.buyer.address)
    site.goods.prove_false(digests[0])
    with unmoved("sale_book: other digests"):
        site.market.refund_false(sale, [bytes(32)], sender=site.buyer.address)

    site.market.refund_false(sale, digests, sender=site.stranger)

    assert state_of(site, sale) == SaleState.REFUNDED
    assert (
        credited(site)[site.buyer.address],
        is_owner(site, site.seller.address),
    ) == (FUNDS + BOND, True)
    assert conserves(site)


def test_dispute__proof_follows__buyer_has_price_and_both_bonds(site: MarketSite) -> None:
    sale = buy(site)
    _, digests = deliver(site, sale)
    dispute(site, sale)
    assert credited(site)[site.buyer.address] == FUNDS - PRICE - BOND
    site.goods.prove_false(digests[0])

    site.market.refund_false(sale, digests, sender=site.stranger)

    assert credited(site)[site.buyer.address] == FUNDS + BOND
    assert conserves(site)


def test_inv_agt_6__dispute_without_proof__seller_is_paid_and_keeps_the_bond(
    site: MarketSite, unmoved: Unmoved
) -> None:
    """Both accuse each other: without a proof the delivery counts."""
    sale = buy(site)
    outputs, digests = deliver(site, sale)
    with unmoved("market: not the buyer"):
        site.market.dispute(sale, sender=site.seller.address)
    dispute(site, sale)
    pass_(SHOW)
    with unmoved("market: too early"):
        site.market.settle(sale, outputs, digests, sender=site.seller.address)
    pass_(1)

    site.market.settle(sale, outputs, digests, sender=site.seller.address)

    assert credited(site)[site.seller.address] == FUNDS + PRICE - FEE - ROYALTY + BOND
    assert is_owner(site, site.buyer.address)
    assert conserves(site)


def test_dispute__after_the_time_to_object__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    sale = buy(site)
    deliver(site, sale)
    pass_until(site, sale)

    with unmoved("market: time is over"):
        dispute(site, sale)


def test_settle__proof_came_first__only_the_refund_is_open(
    site: MarketSite, unmoved: Unmoved
) -> None:
    sale = buy(site)
    outputs, digests = deliver(site, sale)
    site.goods.prove_false(digests[0])
    pass_until(site, sale)

    with unmoved("market: proven false"):
        site.market.settle(sale, outputs, digests, sender=site.seller.address)
    with unmoved("sale_book: other digests"):
        site.market.settle(sale, outputs, [bytes(32)], sender=site.seller.address)
    site.market.refund_false(sale, digests, sender=site.stranger)

    assert is_owner(site, site.seller.address)


def test_deliver__proven_false_before__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    sale = buy(site)
    proofs = proofs_of(site, sale)
    site.goods.prove_false(site.goods.digests()[0])

    with unmoved("market: proven false"):
        site.market.deliver(sale, proofs, sender=site.seller.address)


def test_refund__nobody_settled_until_the_lock_lapsed__all_have_their_own_back(
    site: MarketSite, unmoved: Unmoved
) -> None:
    sale = buy(site)
    outputs, digests = deliver(site, sale)
    pass_until(site, sale)
    with unmoved("market: too early"):
        site.market.refund(sale, sender=site.stranger)
    boa.env.timestamp = int(site.market.sale(sale).lock_until)
    with unmoved("market: lock has lapsed"):
        site.market.settle(sale, outputs, digests, sender=site.stranger)
    with unmoved("market: lock has lapsed"):
        site.market.confirm(sale, outputs, sender=site.buyer.address)

    site.market.refund(sale, sender=site.stranger)

    assert {FUNDS} == {credited(site)[one] for one in (site.buyer.address, site.seller.address)}
    assert conserves(site)


def test_refund__token_is_sold_again_after_the_lock_lapsed__the_second_sale_stands(
    site: MarketSite, unmoved: Unmoved
) -> None:
    first = buy(site)
    outputs, digests = deliver(site, first)
    boa.env.timestamp = int(site.market.sale(first).lock_until)
    second = buy(site, an_order(site, nonce=2), sender=site.rival.address, key=RIVAL_KEY)

    with unmoved("market: lock has lapsed"):
        site.market.settle(first, outputs, digests, sender=site.stranger)
    site.market.refund(first, sender=site.stranger)

    assert site.market.address == site.nft.lock_of(site.token_id)[0]
    accept(site, second)
    assert is_owner(site, site.rival.address)
    assert conserves(site)


def test_inv_agt_5__windows__every_sale_can_end_before_its_lock_lapses(site: MarketSite) -> None:
    sale = site.market.sale(buy(site))

    assert sale.lock_until - site.now == DELIVER + OBJECTION + SHOW + SLACK
    assert sale.lock_until - site.now <= 48 * 3_600


def test_states__each_call_in_each_other_state__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    sale = buy(site)
    buyer, proofs = site.buyer.address, proofs_of(site, sale)
    with unmoved("sale_book: another state"):
        site.market.confirm(sale, [], sender=buyer)
    with unmoved("sale_book: another state"):
        site.market.dispute(sale, sender=buyer)
    with unmoved("sale_book: another state"):
        site.market.settle(sale, [], [], sender=buyer)
    with unmoved("sale_book: another state"):
        site.market.refund_false(sale, [], sender=buyer)
    with unmoved("sale_book: another state"):
        site.market.close(sale, order_fields(site), sender=buyer)
    with unmoved("sale_book: another state"):
        site.market.least_bid(sale, 500)
    outputs, digests = deliver(site, sale)
    with unmoved("sale_book: another state"):
        site.market.deliver(sale, proofs, sender=buyer)
    with unmoved("sale_book: another state"):
        site.market.accept(sale, proofs, sender=buyer)
    site.market.confirm(sale, outputs, sender=buyer)
    final = (
        lambda: site.market.deliver(sale, proofs, sender=buyer),
        lambda: site.market.accept(sale, proofs, sender=buyer),
        lambda: site.market.confirm(sale, outputs, sender=buyer),
        lambda: site.market.dispute(sale, sender=buyer),
        lambda: site.market.settle(sale, outputs, digests, sender=buyer),
        lambda: site.market.refund(sale, sender=buyer),
        lambda: site.market.refund_false(sale, digests, sender=buyer),
    )
    for call in final:
        with unmoved("sale_book: another state"):
            call()


def order_fields(site: MarketSite) -> tuple[object, ...]:
    return boa_fields(an_order(site))


def test_sale__unknown_number__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    assert int(site.market.sale(7).state) == 0
    with unmoved("sale_book: no such sale"):
        site.market.refund(7, sender=site.stranger)


def test_accept__somebody_else__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    sale = buy(site)

    with unmoved("market: not the buyer"):
        site.market.accept(sale, proofs_of(site, sale), sender=site.seller.address)


@pytest.mark.parametrize("price", [0, 1, 99, 2**96 - 1])
def test_buy__any_price__is_conserved(site: MarketSite, price: int) -> None:
    boa.env.set_balance(site.stranger, 2**100)
    for who in (site.seller, site.buyer):
        site.market.deposit(who.address, NATIVE, 2**97, value=2**97, sender=site.stranger)
    sale = buy(site, an_order(site, price=price))
    assert (0 if price == 0 else max(1, -(-price // 100))) == site.market.sale(sale).bond

    accept(site, sale)

    assert is_owner(site, site.buyer.address)
    assert conserves(site)


def test_buy__value_is_sent__rest_is_credit(site: MarketSite) -> None:
    more, less = PRICE + 7, PRICE - 7
    with boa.env.anchor():
        buy(site, value=more)
        assert credited(site)[site.buyer.address] == FUNDS + 7
        assert conserves(site)

    buy(site, value=less)

    assert credited(site)[site.buyer.address] == FUNDS - 7
    assert conserves(site)


def test_buy__key_is_told__oracles_know_whom_to_seal_to(site: MarketSite) -> None:
    sale = buy(site)

    [told] = [one for one in site.market.get_logs() if type(one).__name__ == "KeyTold"]
    assert (sale, KEY) == (told.sale, bytes(told.key))
