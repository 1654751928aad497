"""English auctions: bids, steps, extensions, ends; and what sellers and bidders may try in them."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import boa
import pytest

from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import EXTENSION_SECONDS, MAX_AUCTION_SECONDS, bond_of, least_bid
from offchain.core.hashing import keccak
from tests.support.agents_market import (
    FUNDS,
    MODES,
    NATIVE,
    PRICE,
    RIVAL_KEY,
    MarketSite,
    accept,
    an_auction,
    an_order,
    bid,
    boa_fields,
    buy,
    conserves,
    pass_,
    pass_until,
    raw,
)

Unmoved = Callable[[str], AbstractContextManager[None]]
NEXT = least_bid(PRICE, 500)
HOUR = 3_600


def credit(site: MarketSite, who: str) -> int:
    return int(site.market.credit_of(who, NATIVE))


def test_bid__higher__former_bidder_has_his_money(site: MarketSite, unmoved: Unmoved) -> None:
    order = an_auction(site)
    sale = bid(site, order, PRICE)
    assert sale == site.market.auction_of(order.digest(site.domain()))
    assert site.market.least_bid(sale, 500) == NEXT
    with unmoved("market: bid too low"):
        bid(site, order, NEXT - 1, by=site.rival)

    assert sale == bid(site, order, NEXT, by=site.rival)

    record = site.market.sale(sale)
    assert (site.rival.address.lower(), NEXT) == (str(record.buyer).lower(), record.price)
    assert keccak(RIVAL_KEY) == bytes(record.key_hash)
    assert credit(site, site.buyer.address) == FUNDS
    assert record.bond == bond_of(PRICE) != bond_of(NEXT)
    assert FUNDS - bond_of(PRICE) == credit(site, site.seller.address)
    assert not site.nft.lock_of(site.token_id)[1]
    assert conserves(site)


def test_bid__below_the_first_price_or_no_auction__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    with unmoved("market: bid too low"):
        bid(site, an_auction(site), PRICE - 1)
    with unmoved("market: no auction"):
        bid(site, an_order(site), PRICE)
    with unmoved("credits: not that much"):
        bid(site, an_auction(site), FUNDS + 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"min_step": 499},
        {"min_step": 10_001},
        {"end_price": PRICE - 1},
        {"end": 2**63},
    ],
)
def test_bid__order_is_malformed__is_refused(
    site: MarketSite, unmoved: Unmoved, changes: dict[str, int]
) -> None:
    if "end" in changes:
        changes = {"end": site.now + MAX_AUCTION_SECONDS + 1}
    with unmoved("orders: malformed"):
        bid(site, an_auction(site, **changes), PRICE)


def test_bid__within_the_last_ten_minutes__time_is_added(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order = an_auction(site)
    sale = bid(site, order, PRICE)
    assert order.end == site.market.sale(sale).until
    pass_(HOUR - EXTENSION_SECONDS)
    with boa.env.anchor():
        bid(site, order, NEXT, by=site.rival)
        assert order.end == site.market.sale(sale).until
    pass_(EXTENSION_SECONDS)
    bid(site, order, NEXT, by=site.rival)

    assert site.now + EXTENSION_SECONDS == site.market.sale(sale).until
    with unmoved("market: too early"):
        site.market.close(sale, boa_fields(order), sender=site.seller.address)
    pass_(EXTENSION_SECONDS + 1)
    with unmoved("market: time is over"):
        bid(site, order, 2 * PRICE)


def test_close__time_is_over__token_is_locked_and_the_sale_goes_on(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order = an_auction(site)
    sale = bid(site, order, PRICE)
    bid(site, order, NEXT, by=site.rival)
    pass_until(site, sale)
    with unmoved("market: another order"):
        site.market.close(sale, boa_fields(an_auction(site, nonce=2)), sender=site.stranger)

    assert site.market.close(sale, boa_fields(order), sender=site.stranger)

    assert site.market.sale(sale).state == SaleState.LOCKED
    assert site.market.address == site.nft.lock_of(site.token_id)[0]
    accept(site, sale)
    assert site.rival.address.lower() == str(site.nft.ownerOf(site.token_id)).lower()
    assert conserves(site)


@pytest.mark.parametrize("trick", ["moves", "changes", "spends", "disapproves", "sells", "burns"])
def test_close__seller_spoilt_the_auction__bidder_has_money_and_bond(
    site: MarketSite, trick: str
) -> None:
    order = an_auction(site, account=raw(site.wallet), account_state=0)
    sale = bid(site, order, PRICE)
    owner, token = site.seller.address, site.token_id
    if trick == "moves":
        site.goods.move(token, owner, site.stranger)
    elif trick == "changes":
        site.goods.change_data(token, owner)
    elif trick == "spends":
        site.wallet.set_state(1)
    elif trick == "burns":
        site.wallet.set_mode(MODES["burn"], NATIVE, b"")
    elif trick == "disapproves":
        site.goods.approve(owner, site.market.address, is_allowed=False)
    else:
        pass_(HOUR)
        buy(site, an_order(site, nonce=2), sender=site.rival.address, key=RIVAL_KEY)
    pass_until(site, sale)

    assert not site.market.close(sale, boa_fields(order), sender=site.stranger)

    assert site.market.sale(sale).state == SaleState.REFUNDED
    assert FUNDS + bond_of(PRICE) == credit(site, site.buyer.address)
    assert conserves(site)


def test_close__called_with_little_gas__never_refunds_a_good_auction(site: MarketSite) -> None:
    order = an_auction(site)
    sale = bid(site, order, PRICE)
    pass_until(site, sale)

    for gas in range(60_000, 260_000, 10_000):
        with boa.env.anchor():
            try:
                site.market.close(sale, boa_fields(order), sender=site.buyer.address, gas=gas)
            except boa.BoaError:
                assert site.market.sale(sale).state == SaleState.AUCTION
            else:
                assert site.market.sale(sale).state == SaleState.LOCKED


def test_cancel__after_the_first_bid__comes_too_late(site: MarketSite, unmoved: Unmoved) -> None:
    order = an_auction(site)
    sale = bid(site, order, PRICE)

    with unmoved("orders: nonce used"):
        site.market.cancel(order.nonce, sender=site.seller.address)
    assert sale == bid(site, order, NEXT, by=site.rival)


def test_bid__seller_has_no_more_than_the_first_bond__is_outbid_all_the_same(
    site: MarketSite, unmoved: Unmoved
) -> None:
    """Else a seller, or bids on his other auctions, would keep a friend's bid the highest."""
    order, seller = an_auction(site), site.seller.address
    site.market.withdraw(NATIVE, FUNDS - bond_of(PRICE) + 1, seller, sender=seller)
    with unmoved("credits: not that much"):
        bid(site, order, 7 * PRICE)
    site.market.deposit(seller, NATIVE, 1, value=1, sender=site.stranger)

    sale = bid(site, order, 7 * PRICE)
    bid(site, order, 8 * PRICE, by=site.rival)
    pass_until(site, sale)
    assert site.market.close(sale, boa_fields(order), sender=site.buyer.address)

    assert site.market.sale(sale).bond == bond_of(PRICE)
    assert credit(site, seller) == 0
    pass_until(site, sale)
    site.market.refund(sale)
    assert credit(site, site.rival.address) == FUNDS + bond_of(PRICE)
    assert conserves(site)


def test_bid__seller_or_a_buyer_who_is_not_meant__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order = an_auction(site, taker=site.buyer.raw)
    with unmoved("orders: for another buyer"):
        bid(site, order, PRICE, by=site.rival)
    with unmoved("orders: for another buyer"):
        bid(site, order, PRICE, by=site.seller)
    bid(site, order, PRICE)
    with unmoved("orders: for another buyer"):
        bid(site, order, NEXT, by=site.rival)
    free = an_auction(site, nonce=2)
    bid(site, free, PRICE)

    with unmoved("orders: own order"):
        bid(site, free, NEXT, by=site.seller)


def test_bid__same_bidder_raises__pays_the_difference(site: MarketSite) -> None:
    order = an_auction(site)
    bid(site, order, PRICE)

    bid(site, order, NEXT)

    assert credit(site, site.buyer.address) == FUNDS - NEXT
    assert conserves(site)


def test_bid__key_is_no_point__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    order = an_auction(site)
    bid(site, order, PRICE)
    fields, amount = boa_fields(order), 2 * PRICE

    with unmoved("delivery_key: not on the curve"):
        site.market.bid(fields, b"", bytes(64), amount, sender=site.rival.address)


def test_bid__price_of_one__rises_by_one(site: MarketSite) -> None:
    order = an_auction(site, price=0, end_price=0)
    sale = bid(site, order, 0)

    assert site.market.least_bid(sale, 500) == 1
    assert sale == bid(site, order, 1, by=site.rival)
    assert conserves(site)
