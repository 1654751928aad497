"""Seats in memory: what a storage node does for the client, with faults that tests switch on.

It checks bodies as a node does, keeps runs, signs Held once every seat of an operator is whole, and
answers reads. A mood makes one endpoint silent, slow, full of lies, or forgetful.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from offchain.core.bls import SecretKey
from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.encode import leaf_frame_of
from offchain.core.merkle import CosetTree
from offchain.core.wire import Header, Row
from offchain.node.body import Body
from offchain.storage.errors import (
    NotWhole,
    SeatRefused,
    SeatSlow,
    SeatUnreachable,
    ShardNotHeld,
    ShardRejected,
)
from offchain.storage.frames import have_bitmap, parse_shard_body
from offchain.storage.judge import run_lies_under
from offchain.storage.model import (
    FileShape,
    Segment,
    held_digest,
    is_segment_of,
    rows_of,
)
from offchain.storage.ports import FileView, Place, Run, StorageLedger

FLIPPED = 0x01


class Mood(Enum):
    """How an endpoint behaves."""

    HONEST = "honest"
    SILENT = "silent"  # no connection
    STUCK = "stuck"  # accepts, never answers
    LYING = "lying"  # rows with one byte flipped, signatures of something else
    EMPTY = "empty"  # has lost everything it was sent
    REFUSING = "refusing"  # answers errors


@dataclass(slots=True)
class MemorySeat:
    """One operator's node."""

    operator: int
    key: SecretKey = field(repr=False)
    mood: Mood = Mood.HONEST
    runs: dict[tuple[bytes, int], Run] = field(default_factory=dict, repr=False)
    headers: dict[bytes, Header] = field(default_factory=dict, repr=False)
    tables: dict[bytes, dict[int, Segment]] = field(default_factory=dict, repr=False)
    puts: int = 0
    reads: int = 0


class MemorySeats:
    """A `SeatClient` over nodes in memory, by endpoint."""

    def __init__(
        self, ledger: StorageLedger, seats: dict[str, MemorySeat], engine: ErasureEngine
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self.seats = seats

    async def put_shard(self, endpoint: str, place: Place, body: Body) -> None:
        seat = await self._reached(endpoint)
        raw = b"".join(body.chunks())
        view = self._view(place.file_id)
        profile = view.file.profile
        rows = rows_of(profile, place.seat)
        parsed = parse_shard_body(raw, view.file.shape, place.segment, rows=rows)
        segment = Segment.of(place.segment, parsed.header)
        is_paid = is_segment_of(view.file.root, view.file.shape, segment, parsed.path)
        if not is_paid or not run_lies_under(segment.data_root, parsed.run, self._engine):
            raise SeatRefused(endpoint=endpoint, remote_code=ShardRejected.code)
        copied = Run(
            rows.start, parsed.run.siblings, parsed.run.coset_roots, parsed.run.data.copy()
        )
        seat.puts += 1
        if seat.mood is not Mood.EMPTY:
            seat.runs[segment.data_root, rows.start] = copied
        seat.headers[segment.data_root] = parsed.header
        seat.tables.setdefault(view.file.root, {})[place.segment] = segment

    async def have(self, endpoint: str, file_id: bytes, seat: int) -> bytes:
        node = await self._reached(endpoint)
        view = self._view(file_id)
        return have_bitmap(self._held_by(node, view, seat))

    async def held(self, endpoint: str, file_id: bytes) -> bytes:
        node = await self._reached(endpoint)
        view = self._view(file_id)
        assert view.group is not None
        everything = set(range(view.file.shape.segments))
        for seat in view.group.seats:
            is_mine = seat.operator == node.operator and node.mood is not Mood.LYING
            if is_mine and self._held_by(node, view, seat.seat) != everything:
                raise SeatRefused(endpoint=endpoint, remote_code=NotWhole.code)
        digest = held_digest(
            self._ledger.domain(),
            file_id=file_id,
            root=bytes(32) if node.mood is Mood.LYING else view.file.root,
            group=view.file.group,
            expiry=view.file.expiry,
        )
        return node.key.sign(digest).compressed

    async def segments(self, endpoint: str, root: bytes, shape: FileShape) -> Sequence[Segment]:
        node = await self._reached(endpoint)
        known = node.tables.get(root, {})
        if len(known) != shape.segments:
            raise SeatRefused(endpoint=endpoint, remote_code=ShardNotHeld.code)
        return [known[index] for index in range(shape.segments)]

    async def header(self, endpoint: str, data_root: bytes) -> Header:
        node = await self._reached(endpoint)
        if data_root not in node.headers:
            raise SeatRefused(endpoint=endpoint, remote_code=ShardNotHeld.code)
        return node.headers[data_root]

    async def run(
        self, endpoint: str, data_root: bytes, *, first: int, count: int, columns: int
    ) -> Run:
        node = await self._reached(endpoint)
        node.reads += 1
        whole = self._run_with(node, data_root, first, endpoint)
        start = first - whole.first
        if start + count > len(whole.data):
            raise SeatRefused(endpoint=endpoint, remote_code=ShardNotHeld.code)
        data = whole.data[start : start + count].copy()
        if node.mood is Mood.LYING:
            data[0, columns // 2, 9] ^= FLIPPED
        inner = await asyncio.to_thread(self._siblings, whole, start, count)
        return Run(first, inner + whole.siblings, whole.coset_roots, data)

    async def rows(
        self,
        endpoint: str,
        data_root: bytes,
        indices: Sequence[int],
        *,
        columns: int,  # noqa: ARG002 - known from the run
    ) -> Sequence[Row]:
        node = await self._reached(endpoint)
        return [self._row(node, data_root, index, endpoint) for index in indices]

    async def leaf(self, endpoint: str, segment: Segment, *, row: int, leaf: int) -> bytes:
        node = await self._reached(endpoint)
        node.reads += 1
        whole = self._row(node, segment.data_root, row, endpoint)
        raw = leaf_frame_of(whole, leaf, node.headers[segment.data_root]).to_bytes()
        if node.mood is Mood.LYING:
            return raw[:100] + bytes([raw[100] ^ FLIPPED]) + raw[101:]
        return raw

    def _row(self, node: MemorySeat, data_root: bytes, index: int, endpoint: str) -> Row:
        whole = self._run_with(node, data_root, index, endpoint)
        inner = self._siblings(whole, index - whole.first, 1)
        return Row(index, inner + whole.siblings, whole.data[index - whole.first])

    def _siblings(self, whole: Run, start: int, count: int) -> tuple[bytes, ...]:
        """From a part of a kept run up to the run itself."""
        tree = CosetTree.build(self._engine.row_roots(whole.data), self._engine.keccak_many)
        depth = (count - 1).bit_length()
        return tuple(tree.path(start)[depth:])

    def _held_by(self, node: MemorySeat, view: FileView, seat: int) -> set[int]:
        first = rows_of(view.file.profile, seat).start
        known = node.tables.get(view.file.root, {})
        return {index for index, one in known.items() if (one.data_root, first) in node.runs}

    def _run_with(self, node: MemorySeat, data_root: bytes, row: int, endpoint: str) -> Run:
        for (root, first), run in node.runs.items():
            if root == data_root and first <= row < first + len(run.data):
                return run
        raise SeatRefused(endpoint=endpoint, remote_code=ShardNotHeld.code)

    def _view(self, file_id: bytes) -> FileView:
        return self._ledger.view(file_id, at=self._ledger.head().hash)

    async def _reached(self, endpoint: str) -> MemorySeat:
        await asyncio.sleep(0)
        seat = self.seats[endpoint]
        match seat.mood:
            case Mood.SILENT:
                raise SeatUnreachable(endpoint=endpoint)
            case Mood.STUCK:
                await asyncio.sleep(3_600)
                raise SeatSlow(endpoint=endpoint)
            case Mood.REFUSING:
                raise SeatRefused(endpoint=endpoint, remote_code="storage.store.broken")
            case _:
                return seat
