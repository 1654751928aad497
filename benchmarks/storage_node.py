"""What one storage node does alone: take shards, read them again, serve them; no sockets.

  python -m benchmarks.storage_node

Shards of whole segments, 64 rows of 32 KiB each. Accept: path, header, rows, file and book, each
synced, four uploads at once; beside it the same bytes written as synced files and nothing else.
Scrub: unthrottled, with flips planted in every tenth shard, all of which must be found; beside it
the same files read and not looked at. Files may come from the page cache: both sides' do.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.rows import Row, at_least, measure
from offchain.chain.model import Block, BlockHash
from offchain.core.bls import SecretKey
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.core.units import BlockNumber
from offchain.node.body import Body
from offchain.node.disk import LocalDisk, write_durably
from offchain.node.journal import FileJournal
from offchain.storage.accept_shards import AcceptShards, SeatParts, Upload, UploadLimits
from offchain.storage.adapters.bls_held_signer import BlsHeldSigner
from offchain.storage.adapters.folder_medium import FolderMedium
from offchain.storage.frames import shard_body
from offchain.storage.model import (
    FileShape,
    FileState,
    GroupState,
    SeatState,
    Segment,
    file_root,
    profile_named,
    segment_path,
)
from offchain.storage.ports import FileView, GroupView, Place, SeatView, StoredFile
from offchain.storage.scrub import ScrubRules, ScrubShards
from offchain.storage.segment_book import SegmentBook
from offchain.storage.serve_shards import ServeLimits, ServeShards
from offchain.storage.shard_store import Shards

COMMAND = "apogee bench storage"
MEGABYTE = 1e6
SEGMENTS = 2
AT_ONCE = 4
SCRUB_BAR = 500.0
PROFILE = profile_named("durable")
PIECE = 1 << 18


class OneFile:
    """A chain on which one file is placed and one operator holds every seat."""

    def __init__(self, file: StoredFile, group: GroupView) -> None:
        self._file = file
        self._group = group

    def head(self) -> Block:
        nothing = BlockHash(bytes(32))
        return Block(BlockNumber(9), nothing, nothing, 1_000, 0, 30_000_000)

    def view(self, file_id: bytes, *, at: object) -> FileView:  # noqa: ARG002 - one file
        return FileView(self.head(), self._file, self._group)

    def group(self, number: int, *, at: object) -> GroupView:  # noqa: ARG002 - one group
        return self._group

    def free_bytes(self, operator: int, *, at: object) -> int:  # noqa: ARG002 - enough
        return 1 << 40

    def domain(self) -> bytes:
        return bytes(32)


def run() -> list[Row]:
    """Rows of accept, scrub and serving; about half a minute."""
    engine = choose_engine()
    with tempfile.TemporaryDirectory(prefix="apogee-bench-") as folder:
        return asyncio.run(_measure(engine, Path(folder)))


async def _measure(engine: ErasureEngine, folder: Path) -> list[Row]:
    encoded = [_segment(engine, number) for number in range(SEGMENTS)]
    segments = [Segment.of(index, one.header) for index, one in enumerate(encoded)]
    places = [(index, seat) for index in range(SEGMENTS) for seat in range(PROFILE.seats)]
    bodies = {
        (index, seat): shard_body(encoded[index], segment_path(segments, index), PROFILE, seat)
        for index, seat in places
    }
    total = sum(body.size for body in bodies.values())
    plain = _plain_writes(folder / "plain", [list(body.pieces) for body in bodies.values()])
    store, accept, serve = _node(engine, folder / "node", segments)
    await accept.prepare()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(index: int, seat: int) -> None:
        async with gate:
            body = bodies[index, seat]
            await accept.accept(Place(bytes(32), index, seat), Upload(_sent(body), body.size))

    started = time.perf_counter()
    await asyncio.gather(*(one(index, seat) for index, seat in places))
    taken = time.perf_counter() - started
    accept_row = at_least(
        "storage.node.accept.mb_s",
        total / taken / MEGABYTE,
        "MB/s",
        None,
        baseline=total / plain / MEGABYTE,
        command=COMMAND,
    )
    served = await _serve(serve, segments)
    return [accept_row, served, *await _scrub(store, folder / "node" / "shards")]


async def _serve(serve: ServeShards, segments: list[Segment]) -> Row:
    started, size = time.perf_counter(), 0
    for segment in segments:
        for seat in range(PROFILE.seats):
            size += (await serve.run(segment.data_root, seat * 64, 64)).size
    seconds = time.perf_counter() - started
    name = "storage.node.serve.mb_s"
    return at_least(name, size / seconds / MEGABYTE, "MB/s", None, command=COMMAND)


async def _scrub(store: Shards, folder: Path) -> list[Row]:
    planted, size, plain = await asyncio.to_thread(_spoil_and_read, folder)

    async def no_wait(_: float) -> None:
        return

    started = time.perf_counter()
    report = await ScrubShards(store, store, ScrubRules(), sleep=no_wait).round()
    seconds = time.perf_counter() - started
    found = 100.0 * len(report.sick) / planted
    return [
        at_least(
            "storage.node.scrub.mb_s",
            report.bytes_read / seconds / MEGABYTE,
            "MB/s",
            SCRUB_BAR,
            baseline=size / plain / MEGABYTE,
            command=COMMAND,
        ),
        at_least("storage.node.scrub.flips_found", found, "%", 100.0, command=COMMAND),
    ]


def _spoil_and_read(folder: Path) -> tuple[int, int, float]:
    """Flip a bit in every tenth file, then read all: how many, their bytes, the seconds."""
    names = sorted(folder.iterdir())
    chance = random.Random(5)
    for path in names[::10]:
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    started = time.perf_counter()
    size = sum(len(path.read_bytes()) for path in names)
    return len(names[::10]), size, time.perf_counter() - started


def _segment(engine: ErasureEngine, number: int) -> EncodedBlob:
    return encode(random.Random(number).randbytes(MAX_PAYLOAD_BYTES), engine, threads=2)


def _node(
    engine: ErasureEngine, folder: Path, segments: list[Segment]
) -> tuple[Shards, AcceptShards, ServeShards]:
    shape = FileShape.of(sum(segment.length for segment in segments))
    file = StoredFile(
        bytes(32), FileState.PLACED, bytes(20), file_root(segments), shape, PROFILE, 1, 9_000, 1
    )
    seats = tuple(SeatView(s, 1, SeatState.SERVING, "") for s in range(PROFILE.seats))
    group = GroupView(1, PROFILE, GroupState.OPEN, seats)
    store = Shards(FolderMedium(LocalDisk(past_cache=True), folder / "shards"), engine)
    store.open()
    journal = FileJournal(LocalDisk(), folder / "book" / "segments.journal")
    journal.open()
    book = SegmentBook(journal)
    signer = BlsHeldSigner(SecretKey.from_seed(bytes(32)))
    parts = SeatParts(1, OneFile(file, group), store, book, signer, engine)
    accept = AcceptShards(parts, UploadLimits(upload_seconds=600))
    return store, accept, ServeShards(store, book, ServeLimits())


def _plain_writes(folder: Path, files: list[list[bytes | bytearray | memoryview]]) -> float:
    """Seconds to write files of these parts, each synced, one after the other."""
    folder.mkdir()
    started = time.perf_counter()
    for number, parts in enumerate(files):
        write_durably(LocalDisk(), folder / str(number), parts)
    return time.perf_counter() - started


async def _sent(body: Body) -> AsyncIterator[bytes]:
    for chunk in body.chunks(PIECE):
        yield chunk


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
