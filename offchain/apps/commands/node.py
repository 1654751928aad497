"""node ask, drain: what an operator offers in storage, and how it hands its seats over."""

from typing import Annotated

import typer

from offchain.apps.commands.options import DryRun, HomeFolder, Json, RpcUrl, home_of

app = typer.Typer(
    help="An operator's storage: its ask, and handing its seats over.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Index = Annotated[int, typer.Option("--index", min=0, help="Which operator of this home.")]


@app.command()
def ask(  # noqa: PLR0913, PLR0917 - one parameter a flag
    index: Index = 0,
    price: Annotated[
        int | None, typer.Option(min=256, help="Wei for 2^30 byte-seconds, in steps of 256.")
    ] = None,
    gib: Annotated[int | None, typer.Option("--gib", min=0, help="GiB offered in all.")] = None,
    longest: Annotated[int | None, typer.Option(min=1, help="Longest term, epochs.")] = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Show or change what it asks.  Example: apogee node ask --price 409600000 --gib 1024"""
    from offchain.apps.node_seats import AskWish, ask

    wish = AskWish(price, gib, longest)
    return ask(home_of(home), index, wish, rpc_url=rpc_url, as_json=as_json)


@app.command()
def drain(
    index: Index = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Go on until nothing is owed; stop and repeat at will.")
    ] = False,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Hand every seat over; the node serves until it is done.  Example: apogee node drain --wait"""
    from offchain.apps.node_seats import DrainWish, drain

    wish = DrainWish(is_waiting=wait, is_dry=dry_run)
    return drain(home_of(home), index, wish, rpc_url=rpc_url, as_json=as_json)
