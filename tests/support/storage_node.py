"""Real storage nodes for tests: one in this process, or a whole group of them on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from offchain.apps.home import choose_ports
from offchain.core.bls import SecretKey
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.node.body import Body
from offchain.node.disk import Disk
from offchain.node.journal import FileJournal, Journal, MemoryJournal
from offchain.node.peer_limits import PeerLimits, PeerRate
from offchain.storage.accept_shards import AcceptShards, SeatParts, Upload, UploadLimits
from offchain.storage.adapters.bls_held_signer import BlsHeldSigner
from offchain.storage.adapters.folder_medium import FolderMedium
from offchain.storage.adapters.http_node import StorageFace, build_storage_app, storage_server
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.adapters.memory_market import MemoryMarket
from offchain.storage.adapters.memory_medium import MemoryMedium
from offchain.storage.bad_file import BadFile
from offchain.storage.client_ports import Order
from offchain.storage.describe_seat import DescribeSeat
from offchain.storage.frames import shard_body
from offchain.storage.medium import Medium
from offchain.storage.model import (
    FileShape,
    GroupState,
    SeatState,
    Segment,
    file_root,
    profile_named,
    segment_path,
)
from offchain.storage.ports import GroupView, Place, SeatView, StorageLedger
from offchain.storage.segment_book import SegmentBook
from offchain.storage.serve_shards import ServeLimits, ServeShards, ShardServer
from offchain.storage.shard_store import Shards

OWNER = b"\x0a" * 20
GROUP = 65_537


@dataclass(slots=True)
class StorageNode:
    """One operator's node: the door in, the way out, and what is behind them."""

    parts: SeatParts
    accept: AcceptShards
    serve: ShardServer
    store: Shards

    def face(self, rate: PeerRate | None = None) -> StorageFace:
        async def ready() -> str | None:
            return None

        describe = DescribeSeat(self.parts.operator, self.parts.ledger, self.store)
        limits = PeerLimits(rate or PeerRate(10_000, 10_000), lambda: 0.0)
        return StorageFace(self.accept, self.serve, describe, ready, limits)


def secret_of(operator: int) -> SecretKey:
    return SecretKey.from_seed(operator.to_bytes(4, "big") * 8)


def a_group(
    profile: str, operators: int | None = None, *, endpoint: Callable[[int], str] | None = None
) -> GroupView:
    """An open group whose seats are dealt to operators 1, 2, ... in turn."""
    shape = profile_named(profile)
    count = operators or shape.seats
    named = endpoint or (lambda operator: f"http://seat-{operator}")
    seats = tuple(
        SeatView(
            seat,
            seat % count + 1,
            SeatState.SERVING,
            named(seat % count + 1),
            key=secret_of(seat % count + 1).public_key(),
        )
        for seat in range(shape.seats)
    )
    return GroupView(GROUP, shape, GroupState.OPEN, seats)


def a_storage_node(
    ledger: StorageLedger,
    engine: ErasureEngine,
    operator: int = 1,
    *,
    medium: Medium | None = None,
    journal: Journal | None = None,
    limits: UploadLimits | None = None,
    on_fraud: Callable[[BadFile], None] = lambda _: None,
) -> StorageNode:
    """A node over what an earlier one may have left."""
    store = Shards(medium or MemoryMedium(), engine)
    store.open()
    book = SegmentBook(journal or MemoryJournal())
    book.open()
    signer = BlsHeldSigner(secret_of(operator))
    parts = SeatParts(operator, ledger, store, book, signer, engine, on_fraud)
    accept = AcceptShards(parts, limits or UploadLimits())
    return StorageNode(parts, accept, ServeShards(store, book, ServeLimits()), store)


def a_node_on_disk(
    ledger: StorageLedger, engine: ErasureEngine, disk: Disk, folder: Path, operator: int = 1
) -> StorageNode:
    """A node whose shards and journal lie on a disk."""
    journal = FileJournal(disk, folder / "book" / "segments.journal")
    journal.open()
    medium = FolderMedium(disk, folder / "shards", free=lambda _: 1.0)
    return a_storage_node(ledger, engine, operator, medium=medium, journal=journal)


@dataclass(slots=True)
class StoredFileCase:
    """A file that is paid for and placed, with everything its seats are to be sent."""

    market: MemoryMarket
    group: GroupView
    encoded: tuple[EncodedBlob, ...]
    segments: tuple[Segment, ...]
    file_id: bytes

    @property
    def root(self) -> bytes:
        return file_root(self.segments)

    def place(self, seat: int, segment: int = 0) -> Place:
        return Place(self.file_id, segment, seat)

    def body(self, seat: int, segment: int = 0) -> Body:
        path = segment_path(self.segments, segment)
        return shard_body(self.encoded[segment], path, self.group.profile, seat)

    def raw(self, seat: int, segment: int = 0) -> bytes:
        return b"".join(self.body(seat, segment).chunks())


def a_placed_file(
    market: MemoryMarket, group: GroupView, engine: ErasureEngine, payload: bytes, nonce: int = 0
) -> StoredFileCase:
    """Pay for a file of one segment and have it placed."""
    encoded = encode(payload, engine)
    segments = (Segment.of(0, encoded.header),)
    return placed(market, group, (encoded,), segments, nonce)


def placed(
    market: MemoryMarket,
    group: GroupView,
    encoded: tuple[EncodedBlob, ...],
    segments: tuple[Segment, ...],
    nonce: int = 0,
) -> StoredFileCase:
    """Pay for these segments and have them placed."""
    length = sum(segment.length for segment in segments)
    shape, root = FileShape.of(length), file_root(segments)
    deposit = market.quote(length, group.profile, 30).deposit_wei
    order = Order(root, nonce, shape, group.profile, 30)
    market.submit(order, max_cost_wei=deposit)
    file_id = market.file_id(root, nonce)
    market.head()
    market.place(file_id)
    return StoredFileCase(market, group, encoded, segments, file_id)


def agreed_files(port: int, files: int) -> tuple[MemoryMarket, list[StoredFileCase]]:
    """The chain that a test and its child processes agree on: one operator with every seat."""
    engine = choose_engine()
    group = a_group("solo", 1, endpoint=lambda _: f"http://127.0.0.1:{port}")
    market = MemoryMarket([group], owner=OWNER)
    return market, [
        a_placed_file(market, group, engine, b"file %d" % number, nonce=number)
        for number in range(files)
    ]


async def send(node: StorageNode, place: Place, raw: bytes, *, declared: int | None = None) -> bool:
    """Deliver a body without a network, in odd pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in cut(raw):
            yield piece

    size = len(raw) if declared is None else declared
    return await node.accept.accept(place, Upload(pieces(), size))


def cut(raw: bytes, size: int = 7_001) -> Iterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


@dataclass(slots=True)
class SeatNetwork:
    """Nodes behind real sockets; `stop(operator)` is a dead machine."""

    market: MemoryMarket
    group: GroupView
    client: HttpSeatClient
    nodes: Mapping[int, StorageNode]
    servers: dict[int, tuple[uvicorn.Server, asyncio.Task[None]]]

    def endpoint(self, operator: int) -> str:
        return next(one.endpoint for one in self.group.seats if one.operator == operator)

    async def stop(self, operator: int) -> None:
        server, task = self.servers.pop(operator)
        server.should_exit = True
        await task


@asynccontextmanager
async def seat_network(
    engine: ErasureEngine,
    profile: str = "local",
    operators: int | None = None,
    *,
    medium: Callable[[int], Medium] = lambda _: MemoryMedium(),
    serve: Callable[[int, ShardServer], ShardServer] = lambda _, honest: honest,
) -> AsyncIterator[SeatNetwork]:
    """A group of real nodes on loopback over a market in memory.

    `medium` says where a node keeps its shards, `serve` may put a cheat before what it answers.
    """
    count = operators or profile_named(profile).seats
    ports = choose_ports([str(operator) for operator in range(1, count + 1)])
    group = a_group(
        profile, count, endpoint=lambda operator: f"http://127.0.0.1:{ports[str(operator)]}"
    )
    market = MemoryMarket([group], owner=OWNER)
    nodes, servers = {}, {}
    for operator in range(1, count + 1):
        node = a_storage_node(market, engine, operator, medium=medium(operator))
        node.serve = serve(operator, node.serve)
        server = storage_server(build_storage_app(node.face()), ports[str(operator)])
        nodes[operator] = node
        servers[operator] = (server, asyncio.create_task(server.serve()))
    async with HttpSeatClient() as client:
        network = SeatNetwork(market, group, client, nodes, servers)
        for server, serving in servers.values():
            while not server.started and not serving.done():  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
        try:
            yield network
        finally:
            for operator in list(servers):
                await network.stop(operator)


def with_seat(group: GroupView, seat: int, **changes: object) -> GroupView:
    """The group with one seat changed."""
    seats = list(group.seats)
    seats[seat] = replace(seats[seat], **changes)
    return replace(group, seats=tuple(seats))
