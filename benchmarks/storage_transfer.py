"""Storing and fetching a large file: client and seats on these cores, over loopback sockets.

  python -m benchmarks.storage_transfer [MEGABYTES] [OPERATORS]

Put: from the first byte read to the receipts confirmed, every shard synced by its node. Get: from
the question to the last byte on the client's disk. Chain and money are the memory adapter, so that
what is measured is bytes. Beside it the same bytes go through a plain HTTP PUT with one fsync, and
come back through a plain GET, in the same run, between the same two processes.
"""

import asyncio
import json
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.rows import Row, at_least
from benchmarks.storage_seats import SharedMarket, group_of
from offchain.apps.home import choose_ports
from offchain.core.erasure.choose import choose_engine
from offchain.node.disk import LocalDisk
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
class Speeds:
    """MB/s of payload, 1 MB = 10^6 bytes."""

    put: float
    get_consistent: float
    get_inclusion: float
    copy_in: float
    copy_out: float


def run(megabytes: int = MEGABYTES, operators: int = OPERATORS) -> Iterator[Row]:
    """The rows of the transfer, each beside the plain copy in its direction."""
    found = measure(megabytes, operators)
    for step, bar in BARS.items():
        plain = found.copy_in if step == "put" else found.copy_out
        value = getattr(found, step)
        name = f"{NAME}.{step}"
        yield at_least(name, value, "MB/s", bar, baseline=plain, command=COMMAND)


def measure(megabytes: int, operators: int) -> Speeds:
    """Put, get both ways, and copy plainly, once each."""
    with tempfile.TemporaryDirectory(prefix="apogee-storage-") as name:
        folder = Path(name)
        source = folder / "source.bin"
        write_random(source, megabytes * 1_000_000)
        ports = choose_ports([str(number) for number in range(operators + 1)])
        *seats, sink = ports.values()
        spec = {"profile": PROFILE, "ports": seats, "sink_port": sink}
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "paid").mkdir()
        with running_seats(folder, [*seats, sink]):
            return asyncio.run(_measure(folder, source, seats, sink))


async def _measure(folder: Path, source: Path, ports: list[int], sink: int) -> Speeds:
    size = (await asyncio.to_thread(source.stat)).st_size
    engine = await asyncio.to_thread(choose_engine)
    market = SharedMarket(folder / "paid", group_of(PROFILE, ports))
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
        copy_in = await _seconds(lambda: _copy_in(source, sink))
        copy_out = await _seconds(lambda: _copy_out(folder / "plain", sink))
        put_seconds = await _seconds(store)
        inclusion = await _seconds(lambda: fetch(Label.INCLUSION))
        consistent = await _seconds(lambda: fetch(Label.CONSISTENT))
    rate = [size / 1e6 / one for one in (put_seconds, consistent, inclusion, copy_in, copy_out)]
    return Speeds(*rate)


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


async def _seconds(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


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
def running_seats(folder: Path, ports: list[int]) -> Iterator[None]:
    """The seats' process, up and answering."""
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
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    chosen = [int(one) for one in sys.argv[1:3]]
    for row in run(*chosen):
        print(row.name, row.value, row.unit, row.bar, "plain:", row.baseline)
