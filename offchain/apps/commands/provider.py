"""provider, provider init: sell answers of a model for vouchers."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, Quiet, RpcUrl, home_of

app = typer.Typer(
    help="Sell answers of a model: `init` once, then `provider` serves.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
Role = Annotated[str | None, typer.Option("--as", help="Role of this home. Default: provider")]


@app.callback()
def provider(  # noqa: PLR0913, PLR0917 - one parameter a flag
    context: typer.Context,
    role: Role = None,
    port: Annotated[int | None, typer.Option(help="TCP port on 127.0.0.1.")] = None,
    settle_seconds: Annotated[
        float | None, typer.Option(help="Between settlements. Default: a quarter of the lock.")
    ] = None,
    adversary: Annotated[
        str | None, typer.Option(help="Devnet drills: int4, dropped_layer, altered_sampling, ...")
    ] = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    deployments: Annotated[Path | None, typer.Option(help="Folder with <network>.json.")] = None,
    network: Annotated[str | None, typer.Option(help="Which <network>.json.")] = None,
) -> int:
    """Serve what `init` registered, for vouchers.  Example: apogee provider --as provider"""
    if context.invoked_subcommand is not None:
        return 0
    from offchain.apps.provider import run_provider

    return run_provider(
        home=home,
        provider_role=role,
        provider_port=port,
        settle_seconds=settle_seconds,
        adversary=adversary,
        rpc_url=rpc_url,
        deployments=deployments,
        network=network,
    )


@app.command()
def init(  # noqa: PLR0913, PLR0917 - one parameter a flag
    model: Annotated[
        list[str] | None,
        typer.Option(help="smollm2, minilm or a directory; again for another. Default: smollm2"),
    ] = None,
    engine_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible engine that serves --model.")
    ] = None,
    numerics: Annotated[str, typer.Option(help="fp32, bf16; with --engine-url gguf, opaque.")] = "",
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    stake: Annotated[str, typer.Option(help="Own stake to lock.")] = "200eth",
    input_price: Annotated[str, typer.Option(help="For 1,000,000 input tokens.")] = "1gwei",
    output_price: Annotated[str, typer.Option(help="For 1,000,000 output tokens.")] = "4gwei",
    request_price: Annotated[str, typer.Option(help="For each request.")] = "0",
    max_input: Annotated[int, typer.Option(help="Input tokens of a request.")] = 4_096,
    max_output: Annotated[int, typer.Option(help="Output tokens of a request.")] = 1_024,
    endpoint: Annotated[
        str | None, typer.Option(help="What buyers call. Default: this port on loopback.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port on 127.0.0.1.")] = None,
    role: Role = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Register, stake, price and activate; again: only what is missing.

    Example: apogee provider init --model smollm2 --output-price 4gwei
    """
    from offchain.apps.provider_home import DEFAULT_ROLE
    from offchain.apps.provider_init import Wish, init_provider, specs_of
    from offchain.apps.stake import actor

    del quiet
    one = actor(home_of(home), rpc_url, role or DEFAULT_ROLE, as_json=as_json)
    wish = Wish(
        specs=specs_of(model or ["smollm2"], url=engine_url, numerics=numerics, device=device),
        stake=stake,
        input_price=input_price,
        output_price=output_price,
        request_price=request_price,
        max_input=max_input,
        max_output=max_output,
        endpoint=endpoint,
        port=port,
    )
    return init_provider(one, wish)


@app.command("credits")
def show_credits(
    is_taken: Annotated[bool, typer.Option("--take", help="Take all of it now.")] = False,
    role: Role = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """What courts owe: bonds earned or given back, auditors' pay.

    Example: apogee provider credits --take
    """
    from contextlib import closing

    from offchain.apps.court_dues import collect
    from offchain.apps.provider_home import DEFAULT_ROLE
    from offchain.apps.stake import actor

    folder = home_of(home)
    with closing(actor(folder, rpc_url, role or DEFAULT_ROLE, as_json=as_json)) as one:
        return collect(one, is_taken=is_taken)
