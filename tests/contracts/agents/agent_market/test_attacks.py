"""What traders try on each other: two sales in one transaction, edges of windows, both accusing."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import boa

from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import bond_of
from tests.support.agents import support_contract
from tests.support.agents_market import (
    DELIVER,
    FUNDS,
    NATIVE,
    OBJECTION,
    PRICE,
    SHOW,
    MarketSite,
    accept,
    an_auction,
    an_order,
    bid,
    boa_fields,
    buy,
    conserves,
    deliver,
    dispute,
    proofs_of,
)
from tests.support.staking import a_wallet

Unmoved = Callable[[str], AbstractContextManager[None]]
BOND = bond_of(PRICE)


def state_of(site: MarketSite, sale: int) -> SaleState:
    return SaleState(int(site.market.sale(sale).state))


def test_deliver__two_sales_in_one_transaction__each_keeps_its_own_digests(
    site: MarketSite,
) -> None:
    """A sale without data would be refunded as false by what was delivered for another one."""
    market = site.market
    plain = int(site.nft.mint(site.seller.address, [], [], [], 3, 0, sender=site.seller.address))
    first = buy(site)
    second = buy(site, an_order(site, token=plain, nonce=2))
    proofs = proofs_of(site, first)
    calls = [
        (market.address, market.deliver.prepare_calldata(first, proofs)),
        (market.address, market.deliver.prepare_calldata(second, [])),
    ]

    support_contract("in_one_transaction").deploy().make(calls)

    digests = site.goods.digests()
    site.goods.prove_false(digests[0])
    with boa.reverts("sale_book: other digests"):
        market.refund_false(second, digests)
    with boa.reverts("market: not proven false"):
        market.refund_false(second, [])
    market.refund_false(first, digests)
    market.confirm(second, [], sender=site.buyer.address)
    assert (state_of(site, first), state_of(site, second)) == (
        SaleState.REFUNDED,
        SaleState.SETTLED,
    )
    assert str(site.nft.ownerOf(plain)).lower() == site.buyer.address
    assert conserves(site)


def test_windows__last_second_of_each__still_counts(site: MarketSite, unmoved: Unmoved) -> None:
    begun = site.now
    sale = buy(site)
    boa.env.timestamp = begun + DELIVER
    with unmoved("market: too early"):
        site.market.refund(sale)
    outputs, digests = deliver(site, sale)
    boa.env.timestamp += OBJECTION
    with unmoved("market: too early"):
        site.market.settle(sale, outputs, digests)
    dispute(site, sale)
    boa.env.timestamp += SHOW
    with unmoved("market: too early"):
        site.market.settle(sale, outputs, digests)
    boa.env.timestamp += 1
    site.market.settle(sale, outputs, digests)

    assert state_of(site, sale) == SaleState.SETTLED


def test_windows__a_second_later__is_too_late(site: MarketSite, unmoved: Unmoved) -> None:
    begun = site.now
    sale = buy(site)
    proofs = proofs_of(site, sale)
    boa.env.timestamp = begun + DELIVER + 1
    with unmoved("market: time is over"):
        site.market.deliver(sale, proofs)
    with unmoved("market: time is over"):
        site.market.accept(sale, proofs, sender=site.buyer.address)

    site.market.refund(sale)

    assert site.market.credit_of(site.buyer.address, NATIVE) == FUNDS + BOND


def test_auction__its_last_second__bid_counts_and_close_does_not(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order = an_auction(site)
    sale = bid(site, order, PRICE)
    boa.env.timestamp = int(site.market.sale(sale).until)

    with unmoved("market: too early"):
        site.market.close(sale, boa_fields(order))
    bid(site, order, 2 * PRICE, site.rival)
    boa.env.timestamp = int(site.market.sale(sale).until) + 1
    with unmoved("market: time is over"):
        bid(site, order, 4 * PRICE)
    assert site.market.close(sale, boa_fields(order))


def test_both_accuse__proof_alone_decides(site: MarketSite, unmoved: Unmoved) -> None:
    """The buyer says that it is false, the seller that it is not: words of both count nothing."""
    sale = buy(site)
    outputs, digests = deliver(site, sale)
    with unmoved("market: not the buyer"):
        site.market.dispute(sale, sender=site.seller.address)
    dispute(site, sale)
    for who in (site.buyer.address, site.seller.address):
        with unmoved("sale_book: another state"):
            site.market.dispute(sale, sender=who)
        with unmoved("market: not proven false"):
            site.market.refund_false(sale, digests, sender=who)
        with unmoved("market: too early"):
            site.market.settle(sale, outputs, digests, sender=who)

    site.goods.prove_false(digests[0])
    site.market.refund_false(sale, digests, sender=site.stranger)

    assert site.market.credit_of(site.buyer.address, NATIVE) == FUNDS + BOND
    assert site.market.credit_of(site.seller.address, NATIVE) == FUNDS - BOND
    assert str(site.nft.ownerOf(site.token_id)).lower() == site.seller.address
    assert conserves(site)


def test_accept__somebody_shows_the_same_proofs_first__buyer_confirms_instead(
    site: MarketSite, unmoved: Unmoved
) -> None:
    sale = buy(site)
    proofs = proofs_of(site, sale)
    site.market.deliver(sale, proofs, sender=site.stranger)
    with unmoved("sale_book: another state"):
        site.market.accept(sale, proofs, sender=site.buyer.address)

    site.market.confirm(sale, site.goods.outputs(proofs), sender=site.buyer.address)

    assert state_of(site, sale) == SaleState.SETTLED


def test_accept__proofs_of_an_earlier_sale_of_the_same_two__do_not_count_again(
    site: MarketSite,
) -> None:
    """The token came back meanwhile: owner, buyer and key are the same, its epoch is not."""
    sale = buy(site)
    proofs = proofs_of(site, sale)
    site.market.accept(sale, proofs, sender=site.buyer.address)
    site.goods.move(site.token_id, site.buyer.address, site.seller.address)
    again = buy(site, an_order(site, nonce=2))

    with boa.reverts():
        site.market.accept(again, proofs, sender=site.buyer.address)
    assert state_of(site, again) == SaleState.LOCKED
    accept(site, again)
    assert conserves(site)


def test_seller__empties_approval_data_and_wallet_after_the_lock__sale_goes_on(
    site: MarketSite,
) -> None:
    sale = buy(site)
    seller = site.seller.address
    site.goods.approve(seller, site.market.address, is_allowed=False)
    site.nft.approve(a_wallet("accomplice"), site.token_id, sender=seller)
    with boa.reverts("agent_nft: locked"):
        site.goods.change_data(site.token_id, seller)

    accept(site, sale)

    assert str(site.nft.ownerOf(site.token_id)).lower() == site.buyer.address
    assert int(site.nft.getApproved(site.token_id), 16) == 0


def test_buy__seller_asks_fewer_oracles_than_when_he_signed__refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    """The same data, but one oracle of his own would do to deliver them."""
    order = an_order(site)
    site.goods.update_again(site.token_id, site.seller.address, threshold=1)

    with unmoved("goods: data changed"):
        buy(site, order)


def test_withdraw__to_the_market_itself__refused(site: MarketSite, unmoved: Unmoved) -> None:
    """Tokens would be the market's, and nobody's credit."""
    for currency in site.currencies():
        with unmoved("credits: no receiver"):
            site.market.withdraw(currency, 1, site.market.address, sender=site.buyer.address)
