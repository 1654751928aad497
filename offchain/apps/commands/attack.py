"""attack da: drills against a network of its own."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import Json
from offchain.apps.commands.system import BackendName

app = typer.Typer(
    help="Attacks on a network of its own, and who lost what.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def drills() -> None:
    """Attacks on a network of its own, and who lost what."""


@app.command()
def da(
    backend: BackendName = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the home in this folder.")] = None,
    as_json: Json = False,
) -> int:
    """Every attack on data availability, run for real.  Example: apogee attack da --json"""
    from offchain.apps.attack.run import run_attacks
    from offchain.apps.settings import UpSettings, read_settings

    return run_attacks(read_settings(UpSettings, backend=backend), keep=keep, as_json=as_json)
