"""`apogee agent sell | cancel | buy | deliver | confirm | dispute | settle`: a sale's two sides.

Everything that is signed is shown before. A sale's number, the chain and the wallet's key are
enough to go on after a kill: every command looks at what the chain says of the sale first.
"""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from offchain.agents.onchain_leases import OrderState
from offchain.agents.onchain_market import Sale, SaleState
from offchain.agents.orders import NOBODY, OrderKind
from offchain.agents.refuse import Proven, Refuse, Refused
from offchain.agents.sell import SellWish, sale_of
from offchain.agents.token_view import AgentToken, read_token
from offchain.agents.trade_files import (
    order_text,
    parse_order_text,
    parse_proofs_text,
    proofs_text,
)
from offchain.apps.agent import read_text, traded, traded_in_thread
from offchain.apps.agent_endings import chain_findings, chain_sales
from offchain.apps.agent_home import Trader, trade_clients
from offchain.apps.agent_money import Currency
from offchain.apps.agent_pay import payer_of, price_told, put_in_told
from offchain.apps.agent_quote import (
    CANNOT,
    MOVES,
    Told,
    clock,
    cost_told,
    goods_told,
    require_agreed,
    require_own,
)
from offchain.apps.agent_sale_told import (
    WAITS,
    money_told,
    purchase_told,
    say_sale,
    shares_told,
)
from offchain.apps.exit_codes import ExitCode
from offchain.apps.files import write_bytes
from offchain.apps.output import say
from offchain.apps.stake import Actor
from offchain.chain.due import is_accepted
from offchain.chain.model import Address, TypedCall, parse_address, show_address
from offchain.core.erasure.choose import choose_engine
from offchain.core.errors import Conflict


class SaleWaits(Conflict):
    """Its time is not over: one of its sides may still act."""

    code = "agents.sale.waits"
    next_step = "Try again after the time that is named; `show --sale` tells who is awaited."


class SaleOver(Conflict):
    """The sale has ended: there is nothing left to do for it."""

    code = "agents.sale.over"
    next_step = "`apogee agent credit` shows what it left you; `apogee agent withdraw` takes it."


@dataclass(frozen=True, slots=True)
class SellFlags:
    """What was typed for an order."""

    price: str
    days: float = 7.0
    end_price: str | None = None
    is_auction: bool = False
    royalty_percent: float = 10.0
    taker: str | None = None
    out: Path | None = None
    currency: str | None = None


def sell(one: Actor, token: int, flags: SellFlags, *, is_agreed: bool) -> int:
    """Let the market lock the token, put the bond in, sign an order; nothing is locked yet."""
    clients, currency = trade_clients(one.network), Currency.named(flags.currency)
    view = read_token(clients, token)
    require_own(one, view)
    wish = _wish(view, flags, currency)
    bond = clients.market.bond_of(wish.price, at=view.block.hash)
    steps = lock_steps(one, token)
    windows = clients.market.windows(at=view.block.hash)
    quote = {
        **goods_told(one, view),
        "price": currency.show(wish.price),
        **({} if wish.end_price is None else {"falls_to": currency.show(wish.end_price)}),
        "kind": wish.kind.name.lower(),
        **shares_told(one, view, wish.price, wish.royalty_max, currency),
        "bond": currency.show(bond),
        "order_ends": clock(wish.end),
        "changes_hands": MOVES,
        "cannot": CANNOT,
        "you_must": f"deliver within {windows.deliver} s of the sale, or the bond is the buyer's",
        **put_in_told(one, clients.market, currency, bond, *steps),
    }
    require_agreed(one, "sell", quote, is_agreed=is_agreed)
    prepare(one, token, bond, currency)
    signed = traded_in_thread(one, lambda trader: trader.sell.order(wish))
    text = order_text(signed)
    if flags.out is None:
        sys.stdout.write(text)
        return ExitCode.DONE
    write_bytes(flags.out, text.encode())
    return one.say(
        {
            "token": token,
            "order": str(flags.out),
            "ends": clock(wish.end),
            "next": f"whoever buys: apogee agent {_taking(wish.kind)} {flags.out}",
        }
    )


def cancel(one: Actor, source: str, *, is_agreed: bool) -> int:
    """Take an order of this wallet back, before anybody has bought or bid."""
    order = parse_order_text(read_text(source)).order
    call = one.network.agent_market.cancel(order.nonce)
    quote = {"token": order.token, "order": "can never be taken again", **cost_told(one, call)}
    require_agreed(one, "cancel", quote, is_agreed=is_agreed)
    receipt = one.send(call, f"agent.cancel:{one.role}:{order.nonce}")
    return one.say({"token": order.token, "state": "cancelled", "gas": receipt.gas_used})


def buy(
    one: Actor, source: str, most: str | None, currency_text: str | None, *, is_agreed: bool
) -> int:
    """Read the order and the file on sale, show everything, pay and lock."""
    signed, currency = parse_order_text(read_text(source)), Currency.named(currency_text)
    limit, clients = None if most is None else currency.parse(most), trade_clients(one.network)

    async def bought(trader: Trader) -> int:
        begun = await asyncio.to_thread(trader.buy.begun, signed)
        if begun is not None:
            say(f"     bought before: sale {begun}")
            return begun
        found = await trader.buy.quote(signed, most=limit, currency=currency.address)
        call = clients.market.buy(
            signed.order,
            signed.signature,
            trader.buy.keys.public(bytes(32)),
            value=currency.value(found.price),
        )
        windows = clients.market.windows(at=found.token.block.hash)
        quote = await asyncio.to_thread(purchase_told, one, signed, found.token, found.price)
        quote |= {
            "bundle_bytes": found.length,
            "bundle": "on storage, whole: a wrong delivery can be proven",
            "you_may_object": f"{windows.objection} s after delivery; {windows.show} s to prove",
            "refunded_if_not_delivered": f"{windows.deliver} s after the sale",
            **await asyncio.to_thread(price_told, one, clients.market, currency, found.price, call),
        }
        await asyncio.to_thread(require_agreed, one, "buy", quote, is_agreed=is_agreed)
        return await trader.buy.buy(signed, price=found.price)

    sale = traded(one, bought)
    return say_sale(one, sale)


def deliver(one: Actor, sale: int, out: Path | None, *, is_agreed: bool) -> int:
    """Lead the oracles for a sale of this wallet; show the proofs on chain, or write them out."""
    clients = trade_clients(one.network)
    found = sale_of(clients, sale)
    if found.state is SaleState.LOCKED:
        view = read_token(clients, found.token)
        require_own(one, view)
        quote = {
            **goods_told(one, view),
            **money_told(found),
            "to": show_address(Address(found.buyer)),
            "until": clock(found.until),
            "signs": "nothing of yours: the buyer shows the proofs" if out else "the delivery",
            "binds": "the buyer, who may object" if out is None else "nobody before he takes it",
            "stores": "the new file, for pay",
        }
        require_agreed(one, "deliver", quote, is_agreed=is_agreed)
    if out is None:
        traded(one, lambda trader: trader.sell.hand_over(sale))
        return say_sale(one, sale)
    proofs = traded(one, lambda trader: trader.sell.prove(sale))
    write_bytes(out, proofs_text(proofs).encode())
    told = {"sale": sale, "proofs": str(out)}
    return one.say({**told, "next": f"its buyer: apogee agent confirm {sale} --proofs {out}"})


def confirm(one: Actor, sale: int, source: str | None, *, is_agreed: bool) -> int:
    """Fetch what came, open it, compare it, and take it."""
    proofs = None if source is None else parse_proofs_text(read_text(source))
    clients = trade_clients(one.network)
    found = sale_of(clients, sale)
    if not found.state.is_final:
        quote = {
            **goods_told(one, read_token(clients, found.token)),
            **money_told(found),
            "checked_first": "what came is opened and compared; garbage is not taken",
            "then_final": "the seller is paid, you own it; no objection after that",
            "until": clock(found.until),
        }
        require_agreed(one, "confirm", quote, is_agreed=is_agreed)
    opened = traded(one, lambda trader: trader.buy.take(sale, proofs))
    ended = sale_of(clients, sale)
    return one.say(
        {
            "sale": sale,
            "state": ended.state.name.lower(),
            "token": ended.token,
            "bytes": sum(len(each.data) for each in opened),
            "content": "what was sold, under a key that nobody had before",
            "next": f"apogee agent run {ended.token}",
        }
    )


def dispute(one: Actor, sale: int, *, is_late: bool, is_agreed: bool) -> int:
    """Prove what came false, take the refund, have whoever signed it punished.

    `is_late`: object first, against a bond, because the proof needs more time.
    """
    found = sale_of(trade_clients(one.network), sale)
    if not found.state.is_final:
        quote: Told = {
            **money_told(found),
            "if_it_is_false": "price and the seller's bond are yours, oracles are punished",
            "if_it_is_right": "nothing is sent",
            **(_bond_told(one, found) if is_late else {}),
            "until": clock(found.until),
            "proof_reveals": "this purchase's key or one 64 KiB chunk of what came",
        }
        require_agreed(one, "dispute", quote, is_agreed=is_agreed)

    async def refused(trader: Trader) -> Refused[Sale]:
        refuse = Refuse(trader.buy, one.network.delivery_proofs, choose_engine, trader.buy.send)
        if is_late:
            await refuse.object(sale)
        return await refuse.refuse(sale)

    ended = traded(one, refused)
    return one.say({"sale": sale, **refused_told(one, ended.proven, ended.ended.state)})


def refused_told(one: Actor, proven: Proven, state: SaleState | OrderState) -> Told:
    """How a dispute ended, once those who signed falsely are punished."""
    return {
        "state": state.name.lower(),
        "proven": ", ".join(proven.kinds) or None,
        "oracles_punished": punished(one, proven.digests),
        "next": "apogee agent withdraw",
    }


def punished(one: Actor, digests: tuple[bytes, ...]) -> int:
    """Have the signers of false deliveries slashed; of how many deliveries that was done now."""
    findings, count = chain_findings(one.network), 0
    for digest in digests:
        block = one.network.node.block()
        call = findings.punish_call(digest, block)
        if call and is_accepted(one.network.node, call, one.address, block.hash):
            one.send(call, one.unique_key(f"agent.punish:{digest.hex()}"))
            count += 1
    return count


def settle(one: Actor, sale: int, *, is_agreed: bool) -> int:
    """Move a sale on by whatever time or a proof has decided; by anybody.

    Raises: SaleOver, SaleWaits.
    """
    clients = trade_clients(one.network)
    found, block = sale_of(clients, sale), clients.node.block()
    if found.state.is_final:
        raise SaleOver(sale=sale, state=found.state.name.lower())
    for call in chain_sales(one.network).endings(sale, block):
        if is_accepted(clients.node, call, one.address, block.hash):
            return _end(one, sale, found, call, is_agreed=is_agreed)
    state = found.state.name.lower()
    raise SaleWaits(sale=sale, state=state, until=clock(found.until), waits=WAITS[found.state])


def lock_steps(one: Actor, token: int) -> list[TypedCall]:
    """What lets the market lock a token, if it may not yet."""
    network = one.network
    market = network.agent_market.address
    is_let = network.agents.get_approved(token, at=one.at) == market
    return [] if is_let else [network.agents.approve(market, token)]


def prepare(one: Actor, token: int, bond: int, currency: Currency) -> None:
    """Let the market lock a token, and put in what is missing of its bond."""
    for call in lock_steps(one, token):
        one.send(call, one.unique_key(f"agent.approve:{token}"))
    market, name = one.network.agent_market, f"agent.bond:{one.role}:{token}"
    payer_of(one).pay_in(market, currency.address, bond, name=name)


def _wish(view: AgentToken, flags: SellFlags, currency: Currency) -> SellWish:
    price = currency.parse(flags.price)
    wish = SellWish(
        token=view.id,
        price=price,
        end=view.block.timestamp + int(flags.days * 86_400),
        currency=currency.address,
        royalty_max=round(flags.royalty_percent * 100),
        taker=NOBODY if flags.taker is None else bytes(parse_address(flags.taker)),
    )
    if flags.is_auction:
        return replace(wish, kind=OrderKind.ENGLISH, min_step=500)
    if flags.end_price is None:
        return wish
    return replace(wish, kind=OrderKind.DUTCH, end_price=currency.parse(flags.end_price))


def _bond_told(one: Actor, sale: Sale) -> Told:
    """What objecting without a proof puts at risk."""
    currency, market = Currency(sale.currency), one.network.agent_market
    told: Told = {"bond_at_risk": currency.show(sale.bond)}
    return told | ({} if currency.is_coin else put_in_told(one, market, currency, sale.bond))


def _end(one: Actor, sale: int, found: Sale, call: TypedCall, *, is_agreed: bool) -> int:
    does = {
        "refund_false": "proven false: price and the seller's bond go to the buyer",
        "settle": "the buyer said nothing or proved nothing: he gets the agent, the seller is paid",
        "close": "the auction's time is over: the token locks for the highest bid, or it goes back",
        "refund": "nobody delivered or settled in time: everybody is paid back, the seller's bond "
        "goes to the buyer if it was the seller who was late",
    }
    quote = {**money_told(found), "ends_by": does[call.function], **cost_told(one, call)}
    require_agreed(one, "settle", quote, is_agreed=is_agreed)
    one.send(call, one.unique_key(f"agent.{call.function}:{sale}"))
    return say_sale(one, sale)


def _taking(kind: OrderKind) -> str:
    return "bid" if kind is OrderKind.ENGLISH else "buy"
