"""The gateway process: HTTP over this home's disperser and over a reader of the network.

The disperser's outbox and journal are opened when something is published and given back a moment
after, so that `apogee da put` and the worker get their turn.
"""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Final

from offchain.apps.api_key import NAME, ensure_api_key
from offchain.apps.disperser import READ_SECONDS, ROLE, ledger_of, open_publisher
from offchain.apps.files import write_json
from offchain.apps.gateway_compute import compute_face
from offchain.apps.home import GATEWAY, LOOPBACK, Home, Manifest
from offchain.apps.keystore import Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.network import Network, connect, deployment_file
from offchain.apps.settings import GatewaySettings, read_settings
from offchain.apps.storage_client import open_files
from offchain.chain.keys import LocalSigner
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.layout import STEP_PAYLOAD_BYTES
from offchain.da.adapters.chain_trail import ChainTrail
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.batch import BatchRules
from offchain.da.disperse import DisperseBlob
from offchain.da.ports import NodeClient
from offchain.da.read_part import PartReader
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.sample import SampleBlob, Sampled, SampleRules
from offchain.gateway.access import ApiKey
from offchain.gateway.answers import AnswerBook
from offchain.gateway.app import build_gateway_app, gateway_server
from offchain.gateway.face import GatewayFace
from offchain.gateway.lease import PublisherLease
from offchain.gateway.model import Lane, Quote, Sample, show
from offchain.gateway.publish import DeskParts, DeskRules, PublishDesk
from offchain.gateway.standing import Standings
from offchain.gateway.storage_door import OpenedFiles, StorageDoor
from offchain.node.peer_limits import PeerLimits, PeerRate

IDLE_SECONDS: Final = 0.5  # the publisher is kept so long after its last use
LOCK_SECONDS: Final = 2.0  # another publishing process is waited for, before 503
RATE: Final = PeerRate(per_second=5_000, burst=10_000)  # every local program is one peer
CONNECTION_VERSION: Final = 1
STORAGE_JOURNAL: Final = "gateway-puts"
MOST_BLAME: Final = 64
GC_THRESHOLDS: Final = (20_000, 20, 50)  # a request makes some thousand objects, none in circles
log = logging.getLogger(__name__)


def run_gateway(**flags: object) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from offchain.core.erasure.choose import choose_engine

    settings = read_settings(GatewaySettings, **flags)
    configure_logging(GATEWAY, level=settings.log_level)
    home = Home.at(settings.home)
    network, rpc_url, port = _place(settings, home)
    engine = choose_engine()
    file = deployment_file(settings.deployments or home.deployments, settings.network)
    _write_connection(home, network, rpc_url, port, deployments=file)
    asyncio.run(_serve(_Gateway(home, network, engine, settings), port))
    return 0


async def _serve(gateway: "_Gateway", port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(HttpNodeClient())
        face = gateway.face(client)
        if face.storage is not None:
            await stack.enter_async_context(face.storage.open())
        server = gateway_server(build_gateway_app(face), port)
        gc.collect()
        gc.freeze()  # what is here now stays: the collector need not walk it again and again
        gc.set_threshold(*GC_THRESHOLDS)
        log.info("gateway_started", extra={"port": port})
        await server.serve()
    log.info("gateway_stopped")


class _Gateway:
    """The parts of one gateway."""

    def __init__(
        self, home: Home, network: Network, engine: ErasureEngine, settings: GatewaySettings
    ) -> None:
        self._home = home
        self._network = network
        self._engine = engine
        self._settings = settings
        self._ledger = ledger_of(network)

    def face(self, client: NodeClient) -> GatewayFace:
        settings = self._settings
        whole = RetrieveBlob(
            self._ledger,
            client,
            self._engine,
            rules=RetrievalRules(deadline_seconds=READ_SECONDS, threads=settings.gateway_threads),
        )
        sampler = SampleBlob(
            self._ledger,
            client,
            self._engine,
            reader=whole,
            randomness=SystemRandom(),
            rules=SampleRules(),
        )
        desk = self._desk()
        trail = ChainTrail(self._network.node, self._network.entrance)
        compute = compute_face(self._home, self._network, settings)
        return GatewayFace(
            desk=desk,
            reader=PartReader(self._ledger, client, self._engine, whole),
            standings=Standings(self._ledger, trail.trail, desk),
            quote=self._quote,
            sample=partial(sample_with, sampler),
            key=ApiKey(ensure_api_key(self._home)),
            limits=PeerLimits(RATE, time.monotonic),
            readiness=self._readiness,
            keys=compute.desk,
            compute=compute,
            storage=StorageDoor(self._open_storage),
        )

    @asynccontextmanager
    async def _open_storage(self) -> AsyncIterator[OpenedFiles]:
        opening = open_files(self._home, self._settings.rpc_url, journal_name=STORAGE_JOURNAL)
        async with opening as opened:
            yield OpenedFiles(opened.files, opened.epoch_seconds)

    def _desk(self) -> PublishDesk:
        settings = self._settings
        account = Keystore(self._home.keys).account(ROLE)
        folder = self._home.gateway
        folder.mkdir(parents=True, exist_ok=True)
        parts = DeskParts(
            lease=PublisherLease(self._publisher, idle_seconds=IDLE_SECONDS),
            answers=AnswerBook(folder / "answers.sqlite", lambda: int(time.time())),
            quote=lambda length, days: int(self._quote(length, days).fee_wei),
            signer=LocalSigner.from_secret(account.secret),
            domain=self._ledger.domain,
        )
        rules = DeskRules(
            open_blobs=settings.open_blobs,
            batch=BatchRules(wait_seconds=settings.item_wait_seconds),
        )
        self._watched = PublishDesk(parts, rules)
        return self._watched

    @asynccontextmanager
    async def _publisher(self) -> AsyncIterator[DisperseBlob]:
        async with open_publisher(
            self._network,
            self._home,
            self._engine,
            watch=self._watched.watch,
            threads=self._settings.gateway_threads,
            lock_seconds=LOCK_SECONDS,
        ) as publisher:
            yield publisher.disperse

    def _quote(self, length: int, days: int) -> Quote:
        block = self._network.node.block()
        entrance = self._network.entrance
        return Quote(
            length=length,
            days=days,
            fee_wei=str(entrance.quote(length, days, at=block.hash)),
            confirm_seconds=entrance.windows(at=block.hash).confirm,
            lane=Lane.SHARED if length <= STEP_PAYLOAD_BYTES // 2 else Lane.OWN,
            block=block.number,
        )

    async def _readiness(self) -> str | None:
        try:
            await asyncio.to_thread(self._network.node.block)
        except ApogeeError as error:
            return f"the chain does not answer: {error.code}"
        return None


async def sample_with(sampler: SampleBlob, blob_id: bytes, confidence: float) -> Sample:
    """One look at a blob, as the gateway tells it."""
    found: Sampled = await sampler.sample(blob_id, Fraction(str(confidence)))
    blame = found.blame.records[:MOST_BLAME]
    return Sample(
        blob_id=show(blob_id),
        block=found.view.moment.block,
        asked=len(found.rows),
        good=len(found.good),
        operators=len(found.operators),
        doubt=float(found.doubt),
        confidence=float(1 - found.doubt),
        asked_confidence=confidence,
        is_reached=found.is_reached,
        blame=[f"operator {one.operator}: {one.reason}" for one in blame],
    )


def _write_connection(
    home: Home, network: Network, rpc_url: str, port: int, *, deployments: Path
) -> None:
    """What a program needs to work with this home: `Apogee.at_home` reads it."""
    write_json(
        home.connection,
        {
            "version": CONNECTION_VERSION,
            "chain_id": network.chain_id,
            "rpc_url": rpc_url,
            "deployments": str(deployments),
            "gateway_url": f"http://{LOOPBACK}:{port}",
            "api_key_file": str(home.keys / NAME),
        },
    )


def _place(settings: GatewaySettings, home: Home) -> tuple[Network, str, int]:
    """The chain, its URL and this process's port, from the flags or from the home."""
    port, rpc_url = settings.gateway_port, settings.rpc_url
    if port is None or rpc_url is None:
        manifest = Manifest.load(home)
        port = port or manifest.ports[GATEWAY]
        rpc_url = rpc_url or manifest.url("devnet")
    file = deployment_file(settings.deployments or home.deployments, settings.network)
    return connect(rpc_url, file), rpc_url, port
