"""Payload through the whole system: eight node processes, a devnet, payments and certificates.

`apogee up` starts what an operator runs: nodes with their own disks and fsync, the contracts, the
beacon. One disperser pays, encodes, sends over sockets, collects BLS signatures and confirms, in
the pipeline of offchain/da/pipeline.py; a blob counts when its certificate is in a block. In the
same run every stage is timed alone, and the CPU time of all processes is read, so that the figure
stands beside what these cores could do at most.
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
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.da_stages import stage_seconds
from benchmarks.rows import Row, at_least, at_most, measure

if TYPE_CHECKING:
    from offchain.da.batch import ItemReceipt
    from offchain.da.disperse import DisperseBlob

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "apogee bench da --json"
NODES = 8
BLOBS = 20
ITEMS = 1_000
ITEM_BYTES = 1_024
ITEM_ROUNDS = 5
BAR_MB_S = 35.0
BAR_ITEMS_S = 500.0
MEGABYTE = 1_000_000
TICK = os.sysconf("SC_CLK_TCK")


def run() -> list[Row]:
    """Measure once: about a minute and a half, half of it the start of the system."""
    from offchain.core.erasure.choose import choose_engine
    from offchain.core.layout import MAX_PAYLOAD_BYTES

    engine = choose_engine()
    payload = random.Random(33).randbytes(MAX_PAYLOAD_BYTES)
    stages = stage_seconds(payload, engine, NODES)
    with (
        tempfile.TemporaryDirectory(prefix="apogee-bench-") as folder,
        _system(Path(folder) / "home") as home,
    ):
        blobs, cpu, items, burst = asyncio.run(_measure(home, payload))
    least = sum(stages.values())
    bound = (os.cpu_count() or 1) * len(payload) / least / MEGABYTE
    speed = BLOBS * len(payload) / blobs / MEGABYTE
    rows = [
        at_least("da.pipeline.mb_s", speed, "MB/s", BAR_MB_S, baseline=bound, command=COMMAND),
        at_least("da.pipeline.mb_s.of_cpu_bound", speed / bound, "of 1", None, command=COMMAND),
        at_most("da.pipeline.cpu_ms", cpu / BLOBS * 1e3, "ms a blob", None, command=COMMAND),
    ]
    rows += [
        at_most(f"da.pipeline.cpu_ms.{name}", seconds * 1e3, "ms a blob", None, command=COMMAND)
        for name, seconds in stages.items()
    ]
    many = ITEM_ROUNDS * ITEMS / burst
    return [
        *rows,
        at_least("da.items_per_s", ITEMS / items, "items/s", BAR_ITEMS_S, command=COMMAND),
        at_least("da.items_per_s.sustained", many, "items/s", None, command=COMMAND),
    ]


async def _measure(home: Path, payload: bytes) -> tuple[float, float, float, float]:
    """Seconds for the blobs, CPU seconds of all processes, seconds for 1,000 items and for more."""
    from offchain.da.batch import BatchRules, ItemBatcher
    from offchain.da.pipeline import DispersePipeline

    async with _disperser(home) as disperser:
        pipeline = DispersePipeline(disperser)
        fresh = bytearray(payload)

        async def read() -> bytearray:
            fresh[:16] = secrets.token_bytes(16)
            return bytearray(fresh)

        async def publish(blobs: int) -> None:
            tasks = [
                await pipeline.begin(read, days=1, salt=secrets.token_bytes(32))
                for _ in range(blobs)
            ]
            for done in await asyncio.gather(*tasks):
                assert done.confirmed is not None, "this run's own certificate"

        await publish(2)
        before, started = _cpu_seconds(home), time.perf_counter()
        await publish(BLOBS)
        blobs = time.perf_counter() - started
        cpu = _cpu_seconds(home) - before
        batcher = ItemBatcher(
            pipeline, BatchRules(wait_seconds=0.1, days=1), lambda: secrets.token_bytes(32)
        )

        async def batches(rounds: int) -> float:
            started = time.perf_counter()
            for number in range(rounds):
                items = [secrets.token_bytes(ITEM_BYTES) for _ in range(ITEMS)]
                waiting = [asyncio.create_task(batcher.publish(item)) for item in items]
                if number + 1 < rounds:
                    await asyncio.sleep(0.2)
                    running.extend(waiting)
            for receipt in await asyncio.gather(*running, *waiting):
                assert receipt.blob.confirmed is not None, "a receipt of a confirmed matrix"
            running.clear()
            return time.perf_counter() - started

        running: list[asyncio.Task[ItemReceipt]] = []
        await batches(1)
        items = await batches(1)
        return blobs, cpu, items, await batches(ITEM_ROUNDS)


@asynccontextmanager
async def _disperser(folder: Path) -> AsyncIterator["DisperseBlob"]:
    """The home's disperser; a certificate in a block counts at once."""
    from offchain.apps.da import network_of
    from offchain.apps.disperser import open_publisher
    from offchain.apps.home import Home
    from offchain.core.erasure.choose import choose_engine
    from offchain.da.disperse import DispersalRules

    home = Home.at(folder)
    rules = DispersalRules(poll_seconds=0.05)
    async with open_publisher(
        network_of(home, None), home, choose_engine(), watch=lambda _: None, threads=1
    ) as publisher:
        yield publisher.disperse.under(rules)


@contextmanager
def _system(home: Path) -> Iterator[Path]:
    """Everything an operator runs, in a home of its own."""
    try:
        done = _apogee("up", "--home", str(home), "--nodes", str(NODES), "--detach")
        if done.returncode:
            raise RuntimeError(f"the system did not start\n{done.stderr[-2_000:]}")
        yield home
    finally:
        _apogee("down", "--home", str(home))


def _apogee(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "offchain.apps.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def _cpu_seconds(home: Path) -> float:
    """User and system time of this process and of all of the home's with their children."""
    pids = [json.loads(path.read_text())["pid"] for path in (home / "run").glob("*.json")]
    return sum(_cpu_of(pid) for pid in [os.getpid(), *pids, *_children(pids)])


def _children(parents: list[int]) -> list[int]:
    import psutil

    return [child.pid for pid in parents for child in psutil.Process(pid).children()]


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
