"""agent serve, ask, log: an agent at its owner's host, and those who ask it."""

from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.agent_flags import (
    Budget,
    Deadline,
    Inputs,
    RunName,
    SkillName,
    Token,
    Yes,
    acting,
)

if TYPE_CHECKING:
    from offchain.apps.stake import Actor


def serve(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    token: Token,
    time: Annotated[str, typer.Option("--for", help="How long: 30m, 12h, 2d.")] = "12h",
    port: Annotated[int | None, typer.Option(help="TCP port on 127.0.0.1.")] = None,
    url: Annotated[
        str, typer.Option(help="What others call, when a proxy of yours stands before it.")
    ] = "",
    budget: Annotated[
        str, typer.Option(help="Most of the agent's money for one MCP or sold request.")
    ] = "0.01eth",
    total: Annotated[
        str, typer.Option(help="The same for all requests of this host together.")
    ] = "0.1eth",
    service: Annotated[str | None, typer.Option(help="Think at this service.")] = None,
    price: Annotated[
        str | None, typer.Option(help="Sell requests at this price: registers a service.")
    ] = None,
    stake: Annotated[str, typer.Option(help="With --price: own stake to lock.")] = "200eth",
    yes: Yes = False,
) -> int:
    """Serve an agent of yours: to you, to who rents it, to who pays for a request.

    Example: apogee agent serve 1 --for 12h --yes
    """
    from offchain.apps import agent_host
    from offchain.apps.agent_hosted import WorkLimits
    from offchain.apps.agent_intent import duration
    from offchain.apps.agent_shop import ShopWish
    from offchain.apps.amounts import parse_amount

    own = WorkLimits(parse_amount(budget), parse_amount(total), service=service)
    shop = None if price is None else ShopWish(price, stake)
    wish = agent_host.HostWish(duration(time), own, port, url, shop)
    return agent_host.serve(one, token, wish, is_agreed=yes)


def ask(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    agent: Annotated[str, typer.Argument(help="The URL of its host, or a token served here.")],
    intent: Annotated[str, typer.Argument(help="What is wanted, in words.")],
    budget: Budget,
    deadline: Deadline = "15m",
    skill: SkillName = "",
    inputs: Inputs = None,
    name: RunName = None,
    yes: Yes = False,
) -> int:
    """Ask an agent that somebody serves: as owner or renter, or for the price it names.

    Example: apogee agent ask http://127.0.0.1:8123/ "what is it about" --budget 0.01 --as renter
    """
    from offchain.apps import agent_ask
    from offchain.apps.agent_intent import IntentFlags

    flags = IntentFlags(
        goal=intent,
        budget=budget,
        deadline=deadline,
        skill=skill,
        inputs=tuple(inputs or ()),
        run=name,
    )
    return agent_ask.ask(one, agent, flags, is_agreed=yes)


def log(
    one: "Actor",
    agent: Annotated[str, typer.Argument(help="The URL of its host, or a token served here.")],
    run: Annotated[str, typer.Argument(help="The run's name; of a sale, its request id.")],
) -> int:
    """Fetch the log of a run of yours from an agent's host, and check it.

    Example: apogee agent log http://127.0.0.1:8123/ afb69fb4650a2aa2 --as renter
    """
    from offchain.apps import agent_ask

    return agent_ask.log(one, agent, run)


def add_to(app: typer.Typer) -> None:
    """Beside the commands of trade."""
    for command in (serve, ask, log):
        app.command()(acting(command))
