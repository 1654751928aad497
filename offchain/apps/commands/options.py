"""Flags that every command spells alike."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.home import Home


def _quiet(value: bool) -> bool:
    """Progress is dropped from here on; results and errors are not."""
    from offchain.apps.output import be_quiet

    be_quiet(value)
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
HomeFolder = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of keys, chain state and rows. Default: .apogee"),
]
RpcUrl = Annotated[
    str | None, typer.Option("--rpc-url", help="The chain's JSON-RPC. Default: this home's devnet.")
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="No progress; only the result, and errors.", callback=_quiet
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be sent and what it costs; send nothing.")
]


def home_of(home: Path | None) -> Home:
    """The home that the flag names, else the environment or apogee.toml, else .apogee."""
    from offchain.apps.settings import ProcessSettings, read_settings

    return Home.at(read_settings(ProcessSettings, home=home).home)
