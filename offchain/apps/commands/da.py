"""da put, get, status, list, sample: files in and out of the data availability layer."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, RpcUrl, home_of

app = typer.Typer(
    help="Files in and out of the data availability layer.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Reference = Annotated[str, typer.Argument(help="What `apogee da put` printed.")]


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="Any file, from one byte on.")],
    days: Annotated[int, typer.Option(min=1, max=21, help="Days of retention.")] = 14,
    salt: Annotated[
        str | None, typer.Option(help="Go on with the upload that told this salt. 64 hex digits.")
    ] = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Pay for a file, send it, have it certified; interrupted, the same command goes on.

    Example: apogee da put photo.jpg
    """
    from offchain.apps import da

    return da.put(home_of(home), rpc_url, file, days=days, salt=salt, as_json=as_json)


@app.command()
def get(
    reference: Reference,
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Fetch a file, every row verified; goes on where it stopped.

    Example: apogee da get apogee:da:blob:.. photo.jpg
    """
    from offchain.apps import da

    return da.get(home_of(home), rpc_url, reference, file, as_json=as_json)


@app.command()
def status(
    reference: Reference, home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False
) -> int:
    """Where a blob stands on chain.  Example: apogee da status apogee:da:blob:.."""
    from offchain.apps import da

    return da.blob_status(home_of(home), rpc_url, reference, as_json=as_json)


@app.command("list")
def list_published(home: HomeFolder = None, as_json: Json = False) -> int:
    """What was published from this home, done and open.  Example: apogee da list --json"""
    from offchain.apps import da

    return da.list_published(home_of(home), as_json=as_json)


@app.command()
def sample(
    reference: Reference,
    confidence: Annotated[str, typer.Option(help="Above 0, below 1.")] = "0.999999",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Ask for a few random rows; say how sure they make it that the blob is there.

    Example: apogee da sample apogee:da:blob:.. --confidence 0.999999.  Ends with 6 below it.
    """
    from offchain.apps import da_sample

    return da_sample.sample(
        home_of(home), rpc_url, reference, confidence=confidence, as_json=as_json
    )
