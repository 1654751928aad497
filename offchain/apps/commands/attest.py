"""attest: judge TEE evidence given by file."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, RpcUrl

app = typer.Typer(help="TEE evidence.", no_args_is_help=True, rich_markup_mode=None)


@app.command("verify")
def verify(
    quote: Annotated[Path, typer.Argument(help="A quote (bytes or hex), or a bundle (JSON).")],
    collateral: Annotated[
        Path | None, typer.Option("--collateral", help="The vendor's documents of a bare quote.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Judge as of: seconds since 1970 or ISO 8601. Default: now."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="What to accept. Default: Intel's root, UpToDate only."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Judge evidence, say every reason.  Example: apogee attest verify q.bin --collateral c.json"""
    from offchain.apps.attest import verify_files

    return verify_files(quote, collateral=collateral, at=at, policy=policy, as_json=as_json)


@app.command("policy")
def policy(home: HomeFolder = None, rpc_url: RpcUrl = None) -> int:
    """The policy of a home's chain, as JSON.  Example: apogee attest policy > policy.json"""
    from offchain.apps.attest import show_policy

    return show_policy(home=home, rpc_url=rpc_url)
