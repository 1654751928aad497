"""One operator's DA node: checks rows, keeps them, signs, serves them to readers.

Waits until the chain knows its operator, so a node may be started before it is registered.
"""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from functools import partial
from typing import Final

from offchain.apps.disperser import ledger_of
from offchain.apps.home import Home, Manifest, node_name
from offchain.apps.keystore import Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.network import Network, address_of, connect, deployment_file
from offchain.apps.node_chores import Operator, chores_of, collecting, repeat
from offchain.apps.operators import node_role
from offchain.apps.settings import DaNodeSettings, read_settings
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError, Rejected
from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
from offchain.da.adapters.bls_signer import BlsSigner
from offchain.da.adapters.disk_journal import (
    DiskJournal,
)
from offchain.da.adapters.disk_proofs import DiskProofs
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.adapters.http_node import NodeFace, build_node_app, node_server
from offchain.da.adapters.misconduct import Misconduct, OnlyFriends, misbehaving
from offchain.da.ports import NodeClient
from offchain.da.serve import RowServer, ServeLimits, ServeRows
from offchain.node.disk import LocalDisk
from offchain.node.folder_lock import FolderLock
from offchain.node.peer_limits import PeerLimits, PeerRate

REGISTERED_POLL_SECONDS: Final = 0.5
log = logging.getLogger(__name__)


def run_da_node(**flags: object) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from offchain.core.erasure.choose import choose_engine

    settings = read_settings(DaNodeSettings, **flags)
    index = settings.node_index
    configure_logging(node_name(index), level=settings.log_level)
    home = Home.at(settings.home)
    engine = choose_engine()
    network, port = _place(settings, home)
    asyncio.run(_Node(home, network, engine, settings).run(port))
    return 0


class DrillOnDevnetOnly(Rejected):
    """A node cheats on a devnet only: elsewhere its operator would be slashed."""

    code = "da_node.drill_on_devnet_only"
    next_step = "Leave --adversary out, or run `apogee attack da`."


class _Node:
    """The parts of one node and their life."""

    def __init__(
        self,
        home: Home,
        network: Network,
        engine: ErasureEngine,
        settings: DaNodeSettings,
    ) -> None:
        index, misconduct = settings.node_index, _misconduct(settings, network)
        self._folder = home.node(index)
        self._keys = Keystore(home.keys)
        self._role = node_role(index)
        self._network = network
        self._engine = engine
        self._misconduct = misconduct
        account = self._keys.account(self._role)
        self._operator = Operator(home, self._role, account, settings.samples_at_a_loss)
        self._stop = asyncio.Event()

    async def run(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self._folder)
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop.set)
            operator = await self._registered_operator()
            if operator:
                await self._serve(operator, port)
        finally:
            lock.close()
        log.info("node_stopped")

    async def _serve(self, operator: int, port: int) -> None:
        async with HttpNodeClient() as client:
            await self._serve_beside(operator, port, client)

    async def _serve_beside(self, operator: int, port: int, client: NodeClient) -> None:
        shelf = DiskProofs(LocalDisk(), self._folder / "fraud", self._engine)
        parts = self._open_parts(operator, shelf)
        accept = AcceptRows(parts, NodeLimits(confirmations=1))
        await accept.restore()
        rows: RowServer = ServeRows(parts.store, ServeLimits())
        chores = [await asyncio.to_thread(collecting, self._network, accept, parts)]
        if self._misconduct is None:
            chores += await asyncio.to_thread(
                chores_of, self._network, self._operator, parts, client=client, shelf=shelf
            )
        else:
            rows = misbehaving(rows, self._misconduct)
            log.critical("node_misbehaves", extra={"how": self._misconduct.value})
        limits = PeerLimits(PeerRate(), time.monotonic)
        app = build_node_app(NodeFace(accept, rows, self._readiness, limits))
        if self._misconduct is Misconduct.FRIENDS_ONLY:
            app.add_middleware(OnlyFriends)
        server = node_server(app, port)
        tasks = [asyncio.create_task(repeat(chore)) for chore in chores]
        serving = asyncio.create_task(server.serve())
        log.info("node_started", extra={"operator": operator, "port": port})
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)

    def _open_parts(self, operator: int, shelf: DiskProofs) -> NodeParts:
        disk = LocalDisk()
        store = DiskRows(disk, self._folder / "rows", self._engine.row_roots)
        for name in store.open():
            log.error("share_unusable", extra={"share": name})
        journal = DiskJournal(disk, self._folder / "journal")
        journal.open()
        ledger = ledger_of(self._network)
        signer = BlsSigner(self._keys.bls(self._role))
        return NodeParts(operator, ledger, store, journal, signer, self._engine, shelf.keep)

    async def _registered_operator(self) -> int | None:
        """The id of this node's operator, once the chain knows it; None when told to stop."""
        address = address_of(self._keys.account(self._role))
        while not self._stop.is_set():
            try:
                at = (await asyncio.to_thread(self._network.node.block)).hash
                find = partial(self._network.stake.operator_of, address, at=at)
                operator = await asyncio.to_thread(find)
                if operator:
                    return operator
            except ApogeeError as error:
                log.warning("chain_not_read", extra={"code": error.code, "error": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), REGISTERED_POLL_SECONDS)
        return None

    async def _readiness(self) -> str | None:
        try:
            await asyncio.to_thread(self._network.node.block)
        except ApogeeError as error:
            return f"the chain does not answer: {error.code}"
        return None


def _misconduct(settings: DaNodeSettings, network: Network) -> Misconduct | None:
    """How this node is to cheat in a drill. Raises: DrillOnDevnetOnly."""
    if settings.adversary is None:
        return None
    if network.chain_id not in DEVNET_CHAIN_IDS:
        raise DrillOnDevnetOnly(chain_id=network.chain_id)
    return Misconduct(settings.adversary)


def _place(settings: DaNodeSettings, home: Home) -> tuple[Network, int]:
    """The chain and the port of this node, from the flags or from the home."""
    port, rpc_url = settings.node_port, settings.rpc_url
    if port is None or rpc_url is None:
        manifest = Manifest.load(home)
        port = port or manifest.ports[node_name(settings.node_index)]
        rpc_url = rpc_url or manifest.url("devnet")
    folder = settings.deployments or home.deployments
    return connect(rpc_url, deployment_file(folder, settings.network)), port
