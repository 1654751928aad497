"""Every kind of sale between honest people: the buyer opens what was sold, all money is where it
belongs, and the maker has his royalty.
"""

import asyncio

import pytest

from offchain.agents.bundle_files import unpack_files
from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import NOBODY, OrderKind, bond_of, fee_of
from offchain.agents.trade_errors import OtherCurrency
from offchain.agents.trade_files import order_text, parse_order_text, parse_proofs_text, proofs_text
from tests.support.trade_world import (
    PRICE,
    ROYALTY_BPS,
    TREASURY,
    WEEK,
    Person,
    TradeWorld,
    an_offer,
    bonded,
    minted,
    ordered,
    the_bundle,
)

ROYALTY = PRICE * ROYALTY_BPS // 10_000
FEE = fee_of(PRICE, 250)


async def made_by_maker(world: TradeWorld) -> int:
    """The seller's token, whose royalty is its maker's: a first sale has happened."""
    token = await minted(world["maker"])
    sale = await world["seller"].buy.buy(ordered(world["maker"], token), price=PRICE)
    proofs = await world["maker"].sell.prove(sale)
    await world["seller"].buy.take(sale, proofs)
    seller = world["seller"]
    seller.act(world.nft.approve(world.market.address, token))
    return token


def paid(world: TradeWorld, currency: bytes = NOBODY) -> dict[str, int]:
    """Credits by who has them."""
    at = world.at
    everybody = {name: one.address for name, one in world.people.items()} | {"treasury": TREASURY}
    return {name: world.market.credit_of(one, currency, at=at) for name, one in everybody.items()}


def gained(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


async def opens(world: TradeWorld, owner: Person, token: int) -> None:
    """The owner reads what was sold, and nobody else does."""
    [held] = await owner.hold.open(token)
    assert unpack_files(held.data) == dict(the_bundle())
    assert world.owner(token) == owner.address


def test_sale__fixed_price__files_pass_by_hand_and_everybody_is_paid(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token = await made_by_maker(trade)
        before = paid(trade)
        order = parse_order_text(order_text(ordered(seller, token)))

        quote = await buyer.buy.quote(order, most=PRICE)
        sale = await buyer.buy.buy(order, price=quote.price)
        proofs = parse_proofs_text(proofs_text(await seller.sell.prove(sale)))
        [taken] = await buyer.buy.take(sale, proofs)

        assert (quote.fee, quote.royalty, quote.royalty_receiver) == (
            FEE,
            ROYALTY,
            trade["maker"].address,
        )
        assert unpack_files(taken.data) == dict(the_bundle())
        assert gained(before, paid(trade)) == {
            "seller": quote.to_seller + bond_of(PRICE),
            "maker": ROYALTY,
            "treasury": FEE,
        }
        assert trade.held() == trade.owed()
        await opens(trade, buyer, token)

    asyncio.run(story())


def test_sale__dutch__costs_less_the_later_it_is_bought(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token = await minted(seller)
        order = ordered(seller, token, kind=OrderKind.DUTCH, end_price=0)
        first = await buyer.buy.quote(order)
        trade.pass_until(trade.now + WEEK // 2)
        later = await buyer.buy.quote(order)

        sale = await buyer.buy.buy(order, price=first.price)

        assert later.price < first.price
        assert trade.sale(sale).price <= later.price  # it has fallen since
        assert buyer.credit() == first.price - trade.sale(sale).price  # what was too much
        assert await seller.sell.hand_over(sale) == await seller.sell.hand_over(sale)
        await buyer.buy.take(sale)
        await opens(trade, buyer, token)
        assert trade.held() == trade.owed()

    asyncio.run(story())


def test_sale__english__highest_bidder_takes_it_and_the_other_has_his_money(
    trade: TradeWorld,
) -> None:
    async def story() -> None:
        seller, buyer, rival = trade["seller"], trade["buyer"], trade["rival"]
        token = await minted(seller)
        order = ordered(seller, token, kind=OrderKind.ENGLISH, min_step=500, end=trade.now + 3_600)
        bonded(seller, 2 * PRICE)  # a higher bid takes a higher bond
        sale = await rival.buy.bid(order, amount=PRICE)
        assert (await buyer.buy.quote(order)).order == order.order  # the second one looks as well
        assert sale == await buyer.buy.bid(order, amount=2 * PRICE)
        assert rival.credit() == PRICE
        trade.pass_until(trade.sale(sale).until)
        seller.act(trade.market.close(sale, order.order))

        assert buyer.buy.begun(order) == sale
        proofs = await seller.sell.prove(sale)
        await buyer.buy.take(sale, proofs)

        await opens(trade, buyer, token)
        assert trade.held() == trade.owed()

    asyncio.run(story())


def test_sale__signed_offer__owner_takes_it_once(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token = await minted(seller)
        buyer.act(trade.market.deposit(buyer.address, NOBODY, PRICE))
        signed = buyer.buy.offer(an_offer(buyer, token))
        bonded(seller)

        sale = await seller.sell.take(signed, token_id=token, royalty_max=ROYALTY_BPS)

        assert sale == await seller.sell.take(signed, token_id=token, royalty_max=ROYALTY_BPS)
        assert buyer.credit() == 0
        await seller.sell.hand_over(sale)
        await buyer.buy.take(sale)
        await opens(trade, buyer, token)
        assert trade.held() == trade.owed()

    asyncio.run(story())


def test_sale__in_a_token__moves_that_token_alone(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token, coin = await made_by_maker(trade), trade.coin.address
        before, held = paid(trade), trade.held()
        for one in (seller, buyer):
            one.act(trade.coin.call("mint", one.address, 2 * PRICE))
        buyer.act(trade.market.deposit(buyer.address, coin, PRICE))
        order = ordered(seller, token, currency=coin)

        quote = await buyer.buy.quote(order, currency=coin)
        sale = await buyer.buy.buy(order, price=quote.price)
        await buyer.buy.take(sale, await seller.sell.prove(sale))

        assert (before, held) == (paid(trade), trade.held())
        assert {key: value for key, value in paid(trade, coin).items() if value} == {
            "seller": quote.to_seller + bond_of(PRICE),
            "maker": ROYALTY,
            "treasury": FEE,
        }
        assert trade.held(coin) == trade.owed(coin)
        await opens(trade, buyer, token)

    asyncio.run(story())


def test_sale__currency_that_nobody_named__neither_bought_nor_sold_for(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer, coin = trade["seller"], trade["buyer"], trade.coin.address
        token = await minted(seller)
        seller.act(trade.coin.call("mint", seller.address, PRICE))
        order = ordered(seller, token, currency=coin)
        offer = buyer.buy.offer(an_offer(buyer, token, currency=coin))

        with pytest.raises(OtherCurrency):
            await buyer.buy.quote(order)
        with pytest.raises(OtherCurrency):
            await seller.sell.take(offer, token_id=token, royalty_max=ROYALTY_BPS)

        assert not trade.nft.is_locked(token, at=trade.at)
        assert trade.sale(trade.market.sale_count(at=trade.at)).state is SaleState.NONE

    asyncio.run(story())
