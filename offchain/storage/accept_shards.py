"""A seat takes a shard, keeps it, and signs when it has all: cheapest check first, once for ever.

  1 chain, one block   paid, placed deep enough, a seat of ours; the segment's place in the file
  2 room               body exactly as long as the shape says, quotas, free memory for one more
  3 path               the segment lies under the paid file root
  4 header, rows       headers that wait together are judged together; offchain/core/matrix/runs.py
  5 durable            shard, then the segment in the book; only then is it acknowledged

A receipt is journaled before it is signed, and signed only when every shard that this operator owes
of the file is here: all its seats sign the same digest with one key.
Source: docs/protocol/storage.md#node, INV-STO-3, INV-STO-13.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from offchain.chain.errors import BlockUnknown
from offchain.core.bls import Signature
from offchain.core.erasure import ErasureEngine
from offchain.core.kzg import prepare
from offchain.core.matrix.check import CheckedHeader
from offchain.core.matrix.errors import EncodingFault, RowRejected
from offchain.core.matrix.runs import check_run
from offchain.core.merkle import Digests
from offchain.node.header_desk import HeaderDesk
from offchain.storage.bad_file import BadFile, bad_file_of
from offchain.storage.errors import (
    BodyDigest,
    BodySize,
    NodeBusy,
    NoSeat,
    NotPlacedYet,
    NotWhole,
    OwnerQuota,
    RequestMalformed,
    SegmentNotPaid,
    ShardRejected,
    StoreQuota,
    SubmissionNotOpen,
    UploadSlow,
)
from offchain.storage.frames import ShardBody, have_bitmap, parse_shard_body, shard_body_bytes
from offchain.storage.model import (
    FileState,
    SeatState,
    Segment,
    held_digest,
    is_segment_of,
    kept_bytes,
    rows_of,
    shard_of,
)
from offchain.storage.ports import (
    FileView,
    HeldSigner,
    Place,
    Shard,
    ShardKey,
    ShardStore,
    StorageLedger,
    StoredFile,
)
from offchain.storage.segment_book import SegmentBook

HEAD_ROUNDS: Final = 5  # heads that may leave the chain while one view is read
OPEN: Final = frozenset({FileState.PLACED, FileState.STORED})
EARLY: Final = frozenset({FileState.SUBMITTED})
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What one node takes at once.

    `confirmations`: blocks that must exist from the one that placed a file on, itself counted.
    `upload_bytes`: bodies in memory together; `owner_uploads`: of one owner. `upload_seconds`,
    `upload_rate`: a body is here after so long, and so many bytes a second. `owner_bytes`: kept
    here of one owner's files that no receipts cover yet.
    """

    confirmations: int = 1
    upload_bytes: int = 96 << 20
    owner_uploads: int = 16
    upload_seconds: float = 10.0
    upload_rate: int = 1 << 18
    owner_bytes: int = 16 << 30


@dataclass(frozen=True, slots=True)
class SeatParts:
    """What a storage node is made of; `operator` is its id in StakeManager.

    `on_fraud` keeps the proof that a file somebody pays for is no codeword; blocking.
    """

    operator: int
    ledger: StorageLedger
    store: ShardStore
    book: SegmentBook
    signer: HeldSigner
    engine: ErasureEngine
    on_fraud: Callable[[BadFile], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Upload:
    """One body on its way: how long it says it is, and its SHA-256 if the sender names it.

    `into` fills memory with all of it, where the way it comes can do that; else it is in `pieces`.
    """

    pieces: AsyncIterator[bytes]
    declared_bytes: int
    digest: bytes | None = None
    into: Callable[[memoryview], Awaitable[None]] | None = None


class AcceptShards:
    """The one door through which shards enter a node and receipts leave it."""

    def __init__(self, parts: SeatParts, limits: UploadLimits) -> None:
        self._parts = parts
        self._limits = limits
        self._desk = HeaderDesk(parts.engine)
        self._uploads: Counter[bytes] = Counter()
        self._bytes = 0
        self._unconfirmed: dict[bytes, tuple[bytes, int]] = {}
        self._busy: Counter[ShardKey] = Counter()
        self._roots: Counter[bytes] = Counter()

    async def prepare(self) -> None:
        """Make ready what the first header check would otherwise wait for."""
        await asyncio.to_thread(prepare, use_ifma=self._parts.engine.uses_ifma)

    def is_busy(self, data_root: bytes) -> bool:
        """Whether an upload of rows of this matrix is under way."""
        return any(key.data_root == data_root for key in self._busy)

    def is_receiving(self, root: bytes) -> bool:
        """Whether an upload of a file is under way."""
        return self._roots[root] > 0

    async def accept(self, place: Place, upload: Upload) -> bool:
        """Take one shard; whether it was new. Durable on return.

        Raises: the refusals of offchain/storage/errors.py and of offchain/core/matrix/errors.py.
        """
        view = await self._view(place.file_id)
        self._require_seat(view, place)
        if await self._is_kept(view, place):
            return False
        expected = shard_body_bytes(view.file.shape, place.segment, view.file.profile)
        if upload.declared_bytes != expected:
            raise BodySize(bytes=upload.declared_bytes, expected=expected)
        await self._require_quota(view, place)
        with self._room(view.file, expected):
            raw = await self._read_in_time(upload, expected)
            segment, shard = await self._checked(view.file, place, raw)
            with self._using(shard.key):
                await self._parts.store.put(shard)
                await self._parts.book.add(view.file.root, view.file.shape, segment)
        log.info("shard_kept", extra={"file_id": place.file_id.hex(), "segment": place.segment})
        return True

    async def have(self, file_id: bytes, seat: int) -> bytes:
        """A bitmap of segments whose shard of a seat is durable here. Raises: ProfileUnknown."""
        view = await self._view(file_id)
        rows_of(view.file.profile, seat)
        return have_bitmap(await self._segments_kept(view.file, seat))

    async def held(self, file_id: bytes) -> Signature:
        """The receipt for everything this operator owes of a file.

        Raises: NotWhole, NoSeat, and what `accept` raises of the chain.
        """
        view = await self._view(file_id)
        file = view.file
        seats = self._own_seats(view)
        if not seats:
            raise NoSeat(operator=self._parts.operator, group=file.group)
        for seat in seats:
            kept = await self._segments_kept(file, seat)
            if len(kept) != file.shape.segments:
                raise NotWhole(seat=seat, segments=len(kept), of=file.shape.segments)
        digest = held_digest(
            self._parts.ledger.domain(),
            file_id=file_id,
            root=file.root,
            group=file.group,
            expiry=file.expiry,
        )
        await self._parts.book.record_held(file_id, digest)
        self._unconfirmed.pop(file_id, None)
        log.info("receipt_signed", extra={"file_id": file_id.hex(), "seats": len(seats)})
        return await asyncio.to_thread(self._parts.signer.sign_held, digest)

    async def _view(self, file_id: bytes) -> FileView:
        """A file in which seats take shards, placed deep enough. Raises: as `accept`."""
        view = await asyncio.to_thread(read_view, self._parts.ledger, file_id)
        file = view.file
        depth = view.block.number - file.placed_block + 1 if view.group else 0
        if file.state in EARLY or (file.state in OPEN and depth < self._limits.confirmations):
            raise NotPlacedYet(state=file.state.name, depth=depth)
        is_over = file.keep_until and view.block.timestamp >= file.keep_until
        if file.state not in OPEN or view.group is None or is_over:
            raise SubmissionNotOpen(state=file.state.name)
        return view

    def _own_seats(self, view: FileView) -> list[int]:
        """The seats that are this operator's, or will be."""
        assert view.group is not None
        mine = self._parts.operator
        return [
            one.seat
            for one in view.group.seats
            if one.successor == mine or (one.operator == mine and one.state is not SeatState.VACANT)
        ]

    def _require_seat(self, view: FileView, place: Place) -> None:
        if not 0 <= place.segment < view.file.shape.segments:
            raise RequestMalformed(segment=place.segment, segments=view.file.shape.segments)
        if place.seat not in self._own_seats(view):
            raise NoSeat(
                operator=self._parts.operator, group=view.file.group, seat=str(place.seat)[:20]
            )

    async def _is_kept(self, view: FileView, place: Place) -> bool:
        segment = self._parts.book.known(view.file.root).get(place.segment)
        return segment is not None and await self._holds(view.file, place.seat, segment)

    async def _segments_kept(self, file: StoredFile, seat: int) -> set[int]:
        known = self._parts.book.known(file.root)
        return {i for i, segment in list(known.items()) if await self._holds(file, seat, segment)}

    async def _holds(self, file: StoredFile, seat: int, segment: Segment) -> bool:
        key = ShardKey(segment.data_root, shard_of(file.profile, seat), file.profile.rows_per_seat)
        return any(one.key == key for one in await self._parts.store.held(segment.data_root))

    async def _require_quota(self, view: FileView, place: Place) -> None:
        """Raises: StoreQuota, OwnerQuota."""
        file, operator = view.file, self._parts.operator
        length = file.shape.length_of(place.segment)
        size = kept_bytes(file.profile, length)
        offered = await asyncio.to_thread(
            self._parts.ledger.free_bytes, operator, at=view.block.hash
        )
        if self._parts.store.kept_bytes() + self._bytes + size > offered:
            raise StoreQuota(bytes=self._parts.store.kept_bytes(), offered=offered)
        if file.state is FileState.STORED:
            self._unconfirmed.pop(file.file_id, None)
            return
        if self._owed_by(file.owner) + size > self._limits.owner_bytes:
            await self._settle(file.owner)
        used = self._owed_by(file.owner)
        if used + size > self._limits.owner_bytes:
            raise OwnerQuota(owner=file.owner.hex(), bytes=used, maximum=self._limits.owner_bytes)
        before = self._unconfirmed.get(file.file_id, (file.owner, 0))[1]
        self._unconfirmed[file.file_id] = (file.owner, before + size)

    def _owed_by(self, owner: bytes) -> int:
        return sum(size for who, size in self._unconfirmed.values() if who == owner)

    async def _settle(self, owner: bytes) -> None:
        """Forget what the chain has decided on by now."""
        for file_id, (who, _) in list(self._unconfirmed.items()):
            if who == owner:
                view = await asyncio.to_thread(read_view, self._parts.ledger, file_id)
                if view.file.state is not FileState.PLACED:
                    self._unconfirmed.pop(file_id, None)

    @contextmanager
    def _room(self, file: StoredFile, size: int) -> Iterator[None]:
        """Hold memory for one body. Raises: NodeBusy."""
        is_full = self._bytes and self._bytes + size > self._limits.upload_bytes
        if is_full or self._uploads[file.owner] >= self._limits.owner_uploads:
            raise NodeBusy(bytes=self._bytes, of_this_owner=self._uploads[file.owner])
        self._bytes += size
        self._uploads[file.owner] += 1
        self._roots[file.root] += 1
        try:
            yield
        finally:
            self._bytes -= size
            self._uploads -= Counter({file.owner: 1})
            self._roots -= Counter({file.root: 1})

    @contextmanager
    def _using(self, key: ShardKey) -> Iterator[None]:
        """Keep a shard from being collected while it is on its way into store and book."""
        self._busy[key] += 1
        try:
            yield
        finally:
            self._busy -= Counter({key: 1})

    async def _read_in_time(self, upload: Upload, expected: int) -> memoryview:
        """The body. Raises: BodySize, BodyDigest, UploadSlow."""
        seconds = self._limits.upload_seconds + expected / self._limits.upload_rate
        try:
            async with asyncio.timeout(seconds):
                return await _read_body(upload, expected)
        except TimeoutError as error:
            raise UploadSlow(bytes=expected, seconds=seconds) from error

    async def _checked(
        self, file: StoredFile, place: Place, raw: memoryview
    ) -> tuple[Segment, Shard]:
        """The shard in a body, everything about it judged. Raises: SegmentNotPaid, Rejected."""
        rows = rows_of(file.profile, place.seat)
        parsed = parse_shard_body(raw, file.shape, place.segment, rows=rows)
        segment = Segment.of(place.segment, parsed.header)
        if not is_segment_of(file.root, file.shape, segment, parsed.path):
            raise SegmentNotPaid(file_id=file.file_id.hex(), segment=place.segment)
        checked = await self._desk.check(parsed.header)
        roots = await asyncio.to_thread(self._check_rows, file, segment, parsed, checked)
        key = ShardKey(
            segment.data_root, shard_of(file.profile, place.seat), file.profile.rows_per_seat
        )
        return segment, Shard(key, parsed.header, parsed.run, roots)

    def _check_rows(
        self, file: StoredFile, segment: Segment, parsed: ShardBody, checked: CheckedHeader
    ) -> Digests:
        """The roots of the rows, which hold. Raises: EncodingFault, ShardRejected."""
        run, engine = parsed.run, self._parts.engine
        try:
            return check_run(
                checked,
                run.data,
                run.first,
                siblings=run.siblings,
                engine=engine,
                is_zero_checked=False,
            )
        except EncodingFault as fault:
            self._parts.on_fraud(bad_file_of(file.file_id, segment, parsed, fault, engine))
            raise
        except RowRejected as error:
            raise ShardRejected(reason=error.code, row=run.first) from error


def read_view(ledger: StorageLedger, file_id: bytes) -> FileView:
    """A file and its group at the newest block, everything from that one block.

    Raises: SubmissionUnknown; BlockUnknown when each block read left the chain under the reader.
    """
    for _ in range(HEAD_ROUNDS - 1):
        try:
            return ledger.view(file_id, at=ledger.head().hash)
        except BlockUnknown:
            log.info("head_replaced", extra={"file_id": file_id.hex()})
    return ledger.view(file_id, at=ledger.head().hash)


async def _read_body(upload: Upload, expected: int) -> memoryview:
    """Exactly so many bytes, with their SHA-256 if it was named. Raises: BodySize, BodyDigest."""
    raw = np.empty(expected, np.uint8).data  # not zeroed: every byte comes or none is looked at
    if upload.into is not None:
        await upload.into(raw)
    else:
        await _join(upload.pieces, raw)
    if upload.digest is not None:
        found = await asyncio.to_thread(lambda: hashlib.sha256(raw).digest())
        if found != upload.digest:
            raise BodyDigest(bytes=expected)
    return raw


async def _join(pieces: AsyncIterator[bytes], raw: memoryview) -> None:
    """Fill `raw` with the pieces. Raises: BodySize unless they are exactly as long."""
    filled = 0
    async for piece in pieces:
        if filled + len(piece) > len(raw):
            raise BodySize(bytes=filled + len(piece), expected=len(raw))
        raw[filled : filled + len(piece)] = piece
        filled += len(piece)
    if filled != len(raw):
        raise BodySize(bytes=filled, expected=len(raw))
