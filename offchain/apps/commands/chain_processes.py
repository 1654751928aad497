"""devnet, da-node, storage-node, worker, gateway: each alone, as `apogee up` starts them."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, RpcUrl

Deployments = Annotated[
    Path | None, typer.Option("--deployments", help="Folder with <network>.json.")
]


def add_to(app: typer.Typer) -> None:
    """Register these commands at the top level."""
    app.command("devnet")(devnet)
    app.command("da-node")(da_node)
    app.command("storage-node")(storage_node)
    app.command("worker")(worker)
    app.command("gateway")(gateway)


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
    index: Annotated[int | None, typer.Option(help="Which operator of this home.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port on 127.0.0.1.")] = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: Annotated[str | None, typer.Option(help="Which <network>.json.")] = None,
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
    index: Annotated[int | None, typer.Option(help="Which operator of this home.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port on 127.0.0.1.")] = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: Annotated[str | None, typer.Option(help="Which <network>.json.")] = None,
    store: Annotated[str | None, typer.Option(help="Where shards lie: folder or s3.")] = None,
    store_folder: Annotated[Path | None, typer.Option(help="Default: in the home.")] = None,
    s3_bucket: Annotated[str | None, typer.Option(help="Bucket of an object store.")] = None,
    s3_endpoint: Annotated[
        str | None, typer.Option(help="Its address; keys by environment.")
    ] = None,
    scrub_days: Annotated[float | None, typer.Option(help="Re-read all in. Default: 30")] = None,
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


def gateway(
    home: HomeFolder = None,
    port: Annotated[int | None, typer.Option(help="TCP port on 127.0.0.1.")] = None,
    rpc_url: RpcUrl = None,
    deployments: Deployments = None,
    network: Annotated[str | None, typer.Option(help="Which <network>.json.")] = None,
) -> int:
    """Publish and read over HTTP on loopback.  Example: apogee gateway --port 8080"""
    from offchain.apps.gateway import run_gateway

    return run_gateway(
        home=home,
        gateway_port=port,
        rpc_url=rpc_url,
        deployments=deployments,
        network=network,
    )
