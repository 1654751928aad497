"""key new, list, revoke: API keys of the gateway, each with caps and scopes."""

from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, home_of

app = typer.Typer(
    help="API keys: what programs may spend, on what, until when.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def new(  # noqa: PLR0913, PLR0917 - one parameter a flag
    label: Annotated[str, typer.Argument(help="A name for people.")] = "key",
    cap: Annotated[str | None, typer.Option(help="In all, on compute: 1, 0.2eth, 5gwei.")] = None,
    cap_day: Annotated[str | None, typer.Option(help="On each day, UTC.")] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="How long it is good.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="compute, storage, da.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only these models.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="chat, embedding.")] = None,
    level: Annotated[str, typer.Option(help="Least verifiability: none, audited, ..")] = "none",
    rate: Annotated[float | None, typer.Option(min=0.001, help="Requests a second.")] = None,
    no_simulated: Annotated[
        bool, typer.Option("--no-simulated", help="Refuse evidence of simulated TEEs.")
    ] = False,
    home: HomeFolder = None,
    as_json: Json = False,
) -> int:
    """Make a key; it is shown this once.  Example: apogee key new my-app --cap 1 --days 7"""
    from offchain.apps import keys

    wish = keys.KeyWish(
        label=label,
        scopes=tuple(scope or ("compute",)),
        cap=cap,
        cap_day=cap_day,
        days=days,
        models=tuple(model or ()),
        kinds=tuple(kind or ()),
        level=level,
        rate=rate,
        allows_simulated=not no_simulated,
    )
    return keys.new(home_of(home), wish, as_json=as_json)


@app.command("list")
def list_keys(home: HomeFolder = None, as_json: Json = False) -> int:
    """Every key, what it has spent and may.  Example: apogee key list --json"""
    from offchain.apps import keys

    return keys.show_all(home_of(home), as_json=as_json)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="An id of `apogee key list`.")],
    home: HomeFolder = None,
    as_json: Json = False,
) -> int:
    """End a key at once.  Example: apogee key revoke k_1a2b3c4d5e6f"""
    from offchain.apps import keys

    return keys.revoke(home_of(home), key, as_json=as_json)
