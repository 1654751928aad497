"""agent let, rent, end, collect, leases, license, clone, clone-{deliver,take,dispute,settle}."""

from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.agent_flags import (
    CurrencyFlag,
    Days,
    LeaseNumber,
    MaxPrice,
    OrderNumber,
    Token,
    Yes,
    acting,
)

if TYPE_CHECKING:
    from offchain.apps.stake import Actor


@acting
def let(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    token: Token,
    price: Annotated[str, typer.Argument(help="A second, such as 5gwei.")],
    shortest: Annotated[int, typer.Option(min=1, help="Seconds paid in any case.")] = 600,
    longest: Annotated[int, typer.Option(min=1, help="Seconds of one rental.")] = 86_400,
    days: Days = 7,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Offer a token for rent.  Example: apogee agent let 1 5gwei --yes"""
    from offchain.apps import agent_leases

    flags = agent_leases.LetFlags(price, shortest, longest, days, currency)
    return agent_leases.let(one, token, flags, is_agreed=yes)


@acting
def rent(
    one: "Actor",
    token: Token,
    seconds: Annotated[int, typer.Argument(min=1, help="How long.")],
    max_price: MaxPrice = None,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Use somebody's agent for a time.  Example: apogee agent rent 1 3600 --yes"""
    from offchain.apps import agent_leases

    return agent_leases.rent(one, token, seconds, max_price, currency, is_agreed=yes)


@acting
def end(one: "Actor", lease: LeaseNumber, yes: Yes = False) -> int:
    """As the renter: give an agent back early, and have the rest back.

    Example: apogee agent end 1 --as renter --yes
    """
    from offchain.apps import agent_leases

    return agent_leases.end(one, lease, is_agreed=yes)


@acting
def collect(one: "Actor", lease: LeaseNumber, yes: Yes = False) -> int:
    """As the owner: have what a lease has earned.  Example: apogee agent collect 1 --yes"""
    from offchain.apps import agent_leases

    return agent_leases.collect(one, lease, is_agreed=yes)


@acting
def leases(
    one: "Actor",
    everybody: Annotated[bool, typer.Option("--all", help="Of everybody.")] = False,
) -> int:
    """Rentals and orders of clones that money is held for.  Example: apogee agent leases"""
    from offchain.apps import agent_leases

    return agent_leases.list_leases(one, is_all=everybody)


@acting
def license_clones(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    token: Token,
    fee: Annotated[str, typer.Argument(help="Of one clone, such as 0.2eth.")],
    clones: Annotated[int, typer.Option(min=1, help="At most so many.")] = 10,
    royalty: Annotated[float, typer.Option(min=0, max=10, help="Of each clone's sale, %.")] = 5,
    again: Annotated[bool, typer.Option("--again", help="Clones may be cloned.")] = False,
    days: Days = 30,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Offer clones of a token.  Example: apogee agent license 1 0.2eth --clones 3 --yes"""
    from offchain.apps import agent_leases

    flags = agent_leases.LicenceFlags(fee, clones, royalty, again, days, currency)
    return agent_leases.license_clones(one, token, flags, is_agreed=yes)


@acting
def clone(
    one: "Actor",
    token: Token,
    max_price: MaxPrice = None,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Order a clone of a token.  Example: apogee agent clone 1 --max-price 0.2eth --yes"""
    from offchain.apps import agent_clones

    return agent_clones.clone(one, token, max_price, currency, is_agreed=yes)


@acting
def clone_deliver(one: "Actor", order: OrderNumber, yes: Yes = False) -> int:
    """Have oracles make an ordered clone.  Example: apogee agent clone-deliver 1 --yes"""
    from offchain.apps import agent_clones

    return agent_clones.deliver_clone(one, order, is_agreed=yes)


@acting
def clone_take(one: "Actor", order: OrderNumber, yes: Yes = False) -> int:
    """Open an ordered clone, and let its owner be paid.

    Example: apogee agent clone-take 1 --yes
    """
    from offchain.apps import agent_clones

    return agent_clones.take_clone(one, order, is_agreed=yes)


@acting
def clone_dispute(one: "Actor", order: OrderNumber, yes: Yes = False) -> int:
    """Prove that a clone is not what was ordered; have the fee back, and oracles punished.

    Example: apogee agent clone-dispute 1 --yes
    """
    from offchain.apps import agent_clones

    return agent_clones.dispute_clone(one, order, is_agreed=yes)


@acting
def clone_settle(one: "Actor", order: OrderNumber, yes: Yes = False) -> int:
    """Move on an order of a clone that has waited too long; by anybody.

    Example: apogee agent clone-settle 1 --yes
    """
    from offchain.apps import agent_clones

    return agent_clones.settle_clone(one, order, is_agreed=yes)


def add_to(app: typer.Typer) -> None:
    """The commands, beside those of trading."""
    app.command("license")(license_clones)
    for command in (let, rent, end, collect, leases, clone):
        app.command()(command)
    for command in (clone_deliver, clone_take, clone_dispute, clone_settle):
        app.command()(command)
