"""Making a lost shard again over loopback sockets: from the first question to the synced shard.

  python -m benchmarks.storage_repair [MEGABYTES]

A file of whole segments lies on 32 seats; one of them is gone and its successor reads sixteen
others, judges every run, decodes, encodes anew, compares with D and keeps its 64 rows durably.
Counted are payload bytes of the segments that were decoded; both sides share these cores.
"""

import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.rows import Row, at_least
from benchmarks.storage_seats import SharedMarket, group_of
from benchmarks.storage_transfer import running_seats, write_random
from offchain.apps.home import choose_ports
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from offchain.storage.acquire import Acquired, AcquireParts, AcquireShards
from offchain.storage.adapters.disk_puts import DiskPuts
from offchain.storage.adapters.folder_medium import FolderMedium
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.adapters.key_folder import KeyFolder
from offchain.storage.file_client import FileClient, FileClientParts, PutOptions
from offchain.storage.model import SeatState, profile_named
from offchain.storage.ports import GroupView
from offchain.storage.put_model import PutParts, PutRules
from offchain.storage.read_file import ReadParts
from offchain.storage.segment_book import SegmentBook
from offchain.storage.shard_store import Shards

NAME = "storage.repair.mb_s"
BAR = 100.0
SEGMENTS = 8
OPERATORS = 8
SUCCESSOR = 99
PROFILE = "durable"
COMMAND = "apogee bench storage"
LOST = {"data shard": 3, "parity shard": 21}


def run(megabytes: int | None = None) -> Iterator[Row]:
    """A shard of data rows, which needs no encoding, and one of parity rows, which does."""
    size = SEGMENTS * MAX_PAYLOAD_BYTES if megabytes is None else megabytes * 1_000_000
    with tempfile.TemporaryDirectory(prefix="apogee-repair-") as name:
        folder = Path(name)
        write_random(folder / "source.bin", size)
        ports = choose_ports([str(number) for number in range(OPERATORS + 1)])
        *seats, sink = ports.values()
        spec = {"profile": PROFILE, "ports": seats, "sink_port": sink}
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "paid").mkdir()
        with running_seats(folder, [*seats, sink]):
            rates = asyncio.run(_measure(folder, seats))
    yield at_least(NAME, rates["parity shard"], "MB/s", BAR, command=COMMAND)
    yield at_least(f"{NAME}.data", rates["data shard"], "MB/s", None, command=COMMAND)


async def _measure(folder: Path, ports: list[int]) -> dict[str, float]:
    engine = await asyncio.to_thread(choose_engine)
    group = group_of(PROFILE, ports)
    market = SharedMarket(folder / "paid", group)
    journal = DiskPuts(LocalDisk(), folder / "puts")
    journal.open()
    rates = {}
    async with HttpSeatClient() as client:
        put = PutParts(
            ledger=market,
            till=market,
            client=client,
            journal=journal,
            engine=engine,
            randomness=secrets.token_bytes,
        )
        parts = FileClientParts(
            read=ReadParts(market, market, client, engine),
            keys=KeyFolder(folder / "keys"),
            randomness=secrets.token_bytes,
            put=put,
            terms=market,
            put_rules=PutRules(poll_seconds=0.01, threads=2),
        )
        options = PutOptions(profile_named(PROFILE), 30, is_public=True)
        stored = await FileClient(parts).put_path(folder / "source.bin", options)
        for name, seat in LOST.items():
            store, book = _empty_node(folder / str(seat), engine)
            acquire = AcquireShards(AcquireParts(SUCCESSOR, store, book, client, engine, threads=2))
            report = Acquired()
            started = time.perf_counter()
            await acquire.acquire(
                _without(group, seat), stored.view.file, frozenset({seat}), report
            )
            seconds = time.perf_counter() - started
            assert report.rebuilt == stored.view.file.shape.segments
            rates[name] = report.source_bytes / 1e6 / seconds
    return rates


def _empty_node(folder: Path, engine: ErasureEngine) -> tuple[Shards, SegmentBook]:
    """A successor's store and book, on disk."""
    store = Shards(FolderMedium(LocalDisk(), folder / "shards"), engine)
    store.open()
    journal = FileJournal(LocalDisk(), folder / "book" / "segments.journal")
    journal.open()
    book = SegmentBook(journal)
    book.open()
    return store, book


def _without(group: GroupView, lost: int) -> GroupView:
    """The group with one seat gone."""
    seats = tuple(
        replace(one, state=SeatState.VACANT) if one.seat == lost else one for one in group.seats
    )
    return replace(group, seats=seats)


if __name__ == "__main__":
    for row in run(*[int(one) for one in sys.argv[1:2]]):
        print(row.name, row.value, row.unit, row.bar)
