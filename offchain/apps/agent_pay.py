"""How a wallet of this home puts money in before a trade, as it is shown and as it is sent."""

from collections.abc import Sequence

from offchain.agents.onchain_leases import AgentLeasesClient
from offchain.agents.onchain_market import AgentMarketClient
from offchain.agents.pay_in import Payer, PayIn, StepKind
from offchain.apps.agent_money import Currency
from offchain.apps.agent_quote import Told, cost_told
from offchain.apps.stake import Actor
from offchain.chain.model import TypedCall, show_address

Keeper = AgentMarketClient | AgentLeasesClient


def payer_of(one: Actor) -> Payer:
    """What an Actor pays in with."""
    return Payer(one.network.node, one.address, one.send)


def price_told(
    one: Actor,
    till: Keeper,
    currency: Currency,
    needed: int,
    *calls: TypedCall,
) -> Told:
    """What a price takes, and what `calls` cost. Raises: NotAToken, FundsShort.

    The coin is sent with a call; of a token, what is missing is approved and put in before it.
    """
    if currency.is_coin:
        return cost_told(one, *calls)
    return put_in_told(one, till, currency, needed, *calls)


def put_in_told(
    one: Actor,
    till: Keeper,
    currency: Currency,
    needed: int,
    *calls: TypedCall,
) -> Told:
    """What is put in first so that a contract can take so much, and what `calls` cost."""
    return _told(one, till, currency, payer_of(one).look(till, currency.address, needed), calls)


def put_told(one: Actor, till: Keeper, currency: Currency, amount: int) -> Told:
    """What is put in, whatever is there."""
    found = payer_of(one).look_more(till, currency.address, amount)
    return _told(one, till, currency, found, ())


def _told(
    one: Actor, till: Keeper, currency: Currency, found: PayIn, calls: Sequence[TypedCall]
) -> Told:
    if not found.steps:
        return cost_told(one, *calls)
    kinds = [step.kind for step in found.steps]
    told: Told = {"puts_in": f"{currency.show(found.missing)}, as credit in {till.contract}"}
    if not currency.is_coin:
        told["allowance_now"] = currency.show(found.allowance)
    if StepKind.ALLOW in kinds:
        told["approves"] = _approval(till, currency, found)
    told["sends_first"] = ", ".join(kinds)
    [first, *later] = found.steps
    if later:
        told["gas_of"] = f"{first.kind}; each later call is estimated before it is sent"
        return told | cost_told(one, first.call)
    return told | cost_told(one, first.call, *(calls if currency.is_coin else ()))


def _approval(till: Keeper, currency: Currency, found: PayIn) -> str:
    first = any(step.kind is StepKind.CLEAR for step in found.steps)
    zero = "; 0 before that, as this token wants" if first else ""
    return f"{show_address(till.address)} may take {currency.show(found.missing)}, no more{zero}"
