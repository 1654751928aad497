"""Build groups of seats that keep real files in memory: nodes, lying peers, a chain to read."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.hashing import keccak
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.core.merkle import CosetTree
from offchain.core.wire import Header, Row
from offchain.node.body import Body
from offchain.storage.acquire import AcquireParts, AcquireShards
from offchain.storage.adapters.memory_keeper import MemoryKeeper
from offchain.storage.errors import SeatUnreachable, ShardCorrupt, ShardNotHeld
from offchain.storage.frames import run_of
from offchain.storage.losses import DeclareLosses, LossParts, LossRules
from offchain.storage.model import (
    FileShape,
    FileState,
    GroupState,
    SeatState,
    Segment,
    file_root,
    profile_named,
    rows_of,
    shard_of,
)
from offchain.storage.ports import (
    GroupView,
    HeldShard,
    Place,
    Run,
    ScrubOutcome,
    SeatView,
    Shard,
    ShardKey,
    StoredFile,
)
from offchain.storage.prove import ProveChallenges, ProveParts
from offchain.storage.repair import RepairRules, RepairShards
from offchain.storage.watch import Patience
from tests.support.da_network import the_engine

TERM = 86_400
EPOCH = 14_400


class ShelfBook:
    """A `SegmentBook` in memory."""

    def __init__(self) -> None:
        self.kept: dict[bytes, tuple[Segment, ...]] = {}

    async def segments(self, root: bytes) -> tuple[Segment, ...] | None:
        return self.kept.get(root)

    async def keep(self, root: bytes, segments: tuple[Segment, ...]) -> None:
        self.kept[root] = segments


class Shelf:
    """A `ShardStore` in memory; `rot` makes what is held of a matrix unreadable."""

    def __init__(self) -> None:
        self.shards: dict[ShardKey, Shard] = {}
        self.rotten: set[ShardKey] = set()
        self.dropped: list[ShardKey] = []

    async def put(self, shard: Shard) -> None:
        self.shards[shard.key] = shard
        self.rotten.discard(shard.key)

    async def held(self, data_root: bytes | None = None) -> Sequence[HeldShard]:
        return [
            HeldShard(key, shard.header.columns, shard.run.data.nbytes)
            for key, shard in sorted(self.shards.items())
            if key not in self.rotten and data_root in {None, key.data_root}
        ]

    async def run(self, data_root: bytes, first: int, count: int) -> Run:
        shard = self._find(data_root, first, count)
        if (shard.key.first, shard.key.rows) != (first, count):
            raise ShardNotHeld(first=first, rows=count)
        return shard.run

    async def rows(self, data_root: bytes, indices: Sequence[int]) -> list[Row]:
        return [self._row(data_root, index) for index in indices]

    async def header(self, data_root: bytes) -> Header:
        for key, shard in self.shards.items():
            if key.data_root == data_root:
                return shard.header
        raise ShardNotHeld(data_root=data_root.hex())

    async def verify(self, key: ShardKey) -> ScrubOutcome:
        return ScrubOutcome.CONTAINED if key in self.rotten else ScrubOutcome.SUCCESS

    async def drop(self, key: ShardKey) -> None:
        self.shards.pop(key, None)
        self.dropped.append(key)

    def rot(self, data_root: bytes) -> None:
        self.rotten |= {key for key in self.shards if key.data_root == data_root}

    def _row(self, data_root: bytes, index: int) -> Row:
        run = self._find(data_root, index, 1).run
        engine = the_engine()
        tree = CosetTree.build(engine.row_roots(run.data), engine.keccak_many)
        place = index - run.first
        return Row(index, (*tree.path(place), *run.siblings), run.data[place])

    def _find(self, data_root: bytes, first: int, count: int) -> Shard:
        for key, shard in self.shards.items():
            if key.data_root == data_root and key.covers(first, count):
                if key in self.rotten:
                    raise ShardCorrupt(number=key.number)
                return shard
        raise ShardNotHeld(first=first, rows=count)


@dataclass
class Peer:
    """One operator's node as others meet it; `lie` spoils every run it gives."""

    shelf: Shelf = field(default_factory=Shelf)
    book: ShelfBook = field(default_factory=ShelfBook)
    is_silent: bool = False
    lie: str = ""  # "", "bytes", "place", "matrix", "short"
    on_run: Callable[[], object] = lambda: None  # happens once, as somebody reads from it


class PeerClient:
    """A `SeatClient` over peers in a table."""

    def __init__(self, peers: dict[str, Peer]) -> None:
        self.peers = peers

    async def put_shard(self, endpoint: str, place: Place, body: Body) -> None:
        raise AssertionError("keepers pull")

    async def have(self, endpoint: str, file_id: bytes, seat: int) -> bytes:
        raise AssertionError("keepers ask for what they want")

    async def held(self, endpoint: str, file_id: bytes) -> bytes:
        raise AssertionError("receipts are the uploader's")

    async def segments(self, endpoint: str, root: bytes, shape: FileShape) -> Sequence[Segment]:
        found = await self._peer(endpoint).book.segments(root)
        if found is None:
            raise ShardNotHeld(root=root.hex())
        return found

    async def header(self, endpoint: str, data_root: bytes) -> Header:
        return await self._peer(endpoint).shelf.header(data_root)

    async def run(
        self, endpoint: str, data_root: bytes, *, first: int, count: int, columns: int
    ) -> Run:
        peer = self._peer(endpoint)
        happening, peer.on_run = peer.on_run, lambda: None
        happening()
        run = await peer.shelf.run(data_root, first, count)
        return _spoilt(run, peer)

    async def rows(
        self, endpoint: str, data_root: bytes, indices: Sequence[int], *, columns: int
    ) -> Sequence[Row]:
        return await self._peer(endpoint).shelf.rows(data_root, indices)

    async def leaf(self, endpoint: str, segment: Segment, *, row: int, leaf: int) -> bytes:
        raise AssertionError("keepers read rows")

    def _peer(self, endpoint: str) -> Peer:
        peer = self.peers.get(endpoint)
        if peer is None or peer.is_silent:
            raise SeatUnreachable(endpoint=endpoint)
        return peer


def _spoilt(run: Run, peer: Peer) -> Run:
    match peer.lie:
        case "bytes":
            data = run.data.copy()
            data[0, 0, 31] ^= 1
            return Run(run.first, run.siblings, run.coset_roots, data)
        case "place":
            return Run(run.first ^ len(run.data), run.siblings, run.coset_roots, run.data)
        case "matrix":
            b0, _, b2 = run.coset_roots
            return Run(run.first, run.siblings, (b0, keccak(b0), b2), run.data)
        case "short":
            return Run(run.first, run.siblings, run.coset_roots, run.data[:-1])
        case _:
            return run


@cache
def a_segment(size: int, seed: int) -> EncodedBlob:
    """One encoded matrix; tests share them, since encoding costs."""
    return encode(random.Random(seed).randbytes(size), the_engine())


@dataclass
class KeptFile:
    """A file that was confirmed, and its matrices."""

    stored: StoredFile
    segments: tuple[Segment, ...]
    encoded: tuple[EncodedBlob, ...]

    def shard(self, segment: int, seat: int) -> Shard:
        encoded, profile = self.encoded[segment], self.stored.profile
        key = ShardKey(encoded.header.data_root, shard_of(profile, seat), profile.rows_per_seat)
        return Shard(key, encoded.header, run_of(encoded, rows_of(profile, seat)))


class KeepWorld:
    """A chain, one operator a seat (1..n), spare operators after them, and their nodes."""

    def __init__(self, profile: str = "local", *, spare: int = 2) -> None:
        self.profile = profile_named(profile)
        self.chain = MemoryKeeper()
        operators = range(1, self.profile.seats + spare + 1)
        self.chain.endpoints = {one: f"http://127.0.0.1:{9_000 + one}" for one in operators}
        self.peers = {self.chain.endpoints[one]: Peer() for one in operators}
        self.client = PeerClient(self.peers)
        seats = tuple(
            SeatView(seat, seat + 1, SeatState.SERVING, self.chain.endpoints[seat + 1])
            for seat in range(self.profile.seats)
        )
        self.chain.put_group(GroupView(1, self.profile, GroupState.OPEN, seats))
        self.chain.settle()
        self._files = 0

    @property
    def group(self) -> GroupView:
        return self.chain.state.groups[1]

    @property
    def engine(self) -> ErasureEngine:
        return the_engine()

    def peer(self, operator: int) -> Peer:
        return self.peers[self.chain.endpoints[operator]]

    def store(
        self,
        sizes: Sequence[int] = (200_000,),
        *,
        absent: Sequence[int] = (),
        state: FileState = FileState.STORED,
        seed: int = 1,
    ) -> KeptFile:
        """A file of matrices of these sizes, on every seat but the absent ones.

        Segments of a real file are whole but the last; keepers never look, so small ones do.
        """
        self._files += 1
        encoded = tuple(a_segment(size, seed + place) for place, size in enumerate(sizes))
        segments = tuple(Segment.of(place, one.header) for place, one in enumerate(encoded))
        length = sum(sizes)
        stored = StoredFile(
            keccak(b"file", self._files.to_bytes(4, "big")),
            state,
            bytes(20),
            file_root(segments) if len(sizes) == 1 else keccak(b"root", bytes([self._files])),
            FileShape.of(length),
            self.profile,
            1,
            self.chain.now + TERM,
            keep_until=self.chain.now + TERM,
            absent=sum(1 << seat for seat in absent),
        )
        kept = KeptFile(stored, segments, encoded)
        for seat in self.group.seats:
            if seat.seat not in absent:
                self.give(kept, seat.seat)
        self.chain.put_file(stored)
        self.chain.settle()
        return kept

    def give(self, file: KeptFile, seat: int) -> None:
        """Put a seat's shards and the segments on its operator's shelf."""
        peer = self.peer(self.group.seats[seat].operator)
        peer.book.kept[file.stored.root] = file.segments
        for segment in range(len(file.segments)):
            shard = file.shard(segment, seat)
            peer.shelf.shards[shard.key] = shard

    def lose(self, operator: int) -> None:
        """Its disk is gone; the node is up."""
        peer = self.peer(operator)
        peer.shelf.shards.clear()
        peer.book.kept.clear()

    def acquire(self, operator: int) -> AcquireShards:
        peer = self.peer(operator)
        return AcquireShards(
            AcquireParts(operator, peer.shelf, peer.book, self.client, the_engine())
        )

    def repair(self, operator: int, *, vacant_seconds: int = 0) -> RepairShards:
        rules = RepairRules(Patience(vacant_seconds))
        desk = self.chain.desk(operator)
        acquire = self.acquire(operator)
        return RepairShards(self.chain, desk, acquire, operator=operator, rules=rules)

    def losses(self, operator: int, *, patience_seconds: int = 0) -> DeclareLosses:
        peer = self.peer(operator)
        desk = self.chain.desk(operator)
        parts = LossParts(operator, self.chain, self.chain, desk, peer.shelf, peer.book)
        return DeclareLosses(parts, LossRules(patience_seconds, epoch_seconds=EPOCH))

    def prover(self, operator: int) -> ProveChallenges:
        peer = self.peer(operator)
        desk = self.chain.desk(operator)
        return ProveChallenges(ProveParts(operator, self.chain, desk, peer.shelf, peer.book))

    def holds(self, operator: int, file: KeptFile, seat: int) -> bool:
        """Whether an operator keeps a seat's shards of every segment, byte for byte."""
        shelf = self.peer(operator).shelf
        for segment in range(len(file.segments)):
            wanted = file.shard(segment, seat)
            found = shelf.shards.get(wanted.key)
            if found is None or wanted.key in shelf.rotten:
                return False
            same = np.array_equal(wanted.run.data, found.run.data)
            if not same or found.run.siblings != wanted.run.siblings:
                return False
        return True
