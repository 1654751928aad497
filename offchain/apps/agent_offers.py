"""`apogee agent bid | offer | take`: prices that buyers name.

A bid pays at once and is credit again as soon as somebody bids more. An offer pays when its token's
owner takes it, out of what its buyer has put in. Nothing is paid twice: a command that is repeated
looks for what it did before.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from offchain.agents.delivery_keys import MAX_OFFERS
from offchain.agents.onchain_market import SaleLocked, SaleState
from offchain.agents.orders import Offer, least_bid, market_domain
from offchain.agents.sale_view import wallet_of
from offchain.agents.token_view import read_token
from offchain.agents.trade_errors import OfferUnpaid, OtherCurrency
from offchain.agents.trade_files import (
    SignedOffer,
    SignedOrder,
    offer_text,
    parse_offer_text,
    parse_order_text,
)
from offchain.apps.agent import read_text, traded, traded_in_thread
from offchain.apps.agent_home import Trader, trade_clients
from offchain.apps.agent_money import Currency
from offchain.apps.agent_pay import payer_of, price_told, put_in_told
from offchain.apps.agent_quote import (
    CANNOT,
    MOVES,
    clock,
    goods_told,
    require_agreed,
    require_own,
)
from offchain.apps.agent_sale_told import purchase_told, say_sale, shares_told
from offchain.apps.agent_sales import lock_steps, prepare
from offchain.apps.files import write_bytes
from offchain.apps.output import say
from offchain.apps.stake import Actor
from offchain.chain.event_ranges import events_between
from offchain.core.errors import Conflict


class OffersUsedUp(Conflict):
    """The wallet has signed every offer whose key it could find again."""

    code = "agents.offer.used_up"
    next_step = "Offer with another wallet: --as NAME."


@dataclass(frozen=True, slots=True)
class OfferFlags:
    """What was typed for an offer."""

    price: str
    days: float
    out: Path
    currency: str | None = None


def bid(one: Actor, source: str, amount: str, currency_text: str | None, *, is_agreed: bool) -> int:
    """Bid in an English auction; the price goes in now and comes back when somebody bids more."""
    signed, currency = parse_order_text(read_text(source)), Currency.named(currency_text)
    units = currency.parse(amount)

    async def placed(trader: Trader) -> int:
        quote = await trader.buy.quote(signed, currency=currency.address)
        market = one.network.agent_market
        key = trader.buy.keys.public(bytes(32))
        call = market.bid(
            signed.order, signed.signature, key, amount=units, value=currency.value(units)
        )
        price = partial(price_told, one, market, currency, units, call)
        told = await asyncio.to_thread(purchase_told, one, signed, quote.token, units)
        told |= {
            "bid": told.pop("price"),
            "least": currency.show(await asyncio.to_thread(_least, one, signed)),
            "comes_back": "as credit, at once, when somebody bids more",
            "then": "a late bid prolongs the auction by ten minutes; the highest is sold to",
            **await asyncio.to_thread(price),
        }
        await asyncio.to_thread(require_agreed, one, "bid", told, is_agreed=is_agreed)
        return await trader.buy.bid(signed, amount=units)

    return say_sale(one, traded(one, placed))


def offer(one: Actor, token: int, flags: OfferFlags, *, is_agreed: bool) -> int:
    """Put the price in and sign an offer for a token as it is now; its owner may take it."""
    clients, currency = trade_clients(one.network), Currency.named(flags.currency)
    view, units = read_token(clients, token), currency.parse(flags.price)
    market = clients.market
    account, state = wallet_of(clients, view)
    wish = Offer(
        buyer=one.address,
        collection=clients.nft.address,
        token=token,
        price=units,
        currency=currency.address,
        data_root=view.data_root,
        account=account,
        account_state=state,
        key_hash=bytes(32),
        expiry=view.block.timestamp + int(flags.days * 86_400),
        nonce=_unused_nonce(one),
    )
    quote = {
        **goods_told(one, view),
        "price": currency.show(units),
        **shares_told(one, view, units, 10_000, currency),
        "changes_hands": MOVES,
        "cannot": CANNOT,
        "offer_ends": clock(wish.expiry),
        "may_be_taken": "by the token's owner, without asking again, while data and wallet stay",
        **put_in_told(one, market, currency, units),
    }
    require_agreed(one, "offer", quote, is_agreed=is_agreed)
    name = f"agent.offer:{one.role}:{token}"
    payer_of(one).pay_in(market, currency.address, units, name=name)
    signed = traded_in_thread(one, lambda trader: trader.buy.offer(wish))
    write_bytes(flags.out, offer_text(signed).encode())
    told = {"token": token, "offer": str(flags.out), "ends": clock(wish.expiry)}
    return one.say({**told, "next": f"the token's owner: apogee agent take {flags.out}"})


def take_offer(
    one: Actor,
    source: str,
    royalty_percent: float,
    currency_text: str | None,
    *,
    is_agreed: bool,
) -> int:
    """Sell to whoever made an offer: the token locks, and this wallet has to deliver."""
    signed, currency = parse_offer_text(read_text(source)), Currency.named(currency_text)
    taken = _taken(one, signed)
    if taken is not None:
        say(f"     taken before: sale {taken}")
        return say_sale(one, taken)
    clients, royalty_max = trade_clients(one.network), round(royalty_percent * 100)
    view = read_token(clients, signed.offer.token)
    require_own(one, view)
    price, at = signed.offer.price, view.block.hash
    shown = Currency(signed.offer.currency)
    if currency != shown:
        raise OtherCurrency(currency=shown.address.hex(), meant=currency.address.hex())
    paid_in = clients.market.credit_of(signed.offer.buyer, currency.address, at=at)
    if paid_in < price:
        raise OfferUnpaid(price=shown.show(price), paid_in=shown.show(paid_in))
    bond = clients.market.bond_of(price, at=at)
    quote = {
        **goods_told(one, view),
        "price": shown.show(price),
        **shares_told(one, view, price, royalty_max, shown),
        "bond": shown.show(bond),
        "changes_hands": MOVES,
        "cannot": CANNOT,
        "you_must": f"deliver within {clients.market.windows(at=at).deliver} s, or lose the bond",
        **put_in_told(one, clients.market, shown, bond, *lock_steps(one, view.id)),
    }
    require_agreed(one, "take", quote, is_agreed=is_agreed)
    prepare(one, view.id, bond, shown)

    async def sold(trader: Trader) -> int:
        return await trader.sell.take(
            signed, token_id=view.id, royalty_max=royalty_max, currency=currency.address
        )

    return say_sale(one, traded(one, sold))


def _least(one: Actor, signed: SignedOrder) -> int:
    """What the next bid has to be at least."""
    market, at, order = one.network.agent_market, one.at, signed.order
    domain = market_domain(chain_id=one.network.chain_id, market=market.address)
    number = market.auction_of(order.digest(domain), at=at)
    if not number:
        return order.price
    sale = market.sale(number, at=at)
    is_open = sale.state is SaleState.AUCTION
    return least_bid(sale.price, order.min_step) if is_open else sale.price


def _unused_nonce(one: Actor) -> int:
    """The first whose key this wallet finds again. Raises: OffersUsedUp."""
    market, at = one.network.agent_market, one.at
    for nonce in range(1, MAX_OFFERS + 1):
        if not market.is_used(one.address, nonce, at=at):
            return nonce
    raise OffersUsedUp(offers=MAX_OFFERS)


def _taken(one: Actor, signed: SignedOffer) -> int | None:
    """The sale that this wallet has made of an offer before."""
    clients = trade_clients(one.network)
    domain = market_domain(chain_id=clients.chain_id, market=clients.market.address)
    digest, offer = signed.offer.digest(domain), signed.offer
    span = (clients.first_block, clients.node.block().number)
    indexed = (
        {"token": offer.token, "buyer": offer.buyer} if offer.token else {"buyer": offer.buyer}
    )
    told = events_between(clients.node, clients.market, SaleLocked, span, indexed)
    return next((each.sale for each in told if each.order == digest), None)
