"""agent sell, cancel, buy, deliver, confirm, dispute, settle, bid, close, offer, take."""

from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.agent_flags import (
    CurrencyFlag,
    Days,
    MaxPrice,
    Out,
    OutFile,
    Price,
    RoyaltyMost,
    SaleNumber,
    Text,
    Token,
    Yes,
    acting,
)

if TYPE_CHECKING:
    from offchain.apps.stake import Actor


@acting
def sell(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    token: Token,
    price: Price,
    end_price: Annotated[str | None, typer.Option(help="Falls to this: a Dutch auction.")] = None,
    auction: Annotated[bool, typer.Option("--auction", help="English, from the price up.")] = False,
    days: Days = 7,
    royalty_most: RoyaltyMost = 10,
    taker: Annotated[str | None, typer.Option(help="Only this buyer, 0x..")] = None,
    currency: CurrencyFlag = None,
    out: Out = None,
    yes: Yes = False,
) -> int:
    """Sign an order that anybody may buy; give its file to buyers.

    Example: apogee agent sell 1 0.5eth --out order.json --yes
    """
    from offchain.apps import agent_sales

    flags = agent_sales.SellFlags(
        price, days, end_price, auction, royalty_most, taker, out, currency
    )
    return agent_sales.sell(one, token, flags, is_agreed=yes)


@acting
def cancel(one: "Actor", order: Text, yes: Yes = False) -> int:
    """Take an order back before anybody took it.  Example: apogee agent cancel order.json --yes"""
    from offchain.apps import agent_sales

    return agent_sales.cancel(one, order, is_agreed=yes)


@acting
def buy(
    one: "Actor",
    order: Text,
    max_price: MaxPrice = None,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Check the order and the file on sale, show everything, pay and lock.

    Interrupted, repeat it: it goes on.  Example: apogee agent buy order.json --max-price 1 --yes
    """
    from offchain.apps import agent_sales

    return agent_sales.buy(one, order, max_price, currency, is_agreed=yes)


@acting
def deliver(one: "Actor", sale: SaleNumber, out: Out = None, yes: Yes = False) -> int:
    """Have oracles re-encrypt for the buyer; on chain, or to a file that he takes himself.

    Interrupted, repeat it: it goes on.  Example: apogee agent deliver 1 --out proofs.json --yes
    """
    from offchain.apps import agent_sales

    return agent_sales.deliver(one, sale, out, is_agreed=yes)


@acting
def confirm(
    one: "Actor",
    sale: SaleNumber,
    proofs: Annotated[str | None, typer.Option(help="What the seller wrote out.")] = None,
    yes: Yes = False,
) -> int:
    """Open what was delivered, compare it, take it.

    Example: apogee agent confirm 1 --proofs proofs.json --yes
    """
    from offchain.apps import agent_sales

    return agent_sales.confirm(one, sale, proofs, is_agreed=yes)


@acting
def dispute(
    one: "Actor",
    sale: SaleNumber,
    late: Annotated[bool, typer.Option("--late", help="Gain time first, against a bond.")] = False,
    yes: Yes = False,
) -> int:
    """Prove that what came is not what was sold; take the money back, have oracles punished.

    Example: apogee agent dispute 1 --yes
    """
    from offchain.apps import agent_sales

    return agent_sales.dispute(one, sale, is_late=late, is_agreed=yes)


@acting
def settle(one: "Actor", sale: SaleNumber, yes: Yes = False) -> int:
    """Move on a sale or an auction that has waited too long; by anybody.

    Example: apogee agent settle 1 --yes
    """
    from offchain.apps import agent_sales

    return agent_sales.settle(one, sale, is_agreed=yes)


@acting
def bid(
    one: "Actor", order: Text, amount: Price, currency: CurrencyFlag = None, yes: Yes = False
) -> int:
    """Bid in an English auction.  Example: apogee agent bid order.json 0.6eth --yes"""
    from offchain.apps import agent_offers

    return agent_offers.bid(one, order, amount, currency, is_agreed=yes)


@acting
def offer(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    token: Token,
    price: Price,
    out: OutFile,
    days: Days = 7,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Put a price in for somebody's token, and sign an offer.

    Example: apogee agent offer 1 0.4eth --out offer.json --yes
    """
    from offchain.apps import agent_offers

    flags = agent_offers.OfferFlags(price, days, out, currency)
    return agent_offers.offer(one, token, flags, is_agreed=yes)


@acting
def take(
    one: "Actor",
    source: Text,
    royalty_most: RoyaltyMost = 10,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Sell to whoever made an offer.  Example: apogee agent take offer.json --yes"""
    from offchain.apps import agent_offers

    return agent_offers.take_offer(one, source, royalty_most, currency, is_agreed=yes)


def add_to(app: typer.Typer) -> None:
    """The commands of sales, beside those of tokens."""
    for command in (sell, cancel, buy, deliver, confirm, dispute, settle, bid, offer, take):
        app.command()(command)
