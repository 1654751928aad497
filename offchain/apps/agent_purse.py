"""`apogee agent deposit | withdraw`: money into the market, and out of it and of the leases.

Both happen as often as they are typed, and once each time: killed in the middle, the same words go
on with what they began (agent_begun.py).
"""

from collections.abc import Mapping

from offchain.agents.onchain_leases import AgentLeasesClient
from offchain.agents.onchain_market import AgentMarketClient, Deposited
from offchain.apps.agent_begun import Begun, begun_before, once
from offchain.apps.agent_money import Currency, owed_to, places
from offchain.apps.agent_pay import payer_of, put_told
from offchain.apps.agent_quote import Told, cost_told, require_agreed
from offchain.apps.stake import Actor
from offchain.chain.event_ranges import events_between
from offchain.chain.model import Address, TypedCall, show_address
from offchain.core.errors import Conflict


class NothingOwed(Conflict):
    """No market owes this wallet anything in this currency."""

    code = "agents.money.nothing_owed"
    next_step = (
        "`apogee agent show --sale SALE` tells what a sale waits for; --currency names another."
    )


class NotThatMuchOwed(Conflict):
    """The markets owe this wallet less than that."""

    code = "agents.money.not_that_much"
    next_step = "Leave the amount out: then all of it is taken."


def deposit(one: Actor, amount: str, currency_text: str | None, *, is_agreed: bool) -> int:
    """Put money into the market: bonds of sales, offers. Raises: FundsShort, CurrencyRefused."""
    currency = Currency.named(currency_text)
    units, market = currency.parse(amount), one.network.agent_market
    words = f"agent.deposit:{currency.address.hex()}:{units}"
    old = begun_before(one, words)
    has_come = old is not None and _has_come(one, currency, units, old)
    if not has_come:
        quote: Told = {
            "pays": currency.show(units),
            "into": f"{show_address(Address(market.address))}, this wallet's credit there",
            "comes_back_by": "apogee agent withdraw",
            **_begun_told(old),
            **put_told(one, market, currency, units),
        }
        require_agreed(one, "deposit", quote, is_agreed=is_agreed)
    with once(one, words, {}) as begun:
        if not has_come:
            payer_of(one).put(market, currency.address, units, name=begun.key)
        held = market.credit_of(one.address, currency.address, at=one.at)
        told: Told = {"deposited": currency.show(units), "credit": currency.show(held)}
        return one.say({**told, "begun_before": begun.is_old})


def withdraw(one: Actor, amount: str | None, currency_text: str | None, *, is_agreed: bool) -> int:
    """Take out what is owed: all of it, or so much, of sales first.

    Raises: NothingOwed, NotThatMuchOwed.
    """
    currency = Currency.named(currency_text)
    units = None if amount is None else currency.parse(amount)
    words = f"agent.withdraw:{currency.address.hex()}:{'all' if units is None else units}"
    old = begun_before(one, words)
    parts = _parts(one, currency, units) if old is None else old.parts
    calls = _calls(one, currency, parts)
    quote: Told = {
        "to": show_address(one.address),
        **{f"from_{place}": currency.show(part) for place, part in parts.items()},
        **_begun_told(old),
        **cost_told(one, *calls.values()),
    }
    require_agreed(one, "withdraw", quote, is_agreed=is_agreed)
    with once(one, words, parts) as begun:
        for place, call in calls.items():
            one.send(call, f"{begun.key}:{place}")
        left = sum(each.amount for each in owed_to(one.network, one.address, currency))
        taken = sum(parts.values())
        told: Told = {"withdrawn": currency.show(taken), "left": currency.show(left)}
        return one.say({**told, "begun_before": begun.is_old})


def _parts(one: Actor, currency: Currency, wanted: int | None) -> dict[str, int]:
    """What is taken where. Raises: NothingOwed, NotThatMuchOwed."""
    owed = owed_to(one.network, one.address, currency)
    total = sum(each.amount for each in owed)
    if not total:
        raise NothingOwed(wallet=show_address(one.address), currency=currency.show(0))
    left = total if wanted is None else wanted
    if not 0 < left <= total:
        raise NotThatMuchOwed(asked=currency.show(left), owed=currency.show(total))
    parts = {}
    for each in owed:
        part = min(each.amount, left)
        left -= part
        if part:
            parts[each.place] = part
    return parts


def _calls(one: Actor, currency: Currency, parts: Mapping[str, int]) -> dict[str, TypedCall]:
    clients: dict[str, AgentMarketClient | AgentLeasesClient] = dict(places(one.network))
    return {
        place: clients[place].withdraw(currency.address, part, one.address)
        for place, part in parts.items()
    }


def _has_come(one: Actor, currency: Currency, units: int, begun: Begun) -> bool:
    """Whether what a command began is in: its approval would be asked for anew."""
    span = (begun.block + 1, one.network.node.block().number)
    named = {"account": one.address, "currency": currency.address}
    market = one.network.agent_market
    found = events_between(one.network.node, market, Deposited, span, named)
    return any((each.amount, each.by) == (units, one.address) for each in found)


def _begun_told(old: Begun | None) -> Told:
    is_old = old is not None
    return {"begun_before": "yes: this goes on with it, and adds nothing"} if is_old else {}
