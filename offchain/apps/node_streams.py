"""Key-value streams of a storage node: a replica, its batcher, its seats' word, its snapshots.

  streams   follow the log, keep promises            roots   post what seats of a group stand for

Everything lies in the node's folder `kv`. Shards do not depend on it: a stream that cannot go on is
logged and tried again beside them. Source: docs/protocol/storage.md#key-value-streams.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps.network import SETTLED_DEPTH, Network, address_of
from offchain.apps.node_chores import Chore, Operator
from offchain.apps.settings import SettingInvalid, StorageNodeSettings
from offchain.apps.storage_chores import storage_ledger
from offchain.apps.stream_payloads import (
    DaPayloads,
    Disperses,
    GatewayRoute,
    OwnDisperser,
    PublishBatches,
    serves_da,
)
from offchain.chain.keys import LocalSigner
from offchain.core.bls import SecretKey
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.node.disk import LocalDisk
from offchain.node.leased_sender import LeasedSender
from offchain.node.peer_limits import PeerLimits, PeerRate
from offchain.storage.kv.adapters.chain_log import MAX_INLINE_BYTES, ChainLog, InlineSink
from offchain.storage.kv.adapters.chain_roots import ChainRoots, RootClients
from offchain.storage.kv.adapters.disk_promises import DiskPromises
from offchain.storage.kv.adapters.http_face import KvFace
from offchain.storage.kv.adapters.http_peers import HttpPeers
from offchain.storage.kv.adapters.root_book import SqliteRootBook
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from offchain.storage.kv.batcher import Batcher, BatcherParts, BatchRules
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.hot import HotState
from offchain.storage.kv.op import domain_separator
from offchain.storage.kv.open_snapshot import OpeningParts, open_from_peers
from offchain.storage.kv.post_root import PostParts, PostRoots
from offchain.storage.kv.serve import KvService
from offchain.storage.kv.sign_root import FinalRoots, SignerParts, SignRoots
from offchain.storage.kv.snapshot_shelf import SnapshotShelf

STREAMS_SECONDS: Final = 0.5
ROOTS_SECONDS: Final = 5.0
SNAPSHOT_EPOCHS: Final = 6
CLOCK_SECONDS: Final = 0.5
WIDEN_SECONDS: Final = 2.0
RATE: Final = PeerRate(5_000, 10_000)  # every local program is one peer
ALL: Final = "all"
NONE: Final = "none"
FRAME_BYTES: Final = 16  # of a batch with one operation
INLINE: Final = BatchRules(
    window_bytes=MAX_INLINE_BYTES // 2,
    batch_bytes=MAX_INLINE_BYTES - FRAME_BYTES,
    op_bytes=MAX_INLINE_BYTES - FRAME_BYTES,
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamHost:
    """The node that streams live in; `number` is its operator's, `secret` its BLS key."""

    network: Network
    operator: Operator
    number: int
    secret: SecretKey
    engine: ErasureEngine
    sender: LeasedSender
    folder: Path


class LogClock:
    """Log time, at most half a second old."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._read_at = -CLOCK_SECONDS
        self._time = 0

    def __call__(self) -> int:
        now = time.monotonic()
        if now - self._read_at >= CLOCK_SECONDS:
            self._time = self._network.node.block().timestamp
            self._read_at = now
        return self._time


class NodeStreams:
    """The streams of one node; blocking to build."""

    def __init__(self, host: StreamHost, settings: StorageNodeSettings) -> None:
        network = host.network
        host.folder.mkdir(parents=True, exist_ok=True)
        self._host = host
        self._peers = settings.stream_peers
        self._wants = wanted_streams(settings.streams)
        self._is_open = False
        self._payloads = DaPayloads(network, lambda: host.engine)
        self._domain = domain_separator(network.chain_id, bytes(network.streams.address))
        self._replica = self._build_replica(settings.stream_limit)
        self._hot = HotState(self._replica)
        self._batcher = self._build_batcher(settings)
        self._roots = FinalRoots(self._replica)
        self._service = KvService(self._replica, self._batcher, after=self._roots.look)
        clients = RootClients(
            network.node, network.stake, network.market, network.streams, storage_ledger(network)
        )
        self._chain = ChainRoots(clients, host.sender)
        self._shelf = self._build_shelf()
        self._signer = self._build_signer()
        limits = PeerLimits(RATE, time.monotonic)
        self.face = KvFace(self._replica, limits, self._hot, signer=self._signer, shelf=self._shelf)

    @property
    def chores(self) -> list[Chore]:
        """What the node does for streams by itself."""
        parts = PostParts(
            self._host.number,
            self._chain,
            self._roots,
            self._signer,
            HttpPeers(),
            self._domain,
            self._shelf,
        )
        posting = PostRoots(parts)

        async def post() -> int:
            return await posting.post(self._replica.streams) if self._is_open else 0

        return [
            Chore("streams", STREAMS_SECONDS, self._serve),
            Chore("roots", ROOTS_SECONDS, post),
            Chore("widen", WIDEN_SECONDS, self._widen),
        ]

    async def _serve(self) -> int:
        """Follow the log and keep promises, until something fails; then this is called again."""
        if not self._is_open:
            if not self._replica.position().final and not self._replica.streams:
                await self._open_from_peers()
            await self._service.open()
            self.face.batcher = self._batcher
            self._is_open = True
            log.info("streams_opened", extra={"streams": len(self._replica.streams)})
        await self._service.run()
        return 0

    async def _open_from_peers(self) -> None:
        parts = OpeningParts(
            self._replica,
            HttpPeers(),
            self._chain.root_of,
            self._host.folder / "fetched",
            self._wants,
        )
        try:
            peers = self._peers or await asyncio.to_thread(self._seats)
            await open_from_peers(parts, peers)
        except ApogeeError as error:  # the log has everything that they have
            log.info("no_snapshots", extra={"code": error.code})

    def _seats(self) -> tuple[str, ...]:
        """Where seats of replica groups answer, but for this operator's."""
        found = {
            seat.endpoint: None
            for group in self._chain.groups()
            for seat in group.seats
            if seat.operator != self._host.number and seat.endpoint
        }
        return tuple(found)

    def _build_replica(self, most: int) -> Replica:
        network = self._host.network
        source = ChainLog(
            network.node,
            network.log,
            first_block=network.deployments.first_block(),
            finality=SETTLED_DEPTH,
        )
        store = SqliteStore(self._host.folder)
        parts = ReplicaParts(store, source, self._payloads, self._domain, self._wants, most)
        return Replica(parts)

    def _build_batcher(self, settings: StorageNodeSettings) -> Batcher:
        host, replica = self._host, self._replica
        journal = DiskPromises(LocalDisk(), host.folder)
        journal.open()
        route = self._route(settings)
        self._is_inline = route is None and not self._serves_da()
        if self._is_inline:
            log.warning("streams_inline_only", extra={"most_bytes": INLINE.op_bytes})
        publish = None if self._is_inline else self._publishing(route)
        self._sink = InlineSink(host.network.log, host.sender, publish=publish)
        account = host.operator.account
        parts = BatcherParts(
            hot=self._hot,
            journal=journal,
            sink=self._sink,
            account=bytes(address_of(account)),
            key=LocalSigner.from_secret(account.secret),
            domain=self._domain,
            now=LogClock(host.network),
            result_of=replica.result_of,
            applied=lambda: replica.position().applied,
        )
        return Batcher(parts, INLINE if self._is_inline else BatchRules())

    async def _widen(self) -> int:
        """Take long operations as soon as the operator serves DA: it may join after this start."""
        if not self._is_inline or not await asyncio.to_thread(self._serves_da):
            return 0
        self._sink.widen(self._publishing(None))
        self._batcher.adopt(BatchRules())
        self._is_inline = False
        log.info("streams_published_by_own_stake")
        return 1

    def _serves_da(self) -> bool:
        return serves_da(self._host.network, self._host.number)

    def _publishing(self, route: Disperses | None) -> PublishBatches:
        """Through a gateway, or by the operator itself."""
        host = self._host
        folder = host.folder / "dispersals"
        own = OwnDisperser(host.network, host.operator, host.sender, host.engine, folder)
        return PublishBatches(route or own, self._payloads)

    def _route(self, settings: StorageNodeSettings) -> Disperses | None:
        """The gateway that was named. Raises: SettingInvalid."""
        host, key = self._host, settings.stream_gateway_key
        if settings.stream_gateway is not None:
            if key is None:
                raise SettingInvalid(setting="stream_gateway_key", why="a gateway wants a key")
            url = settings.stream_gateway
            return GatewayRoute(host.network, host.engine, url, key.get_secret_value())
        return None

    def _build_shelf(self) -> SnapshotShelf:
        host = self._host
        at = host.network.node.block().hash
        shelf = SnapshotShelf(
            LocalDisk(),
            host.folder / "snapshots",
            self._replica,
            every_seconds=SNAPSHOT_EPOCHS * host.network.stake.epoch_length(at=at),
            now=time.monotonic,
        )
        shelf.open()
        return shelf

    def _build_signer(self) -> SignRoots:
        host, chain = self._host, self._chain
        return SignRoots(
            SignerParts(
                roots=self._roots,
                book=SqliteRootBook(host.folder),
                key=host.secret.public_key(),
                sign=host.secret.sign,
                domain=self._domain,
                epoch=chain.epoch,
                is_ours=lambda group: chain.is_seat_of(host.number, group),
            )
        )


def wanted_streams(text: str) -> Callable[[bytes], bool]:
    """Which streams the setting names: all, none, or ids with commas. Raises: SettingInvalid."""
    if text in (ALL, NONE):
        return lambda _: text == ALL
    try:
        ids = frozenset(bytes.fromhex(one.strip().removeprefix("0x")) for one in text.split(","))
    except ValueError as error:
        raise SettingInvalid(setting="streams", why="not hexadecimal", value=text[:80]) from error
    if any(len(one) != 32 for one in ids):
        raise SettingInvalid(setting="streams", why="a stream has 64 hex digits", value=text[:80])
    return ids.__contains__
