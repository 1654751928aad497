"""The owner's key is lost: nothing can be sold any more, and whatever was begun ends by itself."""

import asyncio

import pytest

from offchain.agents.onchain_leases import Licence, OrderState, RentTerms
from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import NOBODY, OrderKind, bond_of
from offchain.agents.reverts_agents_market import CreditTooLow, OrderNotSigned
from offchain.core.errors import ApogeeError
from tests.support.trade_world import PRICE, WEEK, TradeWorld, a_wish, minted, ordered

FEE = 10**15
RENT = 10**9
SECONDS = 3_600


def test_owner__key_lost__his_open_order_costs_buyers_nothing_and_then_ends(
    trade: TradeWorld,
) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token = await minted(seller)
        order = ordered(seller, token)
        sale = await buyer.buy.buy(order, price=PRICE)
        trade.pass_until(trade.sale(sale).until)

        trade["stranger"].act(trade.market.refund(sale))

        assert buyer.credit() == PRICE + bond_of(PRICE)
        assert trade.sale(sale).state is SaleState.REFUNDED
        assert not trade.nft.is_locked(token, at=trade.at)
        with pytest.raises(ApogeeError):  # the nonce has served
            trade["rival"].act(trade.market.buy(order.order, order.signature, b"", value=PRICE))
        assert trade.held() == trade.owed()

    asyncio.run(story())


def test_owner__key_lost__a_second_order_finds_no_bond(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer, rival = trade["seller"], trade["buyer"], trade["rival"]
        token = await minted(seller)
        first, second = ordered(seller, token), seller.sell.order(a_wish(trade, token))
        sale = await buyer.buy.buy(first, price=PRICE)
        trade.pass_until(trade.sale(sale).until)
        trade["stranger"].act(trade.market.refund(sale))

        with pytest.raises(CreditTooLow):  # his bond was the first buyer's: nobody waits again
            await rival.buy.buy(second, price=PRICE)

    asyncio.run(story())


def test_owner__key_lost__nobody_sells_in_his_name(trade: TradeWorld) -> None:
    async def story() -> None:
        token = await minted(trade["seller"])
        order = ordered(trade["seller"], token)
        digest = order.order.digest(trade.market.domain_separator(at=trade.at))
        signature = trade["stranger"].signer.sign_digest(digest)

        with pytest.raises(OrderNotSigned):
            trade["buyer"].act(
                trade.market.buy(
                    order.order, signature, trade["buyer"].buy.keys.public(bytes(32)), value=PRICE
                )
            )

    asyncio.run(story())


def test_owner__key_lost_in_an_auction__highest_bidder_is_paid_back(trade: TradeWorld) -> None:
    async def story() -> None:
        buyer = trade["buyer"]
        token = await minted(trade["seller"])
        order = ordered(
            trade["seller"], token, kind=OrderKind.ENGLISH, min_step=500, end=trade.now + 3_600
        )
        sale = await buyer.buy.bid(order, amount=PRICE)
        trade.pass_until(trade.sale(sale).until)
        trade["stranger"].act(trade.market.close(sale, order.order))
        trade.pass_until(trade.sale(sale).until)

        trade["stranger"].act(trade.market.refund(sale))

        assert buyer.credit() == PRICE + bond_of(PRICE)
        assert trade.held() == trade.owed()

    asyncio.run(story())


def test_owner__key_lost__renter_keeps_his_time_and_offers_run_out(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, rival, buyer = trade["seller"], trade["rival"], trade["buyer"]
        leases, nft = trade.leases, trade.nft
        token = await minted(seller)
        expiry = trade.now + WEEK
        seller.lease.let(token, RentTerms(RENT, NOBODY, 60, SECONDS, expiry), name="let")
        licence = Licence(2, FEE, NOBODY, 500, False, expiry)
        seller.lease.license(token, licence, name="license")

        rented = rival.lease.rent(token, SECONDS, most=RENT * SECONDS)
        ordered_clone = buyer.lease.order_clone(token, most=FEE)

        assert [rival.address] == nft.authorized_users_of(token, at=trade.at)
        trade.pass_until(ordered_clone.deadline)
        trade["stranger"].act(leases.refund_clone(ordered_clone.order))
        assert leases.order(ordered_clone.order, at=trade.at).state is OrderState.REFUNDED
        assert leases.credit_of(buyer.address, NOBODY, at=trade.at) == FEE
        trade.pass_until(rented.until)
        assert nft.authorized_users_of(token, at=trade.at) == []
        trade["stranger"].act(leases.collect(rented.lease))
        assert leases.credit_of(seller.address, NOBODY, at=trade.at) == RENT * SECONDS
        trade.pass_until(expiry)
        assert leases.rent_of(token, at=trade.at).shortest == 0
        assert leases.licence_of(token, at=trade.at).max_clones == 0

    asyncio.run(story())
