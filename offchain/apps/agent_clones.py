"""`apogee agent clone | clone-deliver | clone-take | clone-dispute | clone-settle`.

The fee of a clone waits in escrow: it is paid when its buyer has opened what came or said nothing
in his time, and comes back when nothing came, or garbage. Each command looks first at what the
chain says of the order, so a repeated one goes on and pays nothing twice.
"""

import asyncio
from typing import Final

from offchain.agents.onchain_leases import CloneOrder, OrderState
from offchain.agents.refuse import Refuse, Refused
from offchain.agents.refuse_clone import RefuseClone
from offchain.agents.seal import public_key_of
from offchain.agents.token_view import read_token
from offchain.agents.trade_errors import CloneNotHere, OtherCurrency, SaleNotHere
from offchain.apps.agent import CLONED, traded, traded_in_thread
from offchain.apps.agent_endings import chain_leases
from offchain.apps.agent_home import Trader, trade_clients
from offchain.apps.agent_leases import leases_of
from offchain.apps.agent_money import Currency
from offchain.apps.agent_pay import price_told
from offchain.apps.agent_quote import (
    NOT_MOVED,
    Told,
    clock,
    cost_told,
    goods_told,
    require_agreed,
)
from offchain.apps.agent_sales import refused_told
from offchain.apps.output import say
from offchain.apps.stake import Actor
from offchain.chain.due import is_accepted
from offchain.chain.model import Address, show_address
from offchain.core.erasure.choose import choose_engine
from offchain.core.errors import Conflict

ANY_KEY: Final = public_key_of((1).to_bytes(32, "big"))  # to ask what an order costs
_WAITING: Final = (OrderState.ORDERED, OrderState.DELIVERED)


class OrderOver(Conflict):
    """The order has ended: its fee is credit by now."""

    code = "agents.clone.over"
    next_step = "`apogee agent credit` shows what it left you; `apogee agent withdraw` takes it."


class OrderWaits(Conflict):
    """Its time is not over: its owner or its buyer may still act."""

    code = "agents.clone.waits"
    next_step = "Try again after the time that is named."


def clone(one: Actor, token: int, most: str | None, paid: str | None, *, is_agreed: bool) -> int:
    """Order a clone; where one is under way already, that one is told and nothing paid."""
    waiting = traded_in_thread(one, lambda trader: leases_of(one, trader).waiting_order(token))
    if waiting is not None:
        say(f"     ordered before: order {waiting.order}")
        return show_order(one, waiting.order)
    view, currency = read_token(trade_clients(one.network), token), Currency.named(paid)
    leases = one.network.agent_leases
    licence = leases.licence_of(token, at=view.block.hash)
    if not licence.max_clones:
        raise SaleNotHere(token=token, missing="licence")
    shown = Currency(licence.currency)
    deliver, look = leases.windows(at=view.block.hash)
    if currency != shown:
        raise OtherCurrency(currency=shown.address.hex(), meant=currency.address.hex())
    value = shown.value(licence.fee)
    call = leases.order_clone(token, ANY_KEY, licence, view.data_root, value_wei=value)
    quote = {
        **goods_told(one, view),
        "fee": shown.show(licence.fee),
        "royalty_percent_of_its_sales": licence.royalty_bps / 100,
        "may_be_cloned_again": licence.may_clone_again,
        "you_get": CLONED,
        "cannot": NOT_MOVED[0],
        "paid_back_if_not_delivered": f"{deliver} s after the order",
        "you_may_prove_it_false": f"{look} s after the delivery",
        **price_told(one, leases, shown, licence.fee, call),
    }
    require_agreed(one, "clone", quote, is_agreed=is_agreed)
    limit = licence.fee if most is None else currency.parse(most)
    ordered = traded_in_thread(
        one,
        lambda trader: leases_of(one, trader).order_clone(
            token, most=limit, currency=currency.address
        ),
    )
    return show_order(one, ordered.order)


def deliver_clone(one: Actor, order: int, *, is_agreed: bool) -> int:
    """As the owner: lead the oracles and make the clone; interrupted, it goes on."""
    found = _order(one, order)
    if found.state is OrderState.ORDERED:
        quote = {
            **goods_told(one, read_token(trade_clients(one.network), found.token)),
            **_order_told(order, found),
            "stores": "the clone's file, for pay",
            "then": "the fee is yours once the buyer has opened it, or his time is over",
        }
        require_agreed(one, "clone-deliver", quote, is_agreed=is_agreed)
    made = traded(one, lambda trader: leases_of(one, trader).hand_over(order))
    return one.say({"order": order, "clone": made, "next": f"its buyer: agent clone-take {order}"})


def take_clone(one: Actor, order: int, *, is_agreed: bool) -> int:
    """As the buyer: open the clone, compare it, let its owner be paid."""
    found = _order(one, order)
    if found.state in _WAITING:
        quote = {
            **_order_told(order, found),
            "checked_first": "the clone is opened and compared; garbage is not paid for",
            "then_final": "its owner is paid; no proof brings the fee back after that",
        }
        require_agreed(one, "clone-take", quote, is_agreed=is_agreed)

    async def taken(trader: Trader) -> Told:
        leases = leases_of(one, trader)
        held = await leases.take(order)
        number = await asyncio.to_thread(leases.clone_of, order)
        size = sum(len(each.data) for each in held)
        run = f"apogee agent run {number}"
        return {"order": order, "token": number, "bytes": size, "next": run}

    return one.say(traded(one, taken))


def dispute_clone(one: Actor, order: int, *, is_agreed: bool) -> int:
    """As the buyer: prove the clone false, have the fee back and its signers punished."""
    found = _order(one, order)
    if found.state in _WAITING:
        quote = {
            **_order_told(order, found),
            "if_it_is_false": "the fee is yours again, oracles are punished",
            "if_it_is_right": "nothing is sent",
            "proof_reveals": "this order's key or one 64 KiB chunk of what came",
        }
        require_agreed(one, "clone-dispute", quote, is_agreed=is_agreed)

    async def refused(trader: Trader) -> Refused[CloneOrder]:
        refuse = Refuse(trader.buy, one.network.delivery_proofs, choose_engine, trader.buy.send)
        return await RefuseClone(leases_of(one, trader), refuse).prove(order)

    ended = traded(one, refused)
    return one.say({"order": order, **refused_told(one, ended.proven, ended.ended.state)})


def settle_clone(one: Actor, order: int, *, is_agreed: bool) -> int:
    """Move an order on by whatever time or a proof has decided; by anybody.

    Raises: OrderOver, OrderWaits.
    """
    found = _order(one, order)
    if found.state not in _WAITING:
        raise OrderOver(order=order, state=found.state.name.lower())
    book, block = chain_leases(one.network), one.network.node.block()
    for call in (book.refund_false_call(order, block), book.end_order_call(order, block)):
        if call and is_accepted(one.network.node, call, one.address, block.hash):
            quote = {
                **_order_told(order, found),
                "pays": "its owner" if call.function == "settle_clone" else "its buyer, back",
                **cost_told(one, call),
            }
            require_agreed(one, "clone-settle", quote, is_agreed=is_agreed)
            one.send(call, one.unique_key(f"agent.{call.function}:{order}"))
            return show_order(one, order)
    state = found.state.name.lower()
    raise OrderWaits(order=order, state=state, until=clock(found.deadline))


def show_order(one: Actor, order: int) -> int:
    """An order of a clone and what it waits for."""
    return one.say(_order_told(order, _order(one, order)))


def _order(one: Actor, number: int) -> CloneOrder:
    """Raises: SaleNotHere."""
    found = one.network.agent_leases.order(number, at=one.at)
    if found.state is OrderState.NONE:
        raise CloneNotHere(order=number)
    return found


def _order_told(number: int, order: CloneOrder) -> Told:
    nexts = {
        OrderState.ORDERED: f"its owner: apogee agent clone-deliver {number}",
        OrderState.DELIVERED: f"its buyer: apogee agent clone-take {number}, or clone-dispute",
    }
    return {
        "order": number,
        "state": order.state.name.lower(),
        "token": order.token,
        "owner": show_address(Address(order.owner)),
        "buyer": show_address(Address(order.buyer)),
        "fee": Currency(order.currency).show(order.fee),
        "until": clock(order.deadline) if order.state in _WAITING else None,
        "next": nexts.get(order.state, "apogee agent withdraw"),
    }
