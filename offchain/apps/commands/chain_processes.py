"""devnet, da-node, storage-node, worker, gateway, auditor, relayer: each alone, as in `up`."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, RpcUrl, home_of

Deployments = Annotated[
    Path | None, typer.Option("--deployments", help="Folder with <network>.json.")
]
NetworkName = Annotated[str | None, typer.Option("--network", help="Which <network>.json.")]
Index = Annotated[int | None, typer.Option("--index", help="Which operator of this home.")]
Port = Annotated[int | None, typer.Option("--port", help="TCP port on 127.0.0.1.")]
Roles = Annotated[
    list[str] | None, typer.Option("--as", help="Operators to judge for. Default: all here.")
]


def add_to(app: typer.Typer) -> None:
    """Register these commands at the top level."""
    app.command("devnet")(devnet)
    app.command("da-node")(da_node)
    app.command("storage-node")(storage_node)
    app.command("worker")(worker)
    app.command("gateway")(gateway)
    app.command("auditor")(auditor)
    group = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    group.callback()(relayer)
    group.command("notice")(notice)
    app.add_typer(group, name="relayer")


def devnet(
    home: HomeFolder = None,
    backend: Annotated[str | None, typer.Option(help="auto, anvil or pyevm.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port on 127.0.0.1. Default: 8545")] = None,
    tools: Annotated[Path | None, typer.Option(help="Where Anvil is brought to.")] = None,
) -> int:
    """An EVM chain on loopback.  Example: apogee devnet --port 8545"""
    from offchain.apps.devnet import run_devnet

    return run_devnet(home=home, backend=backend, devnet_port=port, tools=tools)


def da_node(  # noqa: PLR0913, PLR0917  # one parameter a flag
    home: HomeFolder = None,
    index: Index = None,
    port: Port = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: NetworkName = None,
    adversary: Annotated[
        str | None,
        typer.Option(help="Devnet drills: withhold, friends-only, wrong-bytes or wrong-index."),
    ] = None,
) -> int:
    """One operator's DA node.  Example: apogee da-node --index 0"""
    from offchain.apps.da_node import run_da_node

    return run_da_node(
        home=home,
        node_index=index,
        node_port=port,
        rpc_url=rpc_url,
        deployments=deployments,
        network=network,
        adversary=adversary,
    )


def storage_node(  # noqa: PLR0913, PLR0917  # one parameter a flag
    home: HomeFolder = None,
    index: Index = None,
    port: Port = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: NetworkName = None,
    store: Annotated[str | None, typer.Option(help="Where shards lie: folder or s3.")] = None,
    store_folder: Annotated[Path | None, typer.Option(help="Default: in the home.")] = None,
    s3_bucket: Annotated[str | None, typer.Option(help="Bucket of an object store.")] = None,
    s3_endpoint: Annotated[
        str | None, typer.Option(help="Its address; keys by environment.")
    ] = None,
    scrub_days: Annotated[float | None, typer.Option(help="Re-read all in. Default: 30")] = None,
    streams: Annotated[
        str | None, typer.Option(help="Key-value streams to follow: all, none, or ids.")
    ] = None,
    stream_peer: Annotated[
        list[str] | None, typer.Option(help="A node to open streams from. Default: replica seats.")
    ] = None,
    stream_gateway: Annotated[
        str | None, typer.Option(help="Publishes batches; its key by environment.")
    ] = None,
    adversary: Annotated[
        str | None,
        typer.Option(help="Devnet drills: withhold, silent, slow, wrong-bytes, swapped, short."),
    ] = None,
) -> int:
    """One operator's storage node.  Example: apogee storage-node --index 0"""
    from offchain.apps.storage_node import run_storage_node

    return run_storage_node(
        home=home,
        node_index=index,
        node_port=port,
        rpc_url=rpc_url,
        deployments=deployments,
        network=network,
        store=store,
        store_folder=store_folder,
        s3_bucket=s3_bucket,
        s3_endpoint=s3_endpoint,
        scrub_days=scrub_days,
        streams=streams,
        stream_peers=stream_peer,
        stream_gateway=stream_gateway,
        adversary=adversary,
    )


def worker(
    home: HomeFolder = None,
    broker_url: Annotated[
        str | None, typer.Option(help="redis:// or amqp://. Default: embedded.")
    ] = None,
    pool: Annotated[str | None, typer.Option(help="solo or prefork.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Pool processes.")] = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
) -> int:
    """Jobs that must not be lost.  Example: apogee worker --broker-url redis://127.0.0.1/0"""
    from offchain.apps.worker import run_jobs

    return run_jobs(
        home=home,
        broker_url=broker_url,
        worker_pool=pool,
        worker_concurrency=concurrency,
        rpc_url=rpc_url,
        deployments=deployments,
    )


def gateway(  # noqa: PLR0913, PLR0917  # one parameter a flag
    home: HomeFolder = None,
    port: Port = None,
    payer: Annotated[
        str | None, typer.Option(help="Whose deposits pay, if this gateway's key is a delegate.")
    ] = None,
    book_url: Annotated[
        str | None, typer.Option(help="postgresql://.. for keys and receipts. Default: a file.")
    ] = None,
    x402_asset: Annotated[
        str | None, typer.Option(help="EIP-3009 token of x402, as ADDRESS:NAME:VERSION.")
    ] = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: NetworkName = None,
) -> int:
    """Publish and read over HTTP on loopback.  Example: apogee gateway --port 8080"""
    from offchain.apps.gateway import run_gateway

    return run_gateway(
        home=home,
        gateway_port=port,
        payer=payer,
        book_url=book_url,
        x402_asset=x402_asset,
        rpc_url=rpc_url,
        deployments=deployments,
        network=network,
    )


def auditor(  # noqa: PLR0913, PLR0917  # one parameter a flag
    home: HomeFolder = None,
    role: Roles = None,
    model: Annotated[
        list[Path] | None, typer.Option(help="A model's folder, beside the default models.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: NetworkName = None,
) -> int:
    """Judge answers that the beacon drew.  Example: apogee auditor --as operator-0"""
    from offchain.apps.auditor import run_auditor

    return run_auditor(
        home=home,
        roles=tuple(role) if role else None,
        model_folders=tuple(model) if model else None,
        device=device,
        rpc_url=rpc_url,
        deployments=deployments,
        network=network,
    )


def relayer(  # noqa: PLR0913, PLR0917  # one parameter a flag
    context: typer.Context,
    home: HomeFolder = None,
    role: Roles = None,
    port: Port = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: NetworkName = None,
) -> int:
    """Judge the TEE evidence of services.  Example: apogee relayer --as operator-0"""
    if context.invoked_subcommand is not None:
        return 0
    from offchain.apps.relayer import run_relayer

    return run_relayer(
        home=home,
        roles=tuple(role) if role else None,
        relayer_port=port,
        rpc_url=rpc_url,
        deployments=deployments,
        network=network,
    )


def notice(  # noqa: PLR0913, PLR0917  # one parameter a flag
    kind: Annotated[str, typer.Argument(help="raise-evaluation or revoke-collateral.")],
    what: Annotated[str, typer.Argument(help="A TCB evaluation number, or a collateral's hash.")],
    ask: Annotated[
        list[str] | None, typer.Option("--ask", help="Another relayer's address, http://host:port.")
    ] = None,
    role: Annotated[str, typer.Option("--as", help="Who posts.")] = "operator-0",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Vote that platforms or collateral are out of date; the vote that makes a quorum posts it.

    Example: apogee relayer notice raise-evaluation 18 --ask http://127.0.0.1:9400
    """
    from contextlib import closing

    from offchain.apps.notices import give_notice
    from offchain.apps.stake import actor

    found = home_of(home)
    with closing(actor(found, rpc_url, role, as_json=as_json)) as one:
        return give_notice(one, kind, what, tuple(ask or ()))
