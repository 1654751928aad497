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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.rows import Row, at_least, at_most
from benchmarks.storage_seats import SharedMarket, group_of
from benchmarks.storage_transfer import Cost, cost_of, running_seats, write_random
from offchain.apps.home import choose_ports
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from offchain.node.memory import keep_freed_memory
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
LOST = {"data": 3, "parity": 21}


def run(megabytes: int | None = None) -> Iterator[Row]:
    """A shard of data rows, which is decoded, one of parity rows, which is encoded; the slower."""
    size = SEGMENTS * MAX_PAYLOAD_BYTES if megabytes is None else megabytes * 1_000_000
    with tempfile.TemporaryDirectory(prefix="apogee-repair-") as name:
        folder = Path(name)
        write_random(folder / "source.bin", size)
        ports = choose_ports([str(number) for number in range(OPERATORS + 1)])
        *seats, sink = ports.values()
        spec = {"profile": PROFILE, "ports": seats, "sink_port": sink}
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "paid").mkdir()
        with running_seats(folder, [*seats, sink]) as process:
            costs = asyncio.run(_measure(folder, seats, process))
    speeds = {name: taken / 1e6 / cost.wall for name, (cost, taken) in costs.items()}
    yield at_least(NAME, min(speeds.values()), "MB/s", BAR, command=COMMAND)
    for name, (cost, taken) in costs.items():
        yield at_least(f"{NAME}.{name}", speeds[name], "MB/s", None, command=COMMAND)
        for side, seconds in (("keeper", cost.client), ("seats", cost.seats)):
            row, each = f"storage.repair.{name}.{side}.cpu_s_gb", seconds * 1e9 / taken
            yield at_most(row, each, "s/GB", None, command=COMMAND)


async def _measure(folder: Path, ports: list[int], process: int) -> dict[str, tuple[Cost, int]]:
    """By kind of shard what it took, and the payload bytes that were decoded."""
    keep_freed_memory()
    engine = await asyncio.to_thread(choose_engine)
    group = group_of(PROFILE, ports)
    market = SharedMarket(folder / "paid", group)
    journal = DiskPuts(LocalDisk(), folder / "puts")
    journal.open()
    costs = {}
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
            lacking = _without(group, seat), stored.view.file, frozenset({seat})
            cost = await cost_of(acquire.acquire(*lacking, report), process)
            assert report.rebuilt == stored.view.file.shape.segments
            costs[name] = cost, report.source_bytes
    return costs


def _empty_node(folder: Path, engine: ErasureEngine) -> tuple[Shards, SegmentBook]:
    """A successor's store and book, on disk."""
    store = Shards(FolderMedium(LocalDisk(past_cache=True), folder / "shards"), engine)
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
