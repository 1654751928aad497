"""One operator's storage node: takes shards of paid files, signs, serves, scrubs, proves, repairs.

It also follows key-value streams and batches writes to them (node_streams.py).

Waits until the chain knows its operator, so a node may be started before it is registered.
"""

import asyncio
import logging
import time
from typing import Final

from offchain.apps.da_node import DrillOnDevnetOnly
from offchain.apps.home import Home, storage_node_name
from offchain.apps.keystore import Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.network import Network
from offchain.apps.node_chores import Chore, Operator
from offchain.apps.node_life import NodeLife, place_of
from offchain.apps.node_streams import NONE, NodeStreams, StreamHost
from offchain.apps.operators import node_role
from offchain.apps.settings import SettingInvalid, StorageNodeSettings, read_settings
from offchain.apps.storage_chores import KeeperParts, keeper_chores, sender_of, storage_ledger
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.core.erasure import ErasureEngine
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from offchain.node.memory import keep_freed_memory, leave_what_stays
from offchain.node.peer_limits import PeerLimits, PeerRate
from offchain.storage.accept_shards import AcceptShards, SeatParts, UploadLimits
from offchain.storage.adapters.bls_held_signer import BlsHeldSigner
from offchain.storage.adapters.chain_bad_files import ChainBadFileDesk
from offchain.storage.adapters.folder_medium import FolderMedium
from offchain.storage.adapters.http_node import StorageFace, build_storage_app, storage_server
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.adapters.misconduct import CheatingServer, Misconduct
from offchain.storage.adapters.s3_medium import S3Medium, S3Place
from offchain.storage.bad_file import BadFiles, ProsecuteBadFiles
from offchain.storage.describe_seat import DescribeSeat
from offchain.storage.kv.adapters.http_face import add_kv_routes
from offchain.storage.medium import Medium
from offchain.storage.ports import SeatClient
from offchain.storage.scrub import ScrubRules, ScrubShards
from offchain.storage.segment_book import SegmentBook
from offchain.storage.serve_shards import ServeLimits, ServeShards, ShardServer
from offchain.storage.shard_store import Shards

SCRUB_PAUSE_SECONDS: Final = 60.0
PROSECUTE_SECONDS: Final = 5.0
DAY: Final = 86_400
MB: Final = 10**6
log = logging.getLogger(__name__)


def run_storage_node(**flags: object) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from offchain.core.erasure.choose import choose_engine

    settings = read_settings(StorageNodeSettings, **flags)
    name = storage_node_name(settings.node_index)
    configure_logging(name, level=settings.log_level)
    home = Home.at(settings.home)
    keep_freed_memory()
    engine = choose_engine()
    network, port = place_of(settings, home, name, settings.node_port)
    asyncio.run(_Node(home, network, engine, settings).run(port))
    return 0


class _Node:
    """The parts of one node and their life."""

    def __init__(
        self, home: Home, network: Network, engine: ErasureEngine, settings: StorageNodeSettings
    ) -> None:
        self._misconduct = _misconduct(settings, network)
        self._settings = settings
        self._folder = home.storage_node(settings.node_index)
        self._keys = Keystore(home.keys)
        self._role = node_role(settings.node_index)
        account = self._keys.account(self._role)
        self._account = Operator(home, self._role, account, at_a_loss=False)
        self._network = network
        self._engine = engine
        self._sender = sender_of(network, self._account)
        self._life = NodeLife(self._folder, network, account)
        self._store: Shards | None = None

    async def run(self, port: int) -> None:
        await self._life.run(lambda operator: self._serve(operator, port))

    async def _serve(self, operator: int, port: int) -> None:
        async with HttpSeatClient() as client:
            await self._serve_with(operator, port, client)

    async def _serve_with(self, operator: int, port: int, client: SeatClient) -> None:
        shelf = BadFiles(LocalDisk(), self._folder / "fraud")
        store, parts = await asyncio.to_thread(self._open_parts, operator, shelf)
        self._store = store
        accept = AcceptShards(parts, UploadLimits(upload_bytes=self._settings.upload_mb * MB))
        await accept.prepare()
        scrub = ScrubShards(store, store, self._scrub_rules())
        serve: ShardServer = ServeShards(store, parts.book, ServeLimits())
        chores = [Chore("scrub", SCRUB_PAUSE_SECONDS, lambda: _scrub(scrub))]
        if self._misconduct is None:
            keeper = KeeperParts(
                operator, store, parts.book, client, self._engine, parts.signer, accept.is_busy
            )
            prosecute = ProsecuteBadFiles(parts.ledger, shelf, self._bad_file_desk())
            chores.append(Chore("prosecute", PROSECUTE_SECONDS, prosecute.prosecute))
            chores += await asyncio.to_thread(keeper_chores, self._network, self._sender, keeper)
        else:
            serve = CheatingServer(serve, self._misconduct)
            log.critical("node_misbehaves", extra={"how": self._misconduct.value})
        describe = DescribeSeat(operator, parts.ledger, store, lambda: scrub.last)
        limits = PeerLimits(PeerRate(), time.monotonic)
        face = StorageFace(accept, serve, describe, self._readiness, limits)
        app = build_storage_app(face)
        if self._settings.streams != NONE:
            streams = await asyncio.to_thread(self._open_streams, operator)
            add_kv_routes(app, streams.face)
            chores += streams.chores
        server = storage_server(app, port)
        leave_what_stays()
        log.info("node_started", extra={"operator": operator, "port": port})
        await self._life.serve_beside(server, chores)

    def _open_streams(self, operator: int) -> NodeStreams:
        host = StreamHost(
            self._network,
            self._account,
            operator,
            self._keys.bls(self._role),
            self._engine,
            self._sender,
            self._folder / "kv",
        )
        return NodeStreams(host, self._settings)

    def _bad_file_desk(self) -> ChainBadFileDesk:
        return ChainBadFileDesk(self._network.proofs, self._sender)

    def _open_parts(self, operator: int, shelf: BadFiles) -> tuple[Shards, SeatParts]:
        store = Shards(self._medium(), self._engine)
        for name in store.open():
            log.error("shard_unusable", extra={"shard": name})
        journal = FileJournal(LocalDisk(), self._folder / "book" / "segments.journal")
        journal.open()
        book = SegmentBook(journal)
        book.open()
        ledger = storage_ledger(self._network)
        signer = BlsHeldSigner(self._keys.bls(self._role))
        engine = self._engine
        return store, SeatParts(operator, ledger, store, book, signer, engine, shelf.keep)

    def _medium(self) -> Medium:
        """Where shards lie. Raises: SettingInvalid."""
        settings = self._settings
        if settings.store == "folder":
            folder = settings.store_folder or self._folder / "shards"
            return FolderMedium(LocalDisk(past_cache=True), folder)
        if settings.s3_bucket is None:
            raise SettingInvalid(setting="s3_bucket", why="an object store needs a bucket")
        secret = settings.s3_secret_key
        place = S3Place(
            settings.s3_bucket,
            settings.s3_endpoint,
            region=settings.s3_region,
            access_key=settings.s3_access_key,
            secret_key=secret.get_secret_value() if secret else None,
        )
        return S3Medium(place)

    def _scrub_rules(self) -> ScrubRules:
        settings = self._settings
        return ScrubRules(settings.scrub_days * DAY, settings.scrub_mb_s * MB)

    async def _readiness(self) -> str | None:
        if self._store is not None and self._store.is_read_only:
            return "a write failed: read-only until the disk is looked at and the node restarted"
        return await self._life.readiness()


async def _scrub(scrub: ScrubShards) -> int:
    return len((await scrub.round()).sick)


def _misconduct(settings: StorageNodeSettings, network: Network) -> Misconduct | None:
    """How this node is to cheat in a drill. Raises: DrillOnDevnetOnly."""
    if settings.adversary is None:
        return None
    if network.chain_id not in DEVNET_CHAIN_IDS:
        raise DrillOnDevnetOnly(chain_id=network.chain_id)
    return Misconduct(settings.adversary)
