"""Money of traders: currencies as they are typed and shown, and what markets owe a wallet.

AgentMarket and AgentLeases keep credits apart, and by currency. Nothing of a stranger's token is
asked but what a call needs: its amounts are shown as base units beside its address.
"""

from dataclasses import dataclass
from typing import Final

from offchain.agents.onchain_leases import AgentLeasesClient
from offchain.agents.onchain_market import AgentMarketClient
from offchain.agents.orders import NOBODY
from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.network import Network
from offchain.apps.stake import Actor
from offchain.chain.model import Address, parse_address, show_address
from offchain.core.errors import InvalidInput

MAX_DIGITS: Final = 30


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


def places(network: Network) -> tuple[tuple[str, AgentMarketClient | AgentLeasesClient], ...]:
    """Where credit is kept."""
    return ("market", network.agent_market), ("leases", network.agent_leases)


def owed_to(network: Network, account: bytes, currency: Currency) -> list[Owed]:
    """What sales and leases owe an account, all at one block."""
    at = network.node.block().hash
    return [
        Owed(place, client, client.credit_of(account, currency.address, at=at))
        for place, client in places(network)
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
