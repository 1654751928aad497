"""Sales in which somebody is silent, lies, or has changed what he sells: who ends up with what.

Money of a sale is all with its parties afterwards, and the token is its owner's, unlocked.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from offchain.agents.mint_agent import roots_of
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.onchain_market import SaleDelivered, SaleState
from offchain.agents.onchain_nft import IntelligentData, Prepared
from offchain.agents.oracle import Oracle
from offchain.agents.oracle_errors import TooFewOracles
from offchain.agents.oracle_ports import Derived, DeriveWish
from offchain.agents.orders import NOBODY, bond_of
from offchain.agents.reverts_agents_market import GoodsChanged, SaleTooLate
from offchain.agents.reverts_agents_verifier import (
    DeliveryExpired,
    DeliveryNotSigned,
)
from offchain.agents.sale_view import told
from offchain.agents.trade_errors import DeliveredWrong, GoodsMoved, NothingWrong, SaleNotHere
from offchain.agents.trade_files import SignedOrder
from offchain.chain.model import Address, TypedCall
from offchain.chain.token_accounts import BoundToken, create_account
from offchain.core.errors import ApogeeError
from tests.support.trade_lies import Lie, flipped, forged
from tests.support.trade_world import PRICE, TradeWorld, minted, ordered, the_bundle

BOND = bond_of(PRICE)


async def locked(world: TradeWorld, *, currency: bytes = NOBODY) -> tuple[int, int]:
    """A token of the seller's that the buyer has paid for; token and sale."""
    seller, buyer = world["seller"], world["buyer"]
    token = await minted(seller)
    if currency != NOBODY:
        for one in (seller, buyer):
            one.act(world.coin.call("mint", one.address, 2 * PRICE))
        buyer.act(world.market.deposit(buyer.address, currency, PRICE + BOND))
    sale = await buyer.buy.buy(ordered(seller, token, currency=currency), price=PRICE)
    return token, sale


def settle(world: TradeWorld, sale: int) -> None:
    """Anybody ends a delivered sale, from what the chain tells."""
    record, clients = world.sale(sale), world.clients
    [delivered] = told(clients, world.market, SaleDelivered, {"sale": sale})
    prepared = told(clients, world.nft, Prepared, {"token": record.token})[-1]
    outputs = [(one.data_hash, one.roots_hash) for one in prepared.outputs]
    world["stranger"].act(world.market.settle(sale, outputs, delivered.digests))


def picture(world: TradeWorld, token: int) -> tuple[object, ...]:
    at, market, nft = world.at, world.market, world.nft
    sales = market.sales(range(1, market.sale_count(at=at) + 1), at=at)
    owed = [one.credit() for one in world.people.values()]
    return list(sales), owed, world.held(), nft.owner_of(token, at=at), nft.lock_of(token, at=at)


@contextmanager
def nothing_moves(world: TradeWorld, token: int, error: type[ApogeeError]) -> Iterator[None]:
    """What is done inside is refused for this, and everything is as before."""
    before = picture(world, token)
    with pytest.raises(error):
        yield
    assert before == picture(world, token)


async def is_sellers_again(world: TradeWorld, token: int, sale: int) -> None:
    """The token is free, its data are as they were, and no money is missing."""
    assert world.sale(sale).state is SaleState.REFUNDED
    assert not world.nft.is_locked(token, at=world.at)
    assert len(await world["seller"].hold.open(token)) == 1
    assert world.held() == world.owed()


# Silence


def test_seller__offline_after_the_lock__buyer_has_his_money_and_the_bond(
    trade: TradeWorld,
) -> None:
    async def story() -> None:
        token, sale = await locked(trade)
        proofs = await trade["seller"].sell.prove(sale)
        trade.pass_until(trade.sale(sale).until)

        with pytest.raises(SaleNotHere):
            await trade["seller"].sell.prove(sale)
        with pytest.raises(SaleTooLate):
            await trade["buyer"].buy.take(sale, proofs)
        trade["stranger"].act(trade.market.refund(sale))

        assert trade["buyer"].credit() == PRICE + BOND
        assert trade["seller"].credit() == 0
        await is_sellers_again(trade, token, sale)

    asyncio.run(story())


def test_buyer__never_acknowledges__is_bound_and_opens_it_later(trade: TradeWorld) -> None:
    async def story() -> None:
        token, sale = await locked(trade)
        delivered = await trade["seller"].sell.hand_over(sale)
        trade.pass_until(delivered.until)

        settle(trade, sale)

        assert trade.owner(token) == trade["buyer"].address
        assert trade["seller"].credit() > PRICE * 95 // 100
        assert await trade["buyer"].buy.take(sale) == await trade["buyer"].hold.open(token)
        assert trade.held() == trade.owed()

    asyncio.run(story())


def test_nobody__settles_until_the_lock_lapses__everybody_has_what_he_paid(
    trade: TradeWorld,
) -> None:
    async def story() -> None:
        token, sale = await locked(trade)
        await trade["seller"].sell.hand_over(sale)
        trade.pass_until(trade.sale(sale).lock_until)

        trade["stranger"].act(trade.market.refund(sale))

        assert (trade["buyer"].credit(), trade["seller"].credit()) == (PRICE, BOND)
        await is_sellers_again(trade, token, sale)

    asyncio.run(story())


# Both accuse each other


@pytest.mark.parametrize("is_coin", [True, False])
def test_both_accuse__delivery_is_right__seller_has_the_price_and_both_bonds(
    trade: TradeWorld, is_coin: bool
) -> None:
    async def story() -> None:
        buyer, currency = trade["buyer"], NOBODY if is_coin else trade.coin.address
        token, sale = await locked(trade, currency=currency)
        await trade["seller"].sell.hand_over(sale)

        with pytest.raises(NothingWrong):
            await buyer.refuse.refuse(sale)
        await buyer.refuse.object(sale)
        await buyer.refuse.object(sale)
        assert trade.sale(sale).state is SaleState.DISPUTED
        assert buyer.credit(currency) == 0
        trade.pass_until(trade.sale(sale).until)
        settle(trade, sale)

        assert trade["seller"].credit(currency) == PRICE - PRICE * 250 // 10_000 + 2 * BOND
        assert trade.owner(token) == buyer.address
        assert trade.held(currency) == trade.owed(currency)

    asyncio.run(story())


def test_both_accuse__oracles_lied_together__buyer_has_everything_back(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token, sale = await locked(trade)
        garbage = forged(trade, seller, sale, Lie(spoil=flipped))
        with nothing_moves(trade, token, DeliveredWrong):
            await buyer.buy.take(sale, garbage)
        await seller.sell.deliver(sale, garbage)
        with nothing_moves(trade, token, DeliveredWrong):
            await buyer.buy.take(sale)

        await buyer.refuse.object(sale)
        found = await buyer.refuse.refuse(sale)

        assert found.proven.kinds == ("CONTENT",)
        assert (await buyer.refuse.refuse(sale)).ended == found.ended
        assert buyer.credit() == PRICE + 2 * BOND
        assert seller.credit() == 0
        await is_sellers_again(trade, token, sale)

    asyncio.run(story())


# Oracles and their proofs


def test_oracles__below_quorum__too_few_and_then_enough(trade: TradeWorld) -> None:
    async def story() -> None:
        token, sale = await locked(trade)
        trade.silent.update(list(trade.oracles)[:2])

        with nothing_moves(trade, token, TooFewOracles):
            await trade["seller"].sell.prove(sale)
        two = forged(trade, trade["seller"], sale, Lie(signers=(2, 3)))
        with nothing_moves(trade, token, DeliveryNotSigned):
            await trade["buyer"].buy.take(sale, two)
        with nothing_moves(trade, token, DeliveryNotSigned):
            await trade["seller"].sell.deliver(sale, two)
        trade.silent.clear()
        await trade["buyer"].buy.take(sale, await trade["seller"].sell.prove(sale))

        assert trade.owner(token) == trade["buyer"].address

    asyncio.run(story())


class Liar:
    """An oracle whose result is not what the others make."""

    def __init__(self, inner: Oracle) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def derive(self, wish: DeriveWish, old_file: bytes) -> tuple[Derived, bytes]:
        derived, file = await self._inner.derive(wish, old_file)
        return replace(derived, key_commit=bytes(32)), file


def test_oracles__one_lies__is_left_out_and_signs_nothing(trade: TradeWorld) -> None:
    async def story() -> None:
        _, sale = await locked(trade)
        for liar in list(trade.oracles):
            trade.oracles[liar] = Liar(trade.oracles[liar])  # type: ignore[assignment]  # one oracle at a time
            proofs = await trade["seller"].sell.prove(sale)
            opened = await trade["buyer"].buy.examine(sale, proofs)
            assert len(opened) == 1
            trade.oracles.update(trade.honest)
            trade["seller"].sell.leader._parts.shelf.forget(f"sale-{sale}-0")

    asyncio.run(story())


LIES = {
    "foreign chain": (Lie(chain_id=1), DeliveryNotSigned),
    "expired": (Lie(seconds=60), DeliveryExpired),
    "signatures reordered": (Lie(is_in_order=False), DeliveryNotSigned),
    "one oracle twice": (Lie(signers=(0, 1, 1)), DeliveryNotSigned),
}


@pytest.mark.parametrize("name", LIES)
def test_proofs__of_another_kind__do_not_count(trade: TradeWorld, name: str) -> None:
    async def story() -> None:
        lie, error = LIES[name]
        token, sale = await locked(trade)
        proofs = forged(trade, trade["seller"], sale, lie)
        trade.pass_until(trade.now + 61)

        with nothing_moves(trade, token, error):
            await trade["buyer"].buy.take(sale, proofs)
        with nothing_moves(trade, token, error):
            await trade["seller"].sell.deliver(sale, proofs)

    asyncio.run(story())


def test_proofs__replayed_in_another_sale__do_not_count(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer, rival = trade["seller"], trade["buyer"], trade["rival"]
        token, first = await locked(trade)
        proofs = await seller.sell.prove(first)
        await buyer.buy.take(first, proofs)
        buyer.act(trade.nft.approve(trade.market.address, token))
        second = await rival.buy.buy(ordered(buyer, token), price=PRICE)

        for again in (first, second):
            with nothing_moves(trade, token, ApogeeError):
                await seller.sell.deliver(again, proofs)
        with nothing_moves(trade, token, DeliveredWrong):
            await rival.buy.take(second, proofs)

    asyncio.run(story())


def test_proofs__of_two_entries__count_in_their_order_alone(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer, nft = trade["seller"], trade["buyer"], trade.nft
        made = [await seller.mint.make(the_bundle(text)) for text in ("one", "two")]
        datas = [IntelligentData("part", one.entry.data_hash) for one in made]
        roots = [roots_of(one.entry) for one in made]
        keys = [one.sealed_key for one in made]
        seller.act(nft.mint(seller.address, datas, roots, keys, 3, 0))
        token = nft.total_supply(at=trade.at)
        seller.act(nft.approve(trade.market.address, token))
        sale = await buyer.buy.buy(ordered(seller, token), price=PRICE)
        proofs = await seller.sell.prove(sale)
        swapped = replace(proofs, proofs=proofs.proofs[::-1])

        with nothing_moves(trade, token, DeliveredWrong):
            await buyer.buy.take(sale, swapped)
        with nothing_moves(trade, token, ApogeeError):
            await seller.sell.deliver(sale, swapped)
        with nothing_moves(trade, token, DeliveredWrong):
            await buyer.buy.take(sale, replace(proofs, proofs=proofs.proofs[:1]))

        assert len(await buyer.buy.take(sale, proofs)) == 2
        assert trade.owner(token) == buyer.address

    asyncio.run(story())


# What is sold has changed


async def is_refused(world: TradeWorld, order: SignedOrder) -> None:
    """Neither the client nor the market takes this order."""
    token = order.order.token
    with nothing_moves(world, token, GoodsMoved):
        await world["buyer"].buy.quote(order)
    with nothing_moves(world, token, GoodsChanged):
        await world["buyer"].buy.buy(order, price=PRICE)


def test_data__updated_after_the_order__nothing_is_paid(trade: TradeWorld) -> None:
    async def story() -> None:
        seller = trade["seller"]
        token = await minted(seller)
        order = ordered(seller, token)
        made = await seller.mint.make(the_bundle("worse"))
        datas = [IntelligentData("worse", made.entry.data_hash)]
        call = trade.nft.update(token, datas, [roots_of(made.entry)], [made.sealed_key])
        seller.act(call)

        await is_refused(trade, order)
        assert len(await seller.hold.open(token)) == 1

    asyncio.run(story())


def test_wallet__emptied_after_the_order__nothing_is_paid(trade: TradeWorld) -> None:
    async def story() -> None:
        seller = trade["seller"]
        token = await minted(seller)
        bound = BoundToken(trade.clients.chain_id, trade.nft.address, token)
        implementation = trade.deployments.address_of("AgentAccount")
        seller.act(create_account(implementation, bound))
        account = AgentAccountClient(trade.deployments, trade.node).of(trade.nft.address, token)
        seller.act(coins(account.address, 5))
        order = ordered(seller, token)
        seller.act(account.execute(coins(seller.address, 5)))

        await is_refused(trade, order)
        sale = await trade["buyer"].buy.buy(ordered(seller, token), price=PRICE)
        with nothing_moves(trade, token, ApogeeError):
            seller.act(account.execute(coins(seller.address, 0)))
        assert trade.sale(sale).state is SaleState.LOCKED

    asyncio.run(story())


def coins(to: bytes, wei: int) -> TypedCall:
    return TypedCall(Address(to), b"", wei, "Account", "send")


def test_order__that_watches_another_wallet__is_not_bought(trade: TradeWorld) -> None:
    async def story() -> None:
        seller = trade["seller"]
        token = await minted(seller)
        signed = ordered(seller, token)
        for account in (NOBODY, seller.address):
            order = replace(signed.order, account=account)
            digest = order.digest(trade.market.domain_separator(at=trade.at))
            other = replace(signed, order=order, signature=seller.signer.sign_digest(digest))
            with nothing_moves(trade, token, GoodsMoved):
                await trade["buyer"].buy.quote(other)

    asyncio.run(story())


def test_royalty__above_what_was_signed__nothing_is_paid(trade: TradeWorld) -> None:
    async def story() -> None:
        token = await minted(trade["seller"], royalty_bps=500)
        await is_refused(trade, ordered(trade["seller"], token, royalty_max=499))

    asyncio.run(story())


def test_user__authorised_by_the_seller__is_none_after_the_sale(trade: TradeWorld) -> None:
    async def story() -> None:
        token, rival = await minted(trade["seller"]), trade["rival"].address
        trade["seller"].act(trade.nft.authorize_usage(token, rival))
        assert [rival] == trade.nft.authorized_users_of(token, at=trade.at)
        sale = await trade["buyer"].buy.buy(ordered(trade["seller"], token), price=PRICE)

        await trade["buyer"].buy.take(sale, await trade["seller"].sell.prove(sale))

        assert trade.nft.authorized_users_of(token, at=trade.at) == []

    asyncio.run(story())


def test_clone__without_a_licence__is_neither_ordered_nor_made(trade: TradeWorld) -> None:
    async def story() -> None:
        token, rival = await minted(trade["seller"]), trade["rival"]
        with nothing_moves(trade, token, SaleNotHere):
            rival.lease.order_clone(token, most=PRICE)
        with nothing_moves(trade, token, ApogeeError):
            rival.act(trade.nft.i_clone(rival.address, token, []))
        assert trade.nft.total_supply(at=trade.at) == token

    asyncio.run(story())
