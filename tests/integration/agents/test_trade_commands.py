"""`apogee agent dispute | take | settle | clone-dispute | clone-settle`, typed as they are.

What people read, what programs read, how each command ends, and what it says to do next.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.agents.onchain_leases import Licence, OrderState
from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import NOBODY, bond_of
from offchain.agents.refuse_clone import RefuseClone
from offchain.chain.model import Address, show_address
from tests.support.trade_commands import Desk, a_desk
from tests.support.trade_lies import Lie, flipped, forged, forged_clone
from tests.support.trade_world import PRICE, WEEK, TradeWorld, minted, ordered

FEE = 1_000_003


@pytest.fixture
def desk(
    trade: TradeWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    yield a_desk(trade, tmp_path / "home", capsys, monkeypatch)


def a_locked_sale(world: TradeWorld) -> int:
    seller, buyer = world["seller"], world["buyer"]
    token = asyncio.run(minted(seller))
    return asyncio.run(buyer.buy.buy(ordered(seller, token), price=PRICE))


def delivered_garbage(world: TradeWorld) -> int:
    """A sale whose delivery three oracles signed together, and which opens to nothing."""
    sale = a_locked_sale(world)
    lie = forged(world, world["seller"], sale, Lie(spoil=flipped))
    asyncio.run(world["seller"].sell.deliver(sale, lie))
    return sale


def ordered_clone(world: TradeWorld) -> int:
    """A clone that the buyer has paid for."""
    seller = world["seller"]
    token = asyncio.run(minted(seller))
    licence = Licence(2, FEE, NOBODY, 500, False, world.now + WEEK)
    seller.lease.license(token, licence, name=f"license {token}")
    return world["buyer"].lease.order_clone(token, most=FEE).order


# dispute


def test_dispute__garbage__is_proven_refunded_and_punished(desk: Desk) -> None:
    sale = delivered_garbage(desk.world)
    wrong = desk.refused("buyer", "confirm", sale, code=4)
    assert wrong["code"] == "agents.delivery.wrong"
    assert "apogee agent dispute" in str(wrong["next_step"])

    told = desk("buyer", "dispute", sale)

    assert told == {
        "sale": sale,
        "state": "refunded",
        "proven": "CONTENT",
        "oracles_punished": 1,
        "next": "apogee agent withdraw",
    }
    assert desk.world["buyer"].credit() == PRICE + bond_of(PRICE)
    assert desk.world.held() == desk.world.owed()


def test_dispute__typed_again_after_it_ended__sends_nothing(desk: Desk) -> None:
    sale = delivered_garbage(desk.world)
    desk("buyer", "dispute", sale)
    height = desk.world.node.block().number

    told = desk("buyer", "dispute", sale)

    assert (told["state"], told["proven"], told["oracles_punished"]) == ("refunded", None, 0)
    assert desk.world.node.block().number == height


def test_dispute__for_people__shows_what_is_at_stake_before_and_after(desk: Desk) -> None:
    sale = delivered_garbage(desk.world)

    unagreed = desk.type("buyer", "dispute", sale)
    agreed = desk.type("buyer", "dispute", sale, "--yes")

    assert (unagreed.code, agreed.code) == (7, 0)
    assert "Repeat with --yes after reading the quote." in unagreed.told
    assert "price and the seller's bond are yours" in unagreed.told
    assert "next              apogee agent withdraw" in agreed.out
    assert "proven            CONTENT" in agreed.out


def test_dispute__of_what_was_sold__is_refused_and_confirm_is_named(desk: Desk) -> None:
    sale = a_locked_sale(desk.world)
    before = desk.refused("buyer", "dispute", sale, code=3)
    assert before["code"] == "agents.sale.not_here"
    desk("seller", "deliver", sale)

    right = desk.refused("buyer", "dispute", sale, code=7)
    stranger = desk.refused("stranger", "dispute", sale, code=3)

    assert right["code"] == "agents.delivery.right"
    assert "apogee agent confirm" in str(right["next_step"])
    assert stranger["code"] == "agents.sale.not_here"
    assert desk("buyer", "confirm", sale)["state"] == "settled"
    assert desk.refused("buyer", "dispute", sale, code=3)["code"] == "agents.sale.not_here"


def test_dispute__late__objects_against_a_bond_and_has_it_back(desk: Desk) -> None:
    world, bond = desk.world, bond_of(PRICE)
    sale = a_locked_sale(world)
    desk("seller", "deliver", sale)

    right = desk.refused("buyer", "dispute", sale, "--late", code=7)
    told = desk.ask("buyer", "show", "--sale", sale)
    early = desk.refused("stranger", "settle", sale, code=7)
    world.pass_until(world.sale(sale).until)
    desk("stranger", "settle", sale)

    assert right["code"] == "agents.delivery.right"
    assert (told["state"], told["next"]) == ("disputed", f"apogee agent dispute {sale}")
    assert early["code"] == "agents.sale.waits"
    assert world.sale(sale).state is SaleState.SETTLED
    assert world["seller"].credit() > PRICE * 9 // 10 + 2 * bond  # his, and the objector's
    assert world.held() == world.owed()


# take


def an_offer(desk: Desk, path: Path, price: int = PRICE) -> int:
    token = asyncio.run(minted(desk.world["seller"]))
    desk("buyer", "offer", token, f"{price}wei", "--out", path)
    return token


def test_take__offer__locks_once_and_names_what_has_to_follow(desk: Desk, tmp_path: Path) -> None:
    world, path = desk.world, tmp_path / "offer.json"
    token = an_offer(desk, path)
    other = desk.refused("rival", "take", path, code=7)

    told = desk("seller", "take", path)
    again = desk("seller", "take", path)

    sale = int(told["sale"])
    assert other["code"] == "agents.token.not_yours"
    assert again == told
    assert (told["state"], told["next"]) == ("locked", f"apogee agent deliver {sale}")
    assert world.market.sale_count(at=world.at) == 1
    assert desk("seller", "deliver", sale)["state"] == "delivered"
    assert desk("buyer", "confirm", sale)["next"] == f"apogee agent run {token}"
    assert world.owner(token) == world["buyer"].address
    assert world.held() == world.owed()


def test_take__price_that_was_withdrawn__is_refused_and_nothing_is_locked(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "offer.json"
    token = an_offer(desk, path)
    desk("buyer", "withdraw")

    error = desk.refused("seller", "take", path, code=7)

    assert error["code"] == "agents.offer.unpaid"
    assert "apogee agent deposit" in str(error["next_step"])
    assert desk.world["seller"].credit() == 0
    assert not desk.world.nft.is_locked(token, at=desk.world.at)


# auctions


def an_auction(desk: Desk, path: Path) -> int:
    """Signed for an hour, with a bid; the sale."""
    token = asyncio.run(minted(desk.world["seller"]))
    desk("seller", "sell", token, "500wei", "--auction", "--days", 1 / 24, "--out", path)
    return int(desk("buyer", "bid", path, "600wei")["sale"])


def test_settle__auction_with_a_bid__locks_for_the_highest_after_its_time(
    desk: Desk, tmp_path: Path
) -> None:
    world, path = desk.world, tmp_path / "auction.json"
    sale = an_auction(desk, path)
    low = desk.refused("rival", "bid", path, "601wei", code=7)
    desk("rival", "bid", path, "700wei")
    early = desk.refused("stranger", "settle", sale, code=7)
    world.pass_until(world.sale(sale).until)

    told = desk("stranger", "settle", sale)

    assert low["code"] == "agents.market.bid_too_low"
    assert early["code"] == "agents.sale.waits"
    assert str(early["next_step"]).startswith("Try again after the time")
    assert (told["state"], told["buyer"]) == (
        "locked",
        show_address(Address(world["rival"].address)),
    )
    assert world["buyer"].credit() == 600
    desk("seller", "deliver", sale)
    assert desk("rival", "confirm", sale)["state"] == "settled"
    over = desk.refused("stranger", "settle", sale, code=7)
    assert over["code"] == "agents.sale.over"
    assert world.held() == world.owed()


def test_settle__auction_whose_goods_moved__pays_the_bidder_with_the_bond(
    desk: Desk, tmp_path: Path
) -> None:
    world = desk.world
    sale = an_auction(desk, tmp_path / "auction.json")
    world["seller"].act(world.nft.approve(NOBODY, world.sale(sale).token))
    world.pass_until(world.sale(sale).until)

    told = desk("stranger", "settle", sale)

    assert told["state"] == "refunded"
    assert world["buyer"].credit() == 600 + bond_of(500)
    assert world.held() == world.owed()


# clones


async def prove_only(world: TradeWorld, order: int) -> None:
    """The buyer proves a clone false, and his process dies before he takes the fee."""
    one = world["buyer"]
    refusal = RefuseClone(one.lease, one.refuse)
    record = one.lease.order(order)
    shown = list(refusal.shown(order, record))
    await one.refuse.prove_all(shown, one.lease.secret_of(record))


def delivered_false_clone(world: TradeWorld) -> int:
    order = ordered_clone(world)
    lie = forged_clone(world, world["seller"], order, Lie(spoil=flipped))
    asyncio.run(world["seller"].lease.deliver(order, lie))
    return order


def test_clone_dispute__garbage__fee_is_back_and_oracles_are_punished(desk: Desk) -> None:
    order = delivered_false_clone(desk.world)
    wrong = desk.refused("buyer", "clone-take", order, code=4)
    assert "apogee agent clone-dispute" in str(wrong["next_step"])
    unagreed = desk.type("buyer", "clone-dispute", order)
    assert (unagreed.code, "the fee is yours again" in unagreed.told) == (7, True)

    told = desk("buyer", "clone-dispute", order)
    again = desk("buyer", "clone-dispute", order)

    assert told == {
        "order": order,
        "state": "refunded",
        "proven": "CONTENT",
        "oracles_punished": 1,
        "next": "apogee agent withdraw",
    }
    assert again == told | {"proven": None, "oracles_punished": 0}
    assert desk("buyer", "withdraw")["withdrawn"] == f"0.{FEE:018}"


def test_clone_dispute__of_what_was_ordered__is_refused_and_take_is_named(desk: Desk) -> None:
    order = ordered_clone(desk.world)
    early = desk.refused("buyer", "clone-dispute", order, code=3)
    desk("seller", "clone-deliver", order)

    right = desk.refused("buyer", "clone-dispute", order, code=7)

    assert early["code"] == "agents.clone.not_here"
    assert "apogee agent show --order" in str(early["next_step"])
    assert right["code"] == "agents.clone.right"
    assert "apogee agent clone-take" in str(right["next_step"])
    assert desk.refused("rival", "clone-dispute", order, code=3)["code"] == "agents.clone.not_here"


def test_clone_settle__nobody_delivered__the_fee_is_its_buyers_again(desk: Desk) -> None:
    world = desk.world
    order = ordered_clone(world)
    early = desk.refused("stranger", "clone-settle", order, code=7)
    world.pass_until(world.leases.order(order, at=world.at).deadline)
    quote = desk.type("stranger", "clone-settle", order)

    told = desk("stranger", "clone-settle", order)
    over = desk.refused("stranger", "clone-settle", order, code=7)

    assert early["code"] == "agents.clone.waits"
    assert "its buyer, back" in quote.told
    assert told["state"] == "refunded"
    assert over["code"] == "agents.clone.over"
    assert "apogee agent withdraw" in str(over["next_step"])
    assert world.leases.credit_of(world["buyer"].address, NOBODY, at=world.at) == FEE


def test_clone_settle__buyer_is_silent__its_owner_is_paid(desk: Desk) -> None:
    world = desk.world
    order = ordered_clone(world)
    desk("seller", "clone-deliver", order)
    assert desk.refused("stranger", "clone-settle", order, code=7)["code"] == "agents.clone.waits"
    world.pass_until(world.leases.order(order, at=world.at).deadline)
    quote = desk.type("stranger", "clone-settle", order)

    told = desk("stranger", "clone-settle", order)

    assert "its owner" in quote.told
    assert told["state"] == "settled"
    assert world.leases.credit_of(world["seller"].address, NOBODY, at=world.at) == FEE
    assert desk("buyer", "clone-take", order)["next"].startswith("apogee agent run")


def test_clone_settle__proven_by_somebody__pays_the_buyer_back(desk: Desk) -> None:
    world = desk.world
    order = delivered_false_clone(world)
    asyncio.run(prove_only(world, order))

    told = desk("stranger", "clone-settle", order)

    assert told["state"] == "refunded"
    assert world.leases.order(order, at=world.at).state is OrderState.REFUNDED
