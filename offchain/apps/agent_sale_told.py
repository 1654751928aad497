"""Sales of agents as they are shown: money, moments, what is awaited, and what to do next."""

from typing import Final

from offchain.agents.onchain_market import Sale, SaleState
from offchain.agents.sell import sale_of
from offchain.agents.token_view import AgentToken
from offchain.agents.trade_files import SignedOrder
from offchain.apps.agent_home import trade_clients
from offchain.apps.agent_money import Currency
from offchain.apps.agent_quote import CANNOT, MOVES, Told, clock, goods_told
from offchain.apps.stake import Actor
from offchain.chain.model import Address, show_address

BPS: Final = 10_000
WAITS: Final = {
    SaleState.AUCTION: "bids; after that anybody: apogee agent settle",
    SaleState.LOCKED: "its seller: apogee agent deliver; after that anybody: apogee agent settle",
    SaleState.DELIVERED: "its buyer: apogee agent confirm, or dispute; after that anybody: settle",
    SaleState.DISPUTED: "the buyer's proof: apogee agent dispute; after that anybody: settle",
    SaleState.SETTLED: None,
    SaleState.REFUNDED: None,
}


def sale_told(one: Actor, number: int, sale: Sale, now: int) -> Told:
    """A sale, what it waits for, and until when."""
    return {
        "sale": number,
        "state": sale.state.name.lower(),
        "token": sale.token,
        "seller": show_address(Address(sale.seller)),
        "buyer": show_address(Address(sale.buyer)),
        **money_told(sale),
        "until": None if sale.state.is_final else clock(sale.until),
        "seconds_left": None if sale.state.is_final else max(0, sale.until - now),
        "waits_for": WAITS[sale.state],
        "next": _next(one, number, sale, now),
    }


def purchase_told(one: Actor, signed: SignedOrder, view: AgentToken, price: int) -> Told:
    """What whoever buys should know of an order for a token."""
    order, currency = signed.order, Currency(signed.order.currency)
    return {
        **goods_told(one, view),
        "seller": show_address(Address(order.seller)),
        "price": currency.show(price),
        **shares_told(one, view, price, order.royalty_max, currency),
        "changes_hands": MOVES,
        "cannot": CANNOT,
        "order_ends": clock(order.end),
    }


def shares_told(
    one: Actor, view: AgentToken, price: int, royalty_max: int, currency: Currency
) -> Told:
    """Where a price goes."""
    network, at = one.network, view.block.hash
    fee = price * network.agent_market.fee_bps(at=at) // BPS
    receiver, royalty = network.agents.royalty_info(view.id, price, at=at)
    royalty = min(royalty, price * royalty_max // BPS, price - fee)
    return {
        "of_it_fee": currency.show(fee),
        "of_it_royalty": currency.show(royalty),
        "royalty_to": show_address(Address(receiver)),
        "to_seller": currency.show(price - fee - royalty),
    }


def money_told(sale: Sale) -> Told:
    """What a sale holds."""
    currency = Currency(sale.currency)
    return {"price": currency.show(sale.price), "bond": currency.show(sale.bond)}


def say_sale(one: Actor, sale: int) -> int:
    """A sale and what it waits for."""
    clients = trade_clients(one.network)
    return one.say(sale_told(one, sale, sale_of(clients, sale), clients.node.block().timestamp))


def _next(one: Actor, number: int, sale: Sale, now: int) -> str | None:
    """What whoever asks can do next."""
    if sale.state.is_final:
        owed = one.network.agent_market.credit_of(one.address, sale.currency, at=one.at)
        return "apogee agent withdraw" if owed else None
    if now > sale.until:
        return f"apogee agent settle {number}"
    is_buyer, is_seller = one.address == sale.buyer, one.address == sale.seller
    if sale.state is SaleState.LOCKED and is_seller:
        return f"apogee agent deliver {number}"
    if sale.state is SaleState.LOCKED and is_buyer:
        return f"apogee agent confirm {number} --proofs FILE, with what the seller gives you"
    if sale.state is SaleState.DELIVERED and is_buyer:
        return f"apogee agent confirm {number}"
    if sale.state is SaleState.DISPUTED and is_buyer:
        return f"apogee agent dispute {number}"
    return f"wait until {clock(sale.until)}"
