"""A trader is killed after each effect that leaves his process, and begins anew from his disk.

The same command then ends as if nothing had happened: everybody has the same money, the same
tokens, not a transaction more was sent, and storage was paid once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

import pytest

from offchain.agents.mint_agent import MintWish
from offchain.agents.onchain_leases import Licence, RentTerms
from offchain.agents.oracle_ports import Op
from offchain.agents.orders import NOBODY, OrderKind
from offchain.agents.trade_files import Proofs, SignedOrder
from offchain.chain.model import Address
from offchain.core.errors import ApogeeError
from tests.support.trade_gates import Killed
from tests.support.trade_lies import Lie, flipped, forged
from tests.support.trade_world import (
    PRICE,
    WEEK,
    Person,
    TradeWorld,
    an_offer,
    minted,
    ordered,
    the_bundle,
)

Act = Callable[[Person], Coroutine[None, None, object]]
FEE = 10**15


@dataclass(frozen=True, slots=True)
class Flow:
    """What happens before, who acts, and the command that he repeats after a kill."""

    who: str
    prepare: Callable[[TradeWorld], Coroutine[None, None, Act]]
    effects: int


async def for_sale(world: TradeWorld, **changes: object) -> SignedOrder:
    return ordered(world["seller"], await minted(world["seller"]), **changes)


async def bought(world: TradeWorld) -> int:
    return await world["buyer"].buy.buy(await for_sale(world), price=PRICE)


async def mints(world: TradeWorld) -> Act:
    del world
    return lambda one: one.mint.mint(the_bundle(), MintWish("an agent"))


async def buys(world: TradeWorld) -> Act:
    order = await for_sale(world)

    async def act(one: Person) -> object:
        known = one.buy.begun(order)
        if known is not None:
            return known
        return await one.buy.buy(order, price=(await one.buy.quote(order)).price)

    return act


async def bids(world: TradeWorld) -> Act:
    order = await for_sale(world, kind=OrderKind.ENGLISH, min_step=500, end=world.now + 3_600)
    return lambda one: one.buy.bid(order, amount=PRICE)


async def takes_offer(world: TradeWorld) -> Act:
    order = await for_sale(world)
    buyer, token = world["buyer"], order.order.token
    buyer.act(world.market.deposit(buyer.address, NOBODY, PRICE))
    signed = buyer.buy.offer(an_offer(buyer, token))
    return lambda one: one.sell.take(signed, token_id=token, royalty_max=1_000)


async def hands_over(world: TradeWorld) -> Act:
    sale = await bought(world)
    return lambda one: one.sell.hand_over(sale)


async def takes_from_file(world: TradeWorld) -> Act:
    sale = await bought(world)
    proofs: Proofs = await world["seller"].sell.prove(sale)
    return lambda one: one.buy.take(sale, proofs)


async def confirms(world: TradeWorld) -> Act:
    sale = await bought(world)
    await world["seller"].sell.hand_over(sale)
    return lambda one: one.buy.take(sale)


async def refuses(world: TradeWorld) -> Act:
    sale = await bought(world)
    seller = world["seller"]
    await seller.sell.deliver(sale, forged(world, seller, sale, Lie(spoil=flipped)))

    async def act(one: Person) -> object:
        await one.refuse.object(sale)
        return await one.refuse.refuse(sale)

    return act


async def gives(world: TradeWorld) -> Act:
    seller, buyer = world["seller"], world["buyer"]
    token = await minted(seller)
    proofs = await seller.sell.prove_for(buyer.hold.invite(token), Op.TRANSFER)
    signed, _ = await buyer.hold.agree(proofs)
    return lambda one: one.hold.give(signed)


async def rents(world: TradeWorld) -> Act:
    token = await minted(world["seller"])
    terms = RentTerms(10**9, NOBODY, 60, 3_600, world.now + WEEK)
    world["seller"].lease.let(token, terms, name="let")

    async def act(one: Person) -> object:
        return one.lease.rent(token, 600, most=10**12)

    return act


async def licensed(world: TradeWorld) -> int:
    token = await minted(world["seller"])
    licence = Licence(2, FEE, NOBODY, 500, False, world.now + WEEK)
    world["seller"].lease.license(token, licence, name="license")
    return token


async def orders_clone(world: TradeWorld) -> Act:
    token = await licensed(world)

    async def act(one: Person) -> object:
        known = one.lease.waiting_order(token)
        return known or one.lease.order_clone(token, most=FEE)

    return act


async def delivers_clone(world: TradeWorld) -> Act:
    order = world["buyer"].lease.order_clone(await licensed(world), most=FEE).order
    proofs = await world["seller"].lease.prove(order)
    return lambda one: one.lease.deliver(order, proofs)


async def takes_clone(world: TradeWorld) -> Act:
    order = world["buyer"].lease.order_clone(await licensed(world), most=FEE).order
    lease = world["seller"].lease
    await lease.deliver(order, await lease.prove(order))
    return lambda one: one.lease.take(order)


FLOWS = {
    "mint": Flow("seller", mints, 3),
    "buy": Flow("buyer", buys, 2),
    "bid": Flow("buyer", bids, 2),
    "take an offer": Flow("seller", takes_offer, 2),
    "deliver": Flow("seller", hands_over, 18),
    "accept": Flow("buyer", takes_from_file, 2),
    "confirm": Flow("buyer", confirms, 2),
    "object and refuse": Flow("buyer", refuses, 6),
    "give": Flow("seller", gives, 2),
    "rent": Flow("rival", rents, 2),
    "order a clone": Flow("buyer", orders_clone, 2),
    "deliver a clone": Flow("seller", delivers_clone, 2),
    "take a clone": Flow("buyer", takes_clone, 2),
}


def picture(world: TradeWorld) -> dict[str, object]:
    """Who has what, how much was sent, and what storage was paid for."""
    at, market, nft = world.at, world.market, world.nft
    tokens = range(1, nft.total_supply(at=at) + 1)
    sales = market.sales(range(1, market.sale_count(at=at) + 1), at=at)
    people = list(world.people.values())
    return {
        "sales": [(one.state, one.seller, one.buyer, one.price, one.bond) for one in sales],
        "owners": [(nft.owner_of(one, at=at), nft.epoch_of(one, at=at)[0]) for one in tokens],
        "locked": [nft.is_locked(one, at=at) for one in tokens],
        "users": [nft.authorized_users_of(one, at=at) for one in tokens],
        "credits": [market.credit_of(one.address, NOBODY, at=at) for one in people],
        "leases": [world.leases.credit_of(one.address, NOBODY, at=at) for one in people],
        "held": [world.node.balance(one, at=at) for one in (market.address, world.leases.address)],
        "sent": [world.node.nonce(Address(one.address), at=at) for one in people],
        "stored": sorted(world.store.paid),
    }


@pytest.mark.parametrize("name", FLOWS)
def test_crash__after_each_effect__the_same_command_ends_the_same(
    trade: TradeWorld, name: str
) -> None:
    flow = FLOWS[name]
    act = asyncio.run(flow.prepare(trade))
    one = trade[flow.who]
    trade.remember()
    one.gate.set()
    asyncio.run(act(one))
    told, ended = list(one.gate.told), picture(trade)
    assert len(told) == flow.effects, told

    for deadly, what in enumerate(told, 1):
        trade.go_back()
        one.gate.set(deadly)
        with pytest.raises(Killed):
            asyncio.run(act(one))
        one.open()
        asyncio.run(act(one))
        assert ended == picture(trade), f"killed after {deadly}: {what}"
    one.open()
    with suppress(ApogeeError):
        asyncio.run(act(one))  # said once more, when all is over: nothing happens
    assert ended == picture(trade)


def test_crash__dutch_order_got_cheaper_meanwhile__is_paid_for_once(trade: TradeWorld) -> None:
    order = asyncio.run(for_sale(trade, kind=OrderKind.DUTCH, end_price=0))
    buyer = trade["buyer"]
    trade.remember()
    for deadly in (1, 2):
        trade.go_back()
        buyer.gate.set(deadly)
        with pytest.raises(Killed):
            asyncio.run(buyer.buy.buy(order, price=asyncio.run(buyer.buy.quote(order)).price))
        trade.pass_until(trade.now + WEEK // 2)
        buyer.open()

        async def act() -> int:
            known = buyer.buy.begun(order)
            if known is not None:
                return known
            return await buyer.buy.buy(order, price=(await buyer.buy.quote(order)).price)

        assert asyncio.run(act()) == 1
        assert trade.market.sale_count(at=trade.at) == 1
        assert trade.held() == trade.owed()
        assert trade.node.nonce(Address(buyer.address), at=trade.at) == 1
