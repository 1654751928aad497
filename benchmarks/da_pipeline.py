"""A whole blob over loopback sockets: four node processes, each with its own disk, fsync on.

Prints payload-to-certificate and retrieval rates for information, and the peak memory of a node
that took, checked, stored and served its share of a 32.5 MB blob. The chain is the memory adapter,
built alike in every process, so that only data availability is measured.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import Row, at_least, at_most
from offchain.core.bls import SecretKey
from offchain.da.adapters.memory_chain import MemoryChain, MemoryMember
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.retrieve import RetrieveBlob

COMMAND = "apogee bench da --json"
NODES = 4
RSS_BAR_MB = 400.0
MEGABYTE = 1_000_000
START_SECONDS = 120.0
SALT = bytes(32)


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds and bytes of one pass."""

    payload_bytes: int
    disperse_seconds: float
    retrieve_seconds: float
    survivor_seconds: float
    peak_rss_bytes: int


def run() -> list[Row]:
    """Measure once; a pass takes about half a minute, most of it start-up."""
    with tempfile.TemporaryDirectory(prefix="apogee-bench-") as folder:
        figures = asyncio.run(_measure(Path(folder)))
    size = figures.payload_bytes / MEGABYTE

    def rate(name: str, seconds: float) -> Row:
        return at_least(name, size / seconds, "MB/s", None, command=COMMAND)

    return [
        at_most(
            "da.node.rss_mb",
            figures.peak_rss_bytes / MEGABYTE,
            "MB",
            RSS_BAR_MB,
            command=COMMAND,
        ),
        rate("da.disperse.mb_s", figures.disperse_seconds),
        rate("da.retrieve.mb_s", figures.retrieve_seconds),
        rate("da.retrieve.mb_s.one_node_dead", figures.survivor_seconds),
    ]


async def _measure(folder: Path) -> Figures:
    import random

    from offchain.core.erasure.choose import choose_engine
    from offchain.core.layout import MAX_PAYLOAD_BYTES
    from offchain.core.matrix.encode import encode
    from offchain.da.adapters.disk_dispersals import DiskDispersals
    from offchain.da.adapters.http_client import HttpNodeClient
    from offchain.da.deliver import DeliverRows, DeliveryRules
    from offchain.da.disperse import DispersalRules, DisperseBlob, DisperserParts
    from offchain.da.retrieve import RetrievalRules
    from offchain.node.disk import LocalDisk

    engine = choose_engine()
    payload = random.Random(32).randbytes(MAX_PAYLOAD_BYTES)
    encoded = encode(payload, engine, threads=2)
    ports = _free_ports(NODES)
    spec = {
        "ports": ports,
        "data_root": encoded.header.data_root.hex(),
        "commitment": encoded.header.commitment.hex(),
        "length": len(payload),
    }
    del encoded
    (folder / "spec.json").write_text(json.dumps(spec))
    children = [_start(folder, operator) for operator in range(1, NODES + 1)]
    try:
        await _until_ready(ports)
        chain, key = _chain(ports), _request_signer()
        journal = DiskDispersals(LocalDisk(), folder / "dispersals")
        journal.open()
        async with HttpNodeClient() as client:
            parts = DisperserParts(
                ledger=chain,
                till=chain,
                deliver=DeliverRows(chain, client, key, rules=DeliveryRules()),
                journal=journal,
                engine=engine,
                payer=key.address,
                disperser=key.address,
            )
            started = time.perf_counter()
            done = await DisperseBlob(parts, DispersalRules(threads=2)).disperse(
                payload, days=1, salt=SALT
            )
            dispersed = time.perf_counter() - started
            reader = RetrieveBlob(chain, client, engine, rules=RetrievalRules(threads=2))
            retrieved = await _timed_read(reader, done.blob_id, payload)
            peak = max(_peak_rss(child.pid) for child in children)
            children[0].kill()
            children[0].wait()
            survived = await _timed_read(reader, done.blob_id, payload)
    finally:
        for child in children:
            child.kill()
            child.wait()
    return Figures(len(payload), dispersed, retrieved, survived, peak)


async def _timed_read(reader: RetrieveBlob, blob_id: bytes, payload: bytes) -> float:
    started = time.perf_counter()
    got = await reader.retrieve(blob_id)
    elapsed = time.perf_counter() - started
    assert got.payload == payload, "the bytes that came back are not those that were sent"
    return elapsed


def _secret(operator: int) -> SecretKey:
    return SecretKey.from_seed(b"benchmark node key %14d" % operator)


def _request_signer() -> LocalRequestSigner:
    return LocalRequestSigner(b"\x07" * 32)


def _chain(ports: list[int]) -> MemoryChain:
    return MemoryChain(
        [
            MemoryMember(operator, f"http://127.0.0.1:{port}", _secret(operator).public_key())
            for operator, port in enumerate(ports, 1)
        ]
    )


def _start(folder: Path, operator: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.da_pipeline", str(folder), str(operator)],
        stdout=subprocess.DEVNULL,
    )


async def _until_ready(ports: list[int]) -> None:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as client:
        deadline = time.monotonic() + START_SECONDS
        waiting = set(ports)
        while waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nodes at {sorted(waiting)} did not start")
            for port in sorted(waiting):
                try:
                    answer = await client.get(f"http://127.0.0.1:{port}/readyz")
                except httpx.TransportError:
                    continue
                if answer.status_code == httpx.codes.OK:
                    waiting.discard(port)
            await asyncio.sleep(0.1)


def _peak_rss(pid: int) -> int:
    """The most memory the process ever had, bytes; the present figure where that is not kept."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1_024
    import psutil

    return int(psutil.Process(pid).memory_info().rss)


def _free_ports(count: int) -> list[int]:
    import socket

    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


async def _serve(folder: Path, operator: int) -> None:
    """One node process: what `apogee da-node` builds, over the memory chain."""
    import offchain.chain.contract
    import offchain.chain.node  # noqa: F401 - same
    from offchain.core.erasure.choose import choose_engine
    from offchain.core.layout import Shape
    from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
    from offchain.da.adapters.bls_signer import BlsSigner
    from offchain.da.adapters.disk_journal import DiskJournal
    from offchain.da.adapters.disk_rows import DiskRows
    from offchain.da.adapters.http_node import NodeFace, build_node_app, node_server
    from offchain.da.duties import BlobTerms
    from offchain.da.serve import ServeLimits, ServeRows
    from offchain.node.disk import LocalDisk
    from offchain.node.peer_limits import PeerLimits, PeerRate

    spec = json.loads((folder / "spec.json").read_text())
    chain, payer = _chain(spec["ports"]), _request_signer().address
    chain.pay(
        BlobTerms(
            payer=payer,
            disperser=payer,
            data_root=bytes.fromhex(spec["data_root"]),
            commitment=bytes.fromhex(spec["commitment"]),
            shape=Shape.of(spec["length"]),
            days=1,
            salt=SALT,
        )
    )
    engine = choose_engine()
    disk, home = LocalDisk(), folder / str(operator)
    store = DiskRows(disk, home / "rows", engine.row_roots)
    store.open()
    journal = DiskJournal(disk, home / "journal")
    journal.open()
    signer = BlsSigner(_secret(operator))
    accept = AcceptRows(NodeParts(operator, chain, store, journal, signer, engine), NodeLimits())

    await accept.restore()

    async def is_ready() -> str | None:
        return None

    face = NodeFace(
        accept,
        ServeRows(store, ServeLimits()),
        is_ready,
        PeerLimits(PeerRate(), time.monotonic),
    )
    await node_server(build_node_app(face), spec["ports"][operator - 1]).serve()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
    else:
        print(json.dumps([row.as_json() for row in run()], indent=2))
