"""A program's whole life with agents, and workers that end what nobody else does.

Everything goes through `sdk.agents`, as a program has it; oracles, contracts and files are those
of the world of traders.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from offchain.agents.lease_agent import CloneWrong
from offchain.agents.mint_agent import MintWish
from offchain.agents.onchain_leases import Licence, OrderState, RentTerms
from offchain.agents.onchain_market import SaleState
from offchain.agents.onchain_verifier import OraclePunished
from offchain.agents.orders import NOBODY, OrderKind, bond_of
from offchain.agents.refuse_clone import CloneRight
from offchain.agents.sale_view import told
from offchain.agents.sell import SellWish
from offchain.agents.trade_errors import DeliveredWrong, OtherCurrency, PriceTooHigh
from offchain.jobs.agents import AgentJobs
from offchain.jobs.agents import AgentParts as JobParts
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.sdk.open_agents import agent_books
from tests.support.trade_agents import agents_of
from tests.support.trade_lies import Lie, flipped, forged, forged_clone
from tests.support.trade_world import PRICE, WEEK, TradeWorld, the_bundle

RENT = 7  # wei a second
FEE = 1_000_003


def worker(world: TradeWorld) -> AgentJobs:
    """A worker that has just started, with the stranger's account."""
    books, one = agent_books(world.clients, world.leases), world["stranger"]
    return AgentJobs(
        JobParts(
            node=world.node,
            sales=books.sales,
            leases=books.leases,
            findings=books.findings,
            sender_address=one.sender.account,
            sending=lambda act: act(one.sender),
        )
    )


def done_twice(world: TradeWorld, kind: JobKind, subject: str) -> None:
    """The job is due, and two workers do it once."""
    assert Job(kind, subject) in list(worker(world).find_due(world.node.block()))
    sender = world["stranger"].sender
    done = [worker(world).do(kind, subject, sender) for _ in range(2)]
    assert done == [Outcome.DONE, Outcome.NOT_DUE]


def tell(story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await story()

    asyncio.run(run())


async def sold(world: TradeWorld, token: int, **changes: object) -> int:
    """Locked for the buyer; the sale."""
    seller, buyer = agents_of(world["seller"]), agents_of(world["buyer"])
    wish = SellWish(token, PRICE, world.now + WEEK, **changes)  # type: ignore[arg-type]  # SellWish's own
    return await buyer.buy(await seller.sell(wish), max_price=PRICE)


async def minted(world: TradeWorld) -> int:
    return await agents_of(world["seller"]).mint(
        the_bundle(), MintWish("an agent", royalty_bps=500)
    )


async def a_sale(trade: TradeWorld) -> int:
    """Minted, sold, delivered and taken; the token."""
    seller, buyer = agents_of(trade["seller"]), agents_of(trade["buyer"])
    token = await minted(trade)
    [before] = await seller.open(token)
    order = await seller.sell(SellWish(token, PRICE, trade.now + WEEK))
    with pytest.raises(PriceTooHigh):
        await buyer.buy(order, max_price=PRICE - 1)
    with pytest.raises(OtherCurrency):
        await buyer.quote(order, currency=b"\x01" * 20)
    assert (await buyer.quote(order)).price == PRICE
    number = await buyer.buy(order, max_price=PRICE)
    assert await buyer.buy(order, max_price=PRICE) == number
    assert (await seller.deliver(number)).state is SaleState.DELIVERED
    [opened] = await buyer.take(number)
    assert opened.data == before.data
    assert opened.data_key != before.data_key
    assert (await seller.owned(), await buyer.owned()) == ([], [token])
    return token


async def a_rental(trade: TradeWorld, token: int) -> None:
    """Let, rented, and given back early."""
    buyer, rival = agents_of(trade["buyer"]), agents_of(trade["rival"])
    await buyer.let(token, RentTerms(RENT, NOBODY, 60, 600, trade.now + WEEK))
    rented = await rival.rent(token, 600, most=600 * RENT)
    assert [number for number, _ in await buyer.open_leases()] == [rented.lease]
    trade.pass_until(trade.now + 100)
    back = await rival.end_lease(rented.lease)
    assert 0 < back < 500 * RENT
    assert await rival.withdraw() == back
    assert await buyer.open_leases() == []


async def a_clone(trade: TradeWorld, token: int) -> int:
    """Licensed, ordered, delivered and taken; the clone."""
    buyer, rival = agents_of(trade["buyer"]), agents_of(trade["rival"])
    await buyer.license(token, Licence(2, FEE, NOBODY, 500, True, trade.now + WEEK))
    ordered = await rival.clone(token, most=FEE)
    assert await rival.clone(token, most=FEE) == ordered
    number = await buyer.deliver_clone(ordered.order)
    assert await buyer.deliver_clone(ordered.order) == number
    with pytest.raises(CloneRight):
        await rival.refuse_clone(ordered.order)
    [held] = await rival.take_clone(ordered.order)
    assert held.data == (await buyer.open(token))[0].data
    assert (await rival.clone_order(ordered.order)).state is OrderState.SETTLED
    return number


async def gifts(trade: TradeWorld, token: int) -> None:
    """A clone is given, and then the token itself."""
    seller, buyer = agents_of(trade["seller"]), agents_of(trade["buyer"])
    for is_clone in (True, False):
        asked = await seller.invite(token)
        proofs = await buyer.prove_gift(asked, is_clone=is_clone)
        await buyer.give(await seller.agree(proofs))
    given = await seller.owned()
    assert token in given
    assert len(given) == 2
    assert (await seller.open(given[0]))[0].data == (await seller.open(given[1]))[0].data


def test_sdk__mint_sell_rent_clone_give_and_withdraw__everybody_has_what_is_his(
    trade: TradeWorld,
) -> None:
    seller, buyer, rival = (agents_of(trade[name]) for name in ("seller", "buyer", "rival"))

    async def story() -> None:
        token = await a_sale(trade)
        await a_rental(trade, token)
        assert await a_clone(trade, token) in await rival.owned()
        await gifts(trade, token)
        for one in (seller, buyer, rival):
            owed = await one.credit()
            assert await one.withdraw() == owed
            assert await one.credit() == 0
        assert trade.held() == trade.owed()

    tell(story)


def test_sdk__auction__highest_bidder_is_sold_to_after_anybody_has_closed_it(
    trade: TradeWorld,
) -> None:
    seller, buyer, rival = (agents_of(trade[name]) for name in ("seller", "buyer", "rival"))

    async def story() -> None:
        token = await minted(trade)
        wish = SellWish(token, PRICE, trade.now + 1_000, kind=OrderKind.ENGLISH, min_step=500)
        order = await seller.sell(wish)
        sale = await rival.bid(order, amount=PRICE)
        trade.pass_until(order.order.end - 5)
        assert await buyer.bid(order, amount=2 * PRICE) == sale
        trade.pass_until(order.order.end)
        assert (await rival.quote(order)).price == 2 * PRICE  # prolonged past the order's end
        assert await rival.withdraw() == PRICE
        assert (await rival.settle(sale)).state is SaleState.AUCTION
        trade.pass_until((await seller.sale(sale)).until)

        assert (await agents_of(trade["stranger"]).settle(sale)).state is SaleState.LOCKED

        await seller.deliver(sale)
        await buyer.take(sale)
        assert await buyer.owned() == [token]

    tell(story)


def test_jobs__delivery_proven_false__refunded_and_its_signers_punished_once(
    trade: TradeWorld,
) -> None:
    one = trade["buyer"]

    async def story() -> None:
        sale = await sold(trade, await minted(trade))
        garbage = forged(trade, trade["seller"], sale, Lie(spoil=flipped))
        await trade["seller"].sell.deliver(sale, garbage)
        with pytest.raises(DeliveredWrong):
            await agents_of(one).take(sale)
        record = trade.sale(sale)
        [shown] = one.buy.shown(sale, record, None)
        digest = one.refuse.digest_of(shown)
        fault = await one.refuse.fault_with(shown, one.buy.secret_of(sale, record))
        assert fault is not None
        one.refuse.prove(shown, fault, digest)  # and then its process dies

        done_twice(trade, JobKind.REFUND_FALSE_SALE, str(sale))
        done_twice(trade, JobKind.PUNISH_DELIVERY, "0x" + digest.hex())

        assert one.credit() == PRICE + bond_of(PRICE)
        named = told(trade.clients, trade.verifier, OraclePunished, {"digest": digest})
        assert len({each.operator_id for each in named}) == 3
        assert list(worker(trade).find_due(trade.node.block())) == []

    tell(story)


def test_clone__garbage__fee_is_back_and_its_signers_are_punished(trade: TradeWorld) -> None:
    seller, buyer = agents_of(trade["seller"]), agents_of(trade["buyer"])

    async def story() -> None:
        token = await minted(trade)
        await seller.license(token, Licence(2, FEE, NOBODY, 500, False, trade.now + WEEK))
        ordered = await buyer.clone(token, most=FEE)
        lease, lie = trade["seller"].lease, Lie(spoil=flipped)
        proofs = forged_clone(trade, trade["seller"], ordered.order, lie)
        await lease.deliver(ordered.order, proofs)
        with pytest.raises(CloneWrong):
            await buyer.take_clone(ordered.order)
        assert not await buyer.settle_clone(ordered.order)

        ended = await buyer.refuse_clone(ordered.order)

        assert (ended.proven.kinds, ended.ended.state) == (("CONTENT",), OrderState.REFUNDED)
        assert await buyer.withdraw() == FEE
        [digest] = ended.proven.digests
        named = told(trade.clients, trade.verifier, OraclePunished, {"digest": digest})
        assert len({each.operator_id for each in named}) == 3
        assert (await buyer.refuse_clone(ordered.order)).proven.kinds == ()
        assert await seller.credit() == 0

    tell(story)


def test_jobs__clone_whose_buyer_is_silent__its_owner_is_paid_by_any_worker(
    trade: TradeWorld,
) -> None:
    seller, buyer = agents_of(trade["seller"]), agents_of(trade["buyer"])

    async def story() -> None:
        token = await minted(trade)
        await seller.license(token, Licence(2, FEE, NOBODY, 0, False, trade.now + WEEK))
        ordered = await buyer.clone(token, most=FEE)
        await seller.deliver_clone(ordered.order)
        assert list(worker(trade).find_due(trade.node.block())) == []
        trade.pass_until((await buyer.clone_order(ordered.order)).deadline)

        done_twice(trade, JobKind.END_CLONE_ORDER, str(ordered.order))

        assert await seller.withdraw() == FEE
        [held] = await buyer.take_clone(ordered.order)
        assert held.data == (await seller.open(token))[0].data

    tell(story)
