"""Money of traders: currencies as they are typed and shown; what markets owe, taken out.

AgentMarket and AgentLeases keep credits apart, and by currency. Nothing of a stranger's token is
asked but what a call needs: its amounts are shown as base units beside its address.
"""

from dataclasses import dataclass
from typing import Final

from offchain.agents.onchain_leases import AgentLeasesClient
from offchain.agents.onchain_market import AgentMarketClient
from offchain.agents.orders import NOBODY
from offchain.apps.agent_quote import cost_told, require_agreed
from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.network import Network
from offchain.apps.stake import Actor
from offchain.chain.model import Address, TypedCall, parse_address, show_address
from offchain.core.errors import Conflict, InvalidInput

MAX_DIGITS: Final = 30


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


@dataclass(frozen=True, slots=True)
class Currency:
    """The chain's coin, or a token by its address."""

    address: bytes = NOBODY

    @classmethod
    def named(cls, text: str | None) -> "Currency":
        """What --currency says. Raises: AddressInvalid."""
        return cls(NOBODY if text is None else bytes(parse_address(text)))

    @property
    def is_coin(self) -> bool:
        return self.address == NOBODY

    def parse(self, text: str) -> int:
        """Base units. Raises: AmountInvalid, InvalidInput."""
        if self.is_coin:
            return parse_amount(text)
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
            raise InvalidInput("amounts of a token are whole base units", amount=text[:60])
        return int(text)

    def show(self, amount: int) -> str:
        if self.is_coin:
            return show_amount(amount)
        return f"{amount} base units of {show_address(Address(self.address))}"

    def value(self, amount: int) -> int:
        """What a call has to send with it."""
        return amount if self.is_coin else 0


@dataclass(frozen=True, slots=True)
class Owed:
    """What one contract owes a wallet in one currency."""

    place: str
    client: AgentMarketClient | AgentLeasesClient
    amount: int


def owed_to(network: Network, account: bytes, currency: Currency) -> list[Owed]:
    """What sales and leases owe an account, all at one block."""
    at = network.node.block().hash
    places = (("market", network.agent_market), ("leases", network.agent_leases))
    return [
        Owed(place, client, client.credit_of(account, currency.address, at=at))
        for place, client in places
    ]


def show_credit(one: Actor, currency_text: str | None) -> int:
    """What this wallet may take out."""
    currency = Currency.named(currency_text)
    owed = owed_to(one.network, one.address, currency)
    return one.say(
        {
            "wallet": show_address(one.address),
            **{f"owed_by_{each.place}": currency.show(each.amount) for each in owed},
            "next": "apogee agent withdraw" if any(each.amount for each in owed) else None,
        }
    )


def withdraw(one: Actor, amount: str | None, currency_text: str | None, *, is_agreed: bool) -> int:
    """Take out what is owed: all of it, or so much, of sales first.

    Raises: NothingOwed, NotThatMuchOwed.
    """
    currency = Currency.named(currency_text)
    owed = owed_to(one.network, one.address, currency)
    total = sum(each.amount for each in owed)
    if not total:
        raise NothingOwed(wallet=show_address(one.address), currency=currency.show(0))
    wanted = total if amount is None else currency.parse(amount)
    if not 0 < wanted <= total:
        raise NotThatMuchOwed(asked=currency.show(wanted), owed=currency.show(total))
    steps: list[tuple[str, int, TypedCall]] = []
    for each in owed:
        part = min(each.amount, wanted - sum(taken for _, taken, _ in steps))
        if part:
            call = each.client.withdraw(currency.address, part, one.address)
            steps.append((each.place, part, call))
    quote = {
        "to": show_address(one.address),
        **{f"from_{place}": currency.show(part) for place, part, _ in steps},
        **cost_told(one, *(call for _, _, call in steps)),
    }
    require_agreed(one, "withdraw", quote, is_agreed=is_agreed)
    for place, _, call in steps:
        one.send(call, one.unique_key(f"agent.withdraw:{place}"))
    return one.say({"withdrawn": currency.show(wanted), "left": currency.show(total - wanted)})


def deposit(one: Actor, amount: str, currency_text: str | None, *, is_agreed: bool) -> int:
    """Put money into the market: bonds of sales, offers, prices in a token."""
    currency = Currency.named(currency_text)
    units, market = currency.parse(amount), one.network.agent_market
    call = market.deposit(one.address, currency.address, units)
    quote = {
        "pays": currency.show(units),
        "into": f"{show_address(Address(market.address))}, this wallet's credit there",
        "comes_back_by": "apogee agent withdraw",
        **cost_told(one, call),
    }
    if not currency.is_coin:
        quote["first"] = "approve the market in the token's contract, for at least that much"
    require_agreed(one, "deposit", quote, is_agreed=is_agreed)
    one.send(call, one.unique_key("agent.deposit"))
    held = market.credit_of(one.address, currency.address, at=one.at)
    return one.say({"deposited": currency.show(units), "credit": currency.show(held)})
