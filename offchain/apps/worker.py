"""The worker process: Celery jobs over this home's queue, and the loop that finds lost ones."""

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path

from offchain.apps.beacon import serve_beacon
from offchain.apps.compute_jobs import agent_jobs, attestation_jobs, compute_jobs, market_jobs
from offchain.apps.disperser import ROLE, open_publisher
from offchain.apps.disputes import dispute_jobs
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.lifecycle import heartbeat_file, load_manifest
from offchain.apps.logging import configure_logging
from offchain.apps.network import (
    Network,
    address_of,
    connect,
    deployment_file,
    draw_parts,
    open_sender,
)
from offchain.apps.operators import Enrolment
from offchain.apps.settings import WorkerSettings, read_settings
from offchain.apps.storage_jobs import WORKER_ROLE, storage_jobs
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.chain.sender import TransactionSender
from offchain.core.erasure.choose import choose_engine
from offchain.jobs.celery_app import EMBEDDED, QueueSettings
from offchain.jobs.draw import DrawTable
from offchain.jobs.open_matters import MatterWatch, WatchedContracts
from offchain.jobs.reweigh import ReweighPools
from offchain.jobs.work import Work, WorkParts
from offchain.jobs.worker import run_worker


def run_jobs(**flags: object) -> int:
    """Work until SIGTERM or Ctrl-C; the task at hand is finished first."""
    settings = read_settings(WorkerSettings, **flags)
    configure_logging(WORKER_ROLE, level=settings.log_level)
    home = Home.at(settings.home)
    rpc_url = settings.rpc_url or load_manifest(home).url("devnet")
    folder = settings.deployments or home.deployments
    network = connect(rpc_url, deployment_file(folder, settings.network))
    if network.chain_id in DEVNET_CHAIN_IDS:
        Enrolment(network, home).fund([Keystore(home.keys).account(WORKER_ROLE)])
    work = build_work(network, home)
    queue = QueueSettings(
        folder=home.jobs,
        broker_url=settings.broker_url or EMBEDDED,
        pool=settings.worker_pool,
        concurrency=settings.worker_concurrency,
    )
    return run_worker(
        queue,
        work.handlers(),
        work.find_due,
        reconcile_seconds=settings.reconcile_seconds,
        heartbeat=heartbeat_file(home),
    )


def build_work(network: Network, home: Home, *, watch: Path | None = None) -> Work:
    """The jobs of a home over its network; `watch` is one reader's place among the events."""
    keystore = Keystore(home.keys)
    account = keystore.account(WORKER_ROLE)
    accounts = {address_of(keystore.account(role)) for role in (ROLE, WORKER_ROLE)}
    own = address_of(account)

    def open_own_sender() -> AbstractContextManager[TransactionSender]:
        return open_sender(network, home, WORKER_ROLE, account)

    def resume(blob_id: bytes) -> None:
        asyncio.run(_resume(network, home, blob_id))

    parts = WorkParts(
        reader=network.node,
        entrance=network.entrance,
        court=network.court,
        table=lambda sender: DrawTable(draw_parts(network, sender)),
        beacon=serve_beacon(network, home, own),
        weights=ReweighPools(network.node, network.registry, network.stake, own),
        storage=storage_jobs(network, home, open_own_sender),
        domains=(
            compute_jobs(network, own, open_own_sender),
            market_jobs(network, own, open_own_sender),
            attestation_jobs(network, own, open_own_sender),
            dispute_jobs(network, home, own, open_own_sender),
            agent_jobs(network, own, open_own_sender),
        ),
        open_sender=open_own_sender,
        sender_address=own,
        resume=resume,
    )
    watched = WatchedContracts(
        network.entrance,
        network.court,
        network.log,
        network.market,
        network.seats,
        network.deployments.first_block(),
        frozenset(accounts),
    )
    folder = watch or home.jobs / "watch"
    return Work(parts, lambda: MatterWatch(network.node, watched, folder))


async def _resume(network: Network, home: Home, blob_id: bytes) -> None:
    """Go on with a dispersal whose process died."""
    engine = await asyncio.to_thread(choose_engine)
    async with open_publisher(network, home, engine, watch=lambda _: None, threads=1) as publisher:
        await publisher.disperse.resume(blob_id)
