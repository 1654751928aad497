"""Storing and fetching a large file: client and seats on these cores, over loopback sockets.

  python -m benchmarks.storage_transfer [MEGABYTES] [OPERATORS]

Put: from the first byte read to the receipts confirmed, every shard synced by its node. Get: from
the question to the last byte on the client's disk. Chain and money are the memory adapter, so that
what is measured is bytes. Beside it the same bytes go through a plain HTTP PUT with one fsync, and
come back through a plain GET, in the same run, between the same two processes.
"""

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.rows import Row, at_least, at_most
from benchmarks.storage_seats import SharedMarket, group_of
from offchain.apps.home import choose_ports
from offchain.core.erasure.choose import choose_engine
from offchain.node.disk import LocalDisk
from offchain.node.memory import keep_freed_memory, leave_what_stays
from offchain.storage.adapters.arrival import Arrival
from offchain.storage.adapters.disk_puts import DiskPuts
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.adapters.key_folder import KeyFolder
from offchain.storage.file_client import FileClient, FileClientParts, PutOptions
from offchain.storage.model import profile_named
from offchain.storage.put_model import PutParts, PutRules
from offchain.storage.read_file import Label, ReadParts, ReadRules

MEGABYTES = 1_000
OPERATORS = 8  # of four seats each, the most that one may hold in such a group
PROFILE = "durable"
NAME = "storage.put_get.mb_s"
COMMAND = "apogee bench storage"
BARS = {"put": 60.0, "get_consistent": 150.0, "get_inclusion": 300.0}
PIECE = 1 << 20
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one step: on the clock, and of the processors by the client and by the seats."""

    wall: float
    client: float
    seats: float


Costs = Mapping[str, Cost]


def run(megabytes: int = MEGABYTES, operators: int = OPERATORS) -> Iterator[Row]:
    """The rows of the transfer, each beside the plain copy in its direction."""
    found, size = measure(megabytes, operators), float(megabytes)
    for step, bar in BARS.items():
        plain = size / found["copy_in" if step == "put" else "copy_out"].wall
        speed = size / found[step].wall
        yield at_least(f"{NAME}.{step}", speed, "MB/s", bar, baseline=plain, command=COMMAND)
    for step, cost in found.items():
        for side, seconds in (("client", cost.client), ("seats", cost.seats)):
            name, each = f"storage.{step}.{side}.cpu_s_gb", seconds * 1e3 / size
            yield at_most(name, each, "s/GB", None, command=COMMAND)


def measure(megabytes: int, operators: int) -> Costs:
    """Put, get both ways, and copy plainly, once each; 1 MB = 10^6 bytes of payload."""
    with tempfile.TemporaryDirectory(prefix="apogee-storage-") as name:
        folder = Path(name)
        source = folder / "source.bin"
        write_random(source, megabytes * 1_000_000)
        ports = choose_ports([str(number) for number in range(operators + 1)])
        *seats, sink = ports.values()
        spec = {"profile": PROFILE, "ports": seats, "sink_port": sink}
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "paid").mkdir()
        with running_seats(folder, [*seats, sink]) as process:
            return asyncio.run(_measure(folder, source, [*seats, sink], process))


async def _measure(folder: Path, source: Path, ports: list[int], process: int) -> Costs:
    keep_freed_memory()
    *seats, sink = ports
    engine = await asyncio.to_thread(choose_engine)
    market = SharedMarket(folder / "paid", group_of(PROFILE, seats))
    journal = DiskPuts(LocalDisk(), folder / "puts")
    journal.open()
    async with HttpSeatClient() as client:
        put = PutParts(
            ledger=market,
            till=market,
            client=client,
            journal=journal,
            engine=engine,
            randomness=secrets.token_bytes,
        )
        files = FileClient(
            FileClientParts(
                read=ReadParts(market, market, client, engine),
                keys=KeyFolder(folder / "keys"),
                randomness=secrets.token_bytes,
                put=put,
                terms=market,
                put_rules=PutRules(poll_seconds=0.01, threads=2),
                read_rules=ReadRules(threads=2),
            )
        )
        options = PutOptions(profile_named(PROFILE), 30)
        stored = None

        async def store() -> None:
            nonlocal stored
            stored = await files.put_path(source, options)

        async def fetch(label: Label) -> None:
            assert stored is not None
            target = folder / label.value

            def arrive(file_id: bytes, length: int) -> Arrival:
                return Arrival(target, file_id, length=length, is_raw=False)

            await files.get.land(stored.root, arrive, label=label)
            target.unlink()

        await files.put_path(_small(folder), options)  # opens connections, loads kernels
        leave_what_stays()
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "copy_in": lambda: _copy_in(source, sink),
            "copy_out": lambda: _copy_out(folder / "plain", sink),
            "put": store,
            "get_inclusion": lambda: fetch(Label.INCLUSION),
            "get_consistent": lambda: fetch(Label.CONSISTENT),
        }
        return {name: await cost_of(work(), process) for name, work in steps.items()}


async def _copy_in(source: Path, port: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        with source.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    async with httpx.AsyncClient(timeout=600, trust_env=False) as client:
        done = await client.put(f"http://127.0.0.1:{port}/copy", content=pieces())
        done.raise_for_status()


async def _copy_out(target: Path, port: int) -> None:
    async with (
        httpx.AsyncClient(timeout=600, trust_env=False) as client,
        client.stream("GET", f"http://127.0.0.1:{port}/copy") as answer,
    ):
        with target.open("wb", buffering=0) as file:
            async for piece in answer.aiter_raw(PIECE):
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(LocalDisk().sync, target)


async def cost_of(work: Awaitable[None], process: int) -> Cost:
    """What work takes that starts when it is awaited; `process` has the seats."""
    started, own, other = time.perf_counter(), time.process_time(), cpu_seconds(process)
    await work
    wall, client = time.perf_counter() - started, time.process_time() - own
    return Cost(wall, client, cpu_seconds(process) - other)


def cpu_seconds(process: int) -> float:
    """Processor time of another process so far, its own and the kernel's for it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _small(folder: Path) -> Path:
    path = folder / "small.bin"
    path.write_bytes(secrets.token_bytes(100_000))
    return path


def write_random(path: Path, size: int) -> None:
    seeded = random.Random(1)
    with path.open("wb") as file:
        for start in range(0, size, PIECE):
            file.write(seeded.randbytes(min(PIECE, size - start)))


@contextmanager
def running_seats(folder: Path, ports: list[int]) -> Iterator[int]:
    """The seats' process, up and answering; its id."""
    command = [sys.executable, "-m", "benchmarks.storage_seats", str(folder)]
    root = Path(__file__).resolve().parents[1]
    with (folder / "seats.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + START_SECONDS
        waiting = list(ports)
        while waiting:
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError((folder / "seats.log").read_text()[-2_000:])
            try:
                httpx.get(f"http://127.0.0.1:{waiting[0]}/healthz", trust_env=False)
                waiting.pop(0)
            except httpx.TransportError:
                time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    chosen = [int(one) for one in sys.argv[1:3]]
    for row in run(*chosen):
        print(row.name, row.value, row.unit, row.bar, "plain:", row.baseline)
