"""agent mint, show, list, oracles, invite, transfer, agree, credit, deposit, withdraw."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands import agent_sales
from offchain.apps.commands.agent_flags import (
    CurrencyFlag,
    Out,
    OutFile,
    Price,
    Text,
    Token,
    Yes,
    acting,
)

if TYPE_CHECKING:
    from offchain.apps.stake import Actor

app = typer.Typer(
    help="Agents that can be owned, rented and sold: tokens with an encrypted bundle.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
@acting
def mint(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    folder: Annotated[Path, typer.Argument(help="The bundle: manifest.json and its files.")],
    description: Annotated[str, typer.Option(help="1 to 31 bytes, on chain.")] = "agent",
    threshold: Annotated[
        int, typer.Option(min=1, max=5, help="Oracles that sign when it changes hands.")
    ] = 3,
    royalty: Annotated[float, typer.Option(min=0, max=10, help="Of each sale to you, %.")] = 0,
    again: Annotated[int, typer.Option(min=0, help="Another token of the same content.")] = 0,
    yes: Yes = False,
) -> int:
    """Encrypt a bundle, store it, make a token of it.

    Example: apogee agent mint my-agent/ --description "paper finder" --royalty 5 --yes
    """
    from offchain.agents.mint_agent import MintWish
    from offchain.apps import agent

    wish = MintWish(description, threshold, round(royalty * 100), again)
    return agent.mint(one, folder, wish, is_agreed=yes)


@app.command()
@acting
def show(
    one: "Actor",
    token: Annotated[int | None, typer.Argument(min=1, help="A token.")] = None,
    sale: Annotated[int | None, typer.Option(min=1, help="A sale instead.")] = None,
    order: Annotated[int | None, typer.Option(min=1, help="An order of a clone instead.")] = None,
) -> int:
    """A token, or a sale or order and what it waits for.  Example: apogee agent show 1 --json"""
    from offchain.apps import agent, agent_clones, agent_sale_told
    from offchain.core.errors import InvalidInput

    if sale is not None:
        return agent_sale_told.say_sale(one, sale)
    if order is not None:
        return agent_clones.show_order(one, order)
    if token is None:
        raise InvalidInput("name a token, a sale with --sale, or an order with --order")
    return agent.show(one, token)


@app.command("list")
@acting
def list_tokens(
    one: "Actor",
    everybody: Annotated[bool, typer.Option("--all", help="Of everybody.")] = False,
) -> int:
    """Tokens of this wallet, or of everybody.  Example: apogee agent list --all"""
    from offchain.apps import agent

    return agent.list_tokens(one, is_all=everybody)


@app.command()
@acting
def oracles(one: "Actor") -> int:
    """Who re-encrypts agents when they are sold.  Example: apogee agent oracles"""
    from offchain.apps import agent

    return agent.oracles(one)


@app.command()
@acting
def invite(one: "Actor", token: Token, out: OutFile) -> int:
    """Ask for a token, or a clone of it, as a gift: the key it is to be sealed to.

    Example: apogee agent invite 1 --out invite.json --as friend
    """
    from offchain.apps import agent

    return agent.invite(one, token, out)


@app.command()
@acting
def transfer(
    one: "Actor",
    source: Text,
    clone: Annotated[bool, typer.Option("--clone", help="Give a clone, and keep it.")] = False,
    out: Out = None,
    yes: Yes = False,
) -> int:
    """Give a token away: first with the invite, then with the proofs that its receiver signed.

    Example: apogee agent transfer invite.json --out proofs.json --yes
    """
    from offchain.apps import agent

    return agent.transfer(one, source, out, is_clone=clone, is_agreed=yes)


@app.command()
@acting
def agree(one: "Actor", proofs: Text, out: OutFile, yes: Yes = False) -> int:
    """Open a gift, compare it, and sign for it.

    Example: apogee agent agree proofs.json --out signed.json --as friend --yes
    """
    from offchain.apps import agent

    return agent.agree(one, proofs, out, is_agreed=yes)


@app.command()
@acting
def credit(one: "Actor", currency: CurrencyFlag = None) -> int:
    """What sales and leases owe this wallet.  Example: apogee agent credit"""
    from offchain.apps import agent_money

    return agent_money.show_credit(one, currency)


@app.command()
@acting
def deposit(one: "Actor", amount: Price, currency: CurrencyFlag = None, yes: Yes = False) -> int:
    """Put money into the market, for bonds and prices.  Example: apogee agent deposit 0.1 --yes"""
    from offchain.apps import agent_purse

    return agent_purse.deposit(one, amount, currency, is_agreed=yes)


@app.command()
@acting
def withdraw(
    one: "Actor",
    amount: Annotated[str | None, typer.Argument(help="Default: all of it.")] = None,
    currency: CurrencyFlag = None,
    yes: Yes = False,
) -> int:
    """Take out what sales and leases owe this wallet.  Example: apogee agent withdraw --yes"""
    from offchain.apps import agent_purse

    return agent_purse.withdraw(one, amount, currency, is_agreed=yes)


agent_sales.add_to(app)
