"""explain, config show: what a message means, which settings are in force."""

from typing import Annotated

import typer

from offchain.apps.commands.options import Json

config = typer.Typer(
    help="Settings and where they come from.", no_args_is_help=True, rich_markup_mode=None
)


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("explain")(explain)
    app.add_typer(config, name="config")


def explain(
    code: Annotated[
        str | None, typer.Argument(help="A code, a class, or a revert reason. Default: all.")
    ] = None,
    as_json: Json = False,
) -> int:
    """What an error means and what to do.  Example: apogee explain home.not_running"""
    from offchain.apps import explain as explaining

    return explaining.explain(code, as_json=as_json)


@config.command("show")
def show(as_json: Json = False) -> int:
    """Every setting, its value and its source.  Example: apogee config show --json"""
    from offchain.apps.config import show_config

    return show_config(as_json=as_json)
