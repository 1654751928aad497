"""Flags that every command spells alike."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
HomeFolder = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of keys, chain state and rows. Default: .apogee"),
]
RpcUrl = Annotated[
    str | None, typer.Option("--rpc-url", help="The chain's JSON-RPC. Default: this home's devnet.")
]
