"""Prices in a token: approved exactly, put in, paid; by commands and programs, killed anywhere."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.agents.onchain_leases import Licence, RentTerms
from offchain.agents.orders import bond_of
from offchain.agents.sell import SellWish
from offchain.agents.trade_errors import AllowanceStuck, FundsShort
from offchain.agents.trade_files import order_text, parse_order_text
from offchain.apps import stake
from offchain.chain.erc20 import NotAToken
from offchain.chain.model import Address, TypedCall, show_address
from offchain.chain.sender import TransactionSender
from tests.support.trade_agents import agents_of
from tests.support.trade_commands import Desk, a_desk
from tests.support.trade_gates import Killed
from tests.support.trade_world import (
    PRICE,
    WEEK,
    Person,
    TradeWorld,
    TwinClient,
    a_wish,
    minted,
)

RENT = 7  # base units a second
TOKENS = ("tether", "plain")


@pytest.fixture
def desk(
    trade: TradeWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    yield a_desk(trade, tmp_path / "home", capsys, monkeypatch)


def token_named(world: TradeWorld, name: str) -> TwinClient:
    return {"tether": world.tether, "plain": world.plain}[name]


def given(one: Person, token: TwinClient, amount: int) -> None:
    one.act(token.call("mint", one.address, amount))


def allowance(one: Person, token: TwinClient, spender: bytes) -> int:
    return token.read(int, "allowance", one.address, spender, at=one.world.at)


def approvals(world: TradeWorld, token: TwinClient) -> int:
    return token.read(int, "approvals", at=world.at)


def sent(one: Person) -> int:
    """Transactions of a wallet."""
    return one.world.node.nonce(Address(one.address), at=one.world.at)


def approve(token: TwinClient, spender: bytes, amount: int) -> TypedCall:
    return token.call("approve", spender, amount)


def an_order(world: TradeWorld, token: TwinClient, path: Path, **changes: object) -> int:
    """A token of the seller's, on sale for a price in a token; its bond is in."""
    seller = world["seller"]
    number = asyncio.run(minted(seller, text=token.contract))
    given(seller, token, bond_of(PRICE))
    payer = seller.buy.payer
    payer.pay_in(world.market, token.address, bond_of(PRICE), name="bond")
    order = seller.sell.order(a_wish(world, number, currency=token.address, **changes))
    path.write_text(order_text(order))
    return number


# what a command shows, sends and leaves


@pytest.mark.parametrize("name", TOKENS)
def test_buy__in_a_token__shows_the_approval_then_sends_it_exactly(
    desk: Desk, tmp_path: Path, name: str
) -> None:
    world, path = desk.world, tmp_path / "order.json"
    token, buyer = token_named(world, name), world["buyer"]
    an_order(world, token, path)
    given(buyer, token, PRICE)
    shown = show_address(Address(token.address))
    before = sent(buyer)

    quote = desk.type("buyer", "buy", path, "--currency", shown)
    told = desk("buyer", "buy", path, "--currency", shown)
    again = desk("buyer", "buy", path, "--currency", shown)

    assert quote.code == 7
    assert f"may take {PRICE} base units of {shown}, no more\n" in quote.told
    assert "sends_first                allow, deposit" in quote.told
    assert (told["state"], again) == ("locked", told)
    assert sent(buyer) == before + 3  # allow, deposit, buy
    assert allowance(buyer, token, world.market.address) == 0
    held = token.read(int, "balanceOf", world.market.address, at=world.at)
    assert held == world.owed(token.address)
    desk("seller", "deliver", told["sale"])
    assert desk("buyer", "confirm", told["sale"])["state"] == "settled"
    assert desk("seller", "withdraw", "--currency", shown)["left"].startswith("0 base units")


def test_buy__an_allowance_stands__zero_first_where_the_token_wants_it(
    desk: Desk, tmp_path: Path
) -> None:
    world, path = desk.world, tmp_path / "order.json"
    buyer = world["buyer"]
    for token, steps in ((world.tether, "clear, allow, deposit"), (world.plain, "allow, deposit")):
        an_order(world, token, path)
        given(buyer, token, PRICE)
        buyer.act(approve(token, world.market.address, 5))
        shown = show_address(Address(token.address))
        quote = desk.type("buyer", "buy", path, "--currency", shown)

        told = desk("buyer", "buy", path, "--currency", shown)

        assert f"sends_first                {steps}\n" in quote.told
        assert told["state"] == "locked"
        assert allowance(buyer, token, world.market.address) == 0


def test_buy__allowed_and_paid_in_already__sends_only_what_is_missing(
    desk: Desk, tmp_path: Path
) -> None:
    world, path, token = desk.world, tmp_path / "order.json", desk.world.plain
    buyer = world["buyer"]
    an_order(world, token, path)
    given(buyer, token, PRICE)
    buyer.buy.payer.pay_in(world.market, token.address, 3, name="some of it")
    buyer.act(approve(token, world.market.address, 2 * PRICE))
    counted = approvals(world, token)

    told = desk("buyer", "buy", path, "--currency", show_address(Address(token.address)))

    assert told["state"] == "locked"
    assert approvals(world, token) == counted
    assert allowance(buyer, token, world.market.address) == PRICE + 3
    assert buyer.credit(token.address) == 0


def test_buy__token_takes_a_fee__is_refused_and_its_approval_taken_back(
    desk: Desk, tmp_path: Path
) -> None:
    world, path, token = desk.world, tmp_path / "order.json", desk.world.tether
    buyer, shown = world["buyer"], show_address(Address(token.address))
    an_order(world, token, path)
    given(buyer, token, PRICE)
    buyer.act(token.call("set_fee", 100))

    first = desk.refused("buyer", "buy", path, "--currency", shown, code=5)
    second = desk.refused("buyer", "buy", path, "--currency", shown, code=5)

    assert first["code"] == second["code"] == "agents.market.currency_refused"
    assert "Trade in a token that moves what it is told to." in str(first["next_step"])
    assert allowance(buyer, token, world.market.address) == 0
    assert token.read(int, "balanceOf", buyer.address, at=world.at) == PRICE
    buyer.act(token.call("set_fee", 0))
    assert desk("buyer", "buy", path, "--currency", shown)["state"] == "locked"


def test_rent__token_takes_a_fee__is_refused_and_its_approval_taken_back(desk: Desk) -> None:
    world, token = desk.world, desk.world.tether
    buyer, seller = world["buyer"], world["seller"]
    number = asyncio.run(minted(seller))
    terms = RentTerms(RENT, token.address, 60, 3_600, world.now + WEEK)
    seller.lease.let(number, terms, name="let")
    given(buyer, token, PRICE)
    buyer.act(token.call("set_fee", 100))
    shown = show_address(Address(token.address))

    error = desk.refused("buyer", "rent", number, 600, "--currency", shown, code=5)

    assert error["code"] == "agents.lease.currency_refused"
    assert allowance(buyer, token, world.leases.address) == 0


def test_buy__token_that_cannot_pay__is_refused_before_anything_is_sent(
    desk: Desk, tmp_path: Path
) -> None:
    world, path, token = desk.world, tmp_path / "order.json", desk.world.tether
    buyer, shown = world["buyer"], show_address(Address(token.address))
    an_order(world, token, path)
    given(buyer, token, PRICE - 1)
    before = sent(buyer)

    short = desk.refused("buyer", "buy", path, "--currency", shown, code=7)
    coin = desk.refused("buyer", "buy", path, code=7)
    none = desk.refused("buyer", "deposit", 5, "--currency", world["rival"].address.hex(), code=2)

    assert short["code"] == FundsShort.code
    assert "more of this token" in str(short["next_step"])
    assert coin["code"] == "agents.order.currency"
    assert none["code"] == NotAToken.code
    assert sent(buyer) == before


def test_pay_in__token_is_deaf__stops_after_one_approval(trade: TradeWorld) -> None:
    buyer, token = trade["buyer"], trade.tether
    given(buyer, token, PRICE)
    buyer.act(token.call("set_deaf", True))
    before = sent(buyer)

    with pytest.raises(AllowanceStuck):
        buyer.buy.payer.pay_in(trade.market, token.address, PRICE, name="deaf")

    assert sent(buyer) == before + 1


@pytest.mark.parametrize("name", TOKENS)
def test_commands__in_a_token__bid_rent_clone_offer_and_deposit_pay_in_first(
    desk: Desk, tmp_path: Path, name: str
) -> None:
    world, path = desk.world, tmp_path / "file.json"
    token, buyer, seller = token_named(world, name), world["buyer"], world["seller"]
    shown = show_address(Address(token.address))
    coin = ("--currency", shown)
    given(buyer, token, 10 * PRICE)
    given(seller, token, 10 * PRICE)
    number = asyncio.run(minted(seller))
    end = world.now + WEEK
    seller.lease.let(number, RentTerms(RENT, token.address, 60, 3_600, end), name="let")
    seller.lease.license(number, Licence(2, 500, token.address, 0, False, end), name="license")

    rented = desk("buyer", "rent", number, 600, *coin)
    cloned = desk("buyer", "clone", number, *coin)
    put_in = desk("buyer", "deposit", 70, *coin)
    desk("buyer", "offer", number, 100, "--out", path, *coin)
    taken = desk("seller", "take", path, *coin)
    auctioned = asyncio.run(minted(seller, text="another"))
    desk("seller", "sell", auctioned, 500, "--auction", "--days", 1, "--out", path, *coin)
    bid = desk("buyer", "bid", path, 600, *coin)
    counted = sent(buyer)
    again = desk("buyer", "bid", path, 600, *coin)

    assert rented["held"] == f"{600 * RENT} base units of {shown}"
    assert cloned["fee"] == f"500 base units of {shown}"
    assert put_in["credit"] == f"70 base units of {shown}"
    assert (taken["state"], bid["state"], again["sale"]) == ("locked", "auction", bid["sale"])
    assert sent(buyer) == counted
    for till in (world.market, world.leases):
        assert allowance(buyer, token, till.address) == 0
        assert allowance(seller, token, till.address) == 0
    assert buyer.credit(token.address) == 0


# kills


def test_crash__paying_in_a_token__the_same_command_ends_the_same(trade: TradeWorld) -> None:
    buyer, token = trade["buyer"], trade.tether
    path = trade.folder / "order.json"
    an_order(trade, token, path)
    given(buyer, token, 3 * PRICE)
    buyer.act(approve(token, trade.market.address, 5))
    signed = parse_order_text(path.read_text())
    trade.remember()
    before = sent(buyer)
    buyer.gate.set()

    async def act() -> int:
        known = buyer.buy.begun(signed)
        return known or await buyer.buy.buy(signed, price=PRICE)

    asyncio.run(act())
    told = list(buyer.gate.told)
    assert told == ["signed", "sent"] * 4  # clear, allow, deposit, buy

    for deadly in range(1, len(told) + 1):
        trade.go_back()
        buyer.gate.set(deadly)
        with pytest.raises(Killed):
            asyncio.run(act())
        buyer.open()
        assert asyncio.run(act()) == 1
        assert sent(buyer) == before + 4, f"killed after {deadly}"
        assert buyer.credit(token.address) == 0
        assert allowance(buyer, token, trade.market.address) == 0
        assert token.read(int, "balanceOf", buyer.address, at=trade.at) == 2 * PRICE


def test_pay_in__again_and_again_for_the_same__is_put_in_each_time(trade: TradeWorld) -> None:
    buyer, token, payer = trade["buyer"], trade.tether, trade["buyer"].buy.payer
    given(buyer, token, 3 * PRICE)
    for _ in range(3):
        payer.pay_in(trade.market, token.address, PRICE, name="the same")
        payer.pay_in(trade.market, token.address, PRICE, name="the same")
        assert buyer.credit(token.address) == PRICE
        buyer.act(trade.market.withdraw(token.address, PRICE, trade["rival"].address))

    assert token.read(int, "balanceOf", buyer.address, at=trade.at) == 0


# programs


def test_sdk__price_in_a_token__is_approved_and_put_in(trade: TradeWorld) -> None:
    token, world = trade.tether, trade
    for name in ("seller", "buyer"):
        given(world[name], token, 2 * PRICE)
    seller, buyer = agents_of(world["seller"]), agents_of(world["buyer"])

    async def story() -> None:
        number = await minted(world["seller"])
        wish = SellWish(number, PRICE, world.now + WEEK, currency=token.address)
        order = await seller.sell(wish)
        sale = await buyer.buy(order, max_price=PRICE, currency=token.address)
        assert await buyer.put_in(50, currency=token.address) == 0
        assert await buyer.put_in(50, currency=token.address) == 50
        await buyer.deposit(50, currency=token.address)
        await seller.deliver(sale)
        await buyer.take(sale)

    asyncio.run(story())

    assert world["buyer"].credit(token.address) == 100
    assert world["seller"].credit(token.address) > PRICE * 9 // 10
    assert allowance(world["buyer"], token, world.market.address) == 0


# what happens as often as it is typed


class Dead(BaseException):
    """The process ends here: nothing is told, nothing is tidied up."""


@pytest.mark.parametrize("place", ["before it is told", "before it is awaited"])
def test_deposit_and_withdraw__killed_and_typed_again__happen_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    world, token = desk.world, desk.world.tether
    buyer, coin = world["buyer"], ("--currency", show_address(Address(desk.world.tether.address)))
    given(buyer, token, 1_000)

    def typed_and_killed(*words: object) -> None:
        with monkeypatch.context() as patch, pytest.raises(Dead):
            die(patch, place)
            desk("buyer", *words, *coin)

    typed_and_killed("deposit", 70)
    first = desk("buyer", "deposit", 70, *coin)
    second = desk("buyer", "deposit", 70, *coin)
    typed_and_killed("withdraw", 30)
    out = desk("buyer", "withdraw", 30, *coin)
    more = desk("buyer", "withdraw", 30, *coin)

    told = [one["begun_before"] for one in (first, second, out, more)]
    assert told == [True, False, True, False]
    assert buyer.credit(token.address) == 2 * 70 - 2 * 30
    assert token.read(int, "balanceOf", buyer.address, at=world.at) == 1_000 - 80
    assert not list((desk.home.root / "agents" / "begun").iterdir())


def test_fund__killed_and_typed_again__happens_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = asyncio.run(minted(desk.world["seller"]))
    with monkeypatch.context() as patch, pytest.raises(Dead):
        die(patch, "before it is told")
        desk.ask("seller", "fund", number, "5wei")

    first = desk.ask("seller", "fund", number, "5wei")
    second = desk.ask("seller", "fund", number, "5wei")

    assert (first["begun_before"], first["balance"]) == (True, "0.000000000000000005")
    assert (second["begun_before"], second["balance"]) == (False, "0.00000000000000001")
    assert desk.ask("seller", "runs", number) == {"runs": []}


def test_deposit__refused__is_forgotten_and_begins_anew(desk: Desk) -> None:
    world, token = desk.world, desk.world.tether
    coin = ("--currency", show_address(Address(token.address)))
    given(world["buyer"], token, 700)
    world["buyer"].act(token.call("set_fee", 100))
    desk.refused("buyer", "deposit", 700, *coin, code=5)
    world["buyer"].act(token.call("set_fee", 0))

    assert desk("buyer", "deposit", 700, *coin)["begun_before"] is False


def die(patch: pytest.MonkeyPatch, place: str) -> None:
    """From now on a process ends at this place."""

    def dead(*_: object, **__: object) -> None:
        raise Dead

    if place == "before it is told":
        patch.setattr(stake, "print_result", dead)
    else:
        patch.setattr(TransactionSender, "wait", dead)
