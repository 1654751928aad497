"""One operator's DA node: checks rows, keeps them, signs, serves them to readers.

Waits until the chain knows its operator, so a node may be started before it is registered.
"""

import asyncio
import logging
import time

from offchain.apps.disperser import ledger_of
from offchain.apps.home import Home, node_name
from offchain.apps.keystore import Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.network import Network
from offchain.apps.node_chores import Operator, chores_of, collecting
from offchain.apps.node_life import NodeLife, place_of
from offchain.apps.operators import node_role
from offchain.apps.settings import DaNodeSettings, read_settings
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import Rejected
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
from offchain.node.peer_limits import PeerLimits, PeerRate

log = logging.getLogger(__name__)


def run_da_node(**flags: object) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from offchain.core.erasure.choose import choose_engine

    settings = read_settings(DaNodeSettings, **flags)
    index = settings.node_index
    configure_logging(node_name(index), level=settings.log_level)
    home = Home.at(settings.home)
    engine = choose_engine()
    network, port = place_of(settings, home, node_name(index), settings.node_port)
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
        self._life = NodeLife(self._folder, network, account)

    async def run(self, port: int) -> None:
        await self._life.run(lambda operator: self._serve(operator, port))

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
        app = build_node_app(NodeFace(accept, rows, self._life.readiness, limits))
        if self._misconduct is Misconduct.FRIENDS_ONLY:
            app.add_middleware(OnlyFriends)
        server = node_server(app, port)
        log.info("node_started", extra={"operator": operator, "port": port})
        await self._life.serve_beside(server, chores)

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


def _misconduct(settings: DaNodeSettings, network: Network) -> Misconduct | None:
    """How this node is to cheat in a drill. Raises: DrillOnDevnetOnly."""
    if settings.adversary is None:
        return None
    if network.chain_id not in DEVNET_CHAIN_IDS:
        raise DrillOnDevnetOnly(chain_id=network.chain_id)
    return Misconduct(settings.adversary)
