"""Throughput against the number of nodes, each a process behind a link of a set speed.

While links are the limit, a network of N nodes takes N links of rows: 3.1 bytes a payload byte. Two
cores cannot fill sixteen fast links, so the links here are slow; benchmarks/da_simulation.py is
calibrated by these runs and goes on to fast links and a thousand nodes. The chain is the memory
adapter, so only sending, checking, storing and signing are measured.
"""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.da_pipeline import _free_ports, _until_ready
from benchmarks.da_simulation import simulation_rows
from benchmarks.da_stages import payload_byte_seconds
from benchmarks.da_throughput import MEGABYTE, _cpu_of
from benchmarks.rows import Row, at_least, at_most
from offchain.core.erasure.choose import choose_engine

COMMAND = "apogee bench da --nodes {nodes}"
SIZES = (2, 8, 16)
GROWTH_BAR = 7.0
LINK_BYTES_S = 1_000_000
PAYLOAD_BYTES = 4_000_000
RUN_SECONDS = 6.0  # what the blobs of one network keep its links busy for


@dataclass(frozen=True, slots=True)
class Measured:
    """One network's run. CPU seconds are of the whole run: this process's, all nodes' together."""

    nodes: int
    blobs: int
    payload_bytes: int
    link_bytes_s: int
    seconds: float
    disperser_cpu: float
    node_cpu: float

    @property
    def mb_s(self) -> float:
        return self.blobs * self.payload_bytes / self.seconds / MEGABYTE


def run() -> list[Row]:
    """The default sizes, and the simulation that they calibrate; about a minute."""
    engine = choose_engine()
    measured = measure(SIZES)
    growth = measured[-1].mb_s / measured[0].mb_s
    name = f"da.scale.growth.{SIZES[0]}_to_{SIZES[-1]}"
    return [
        *scale_rows(measured),
        at_least(name, growth, "x", GROWTH_BAR, command=COMMAND.format(nodes=SIZES[-1])),
        *simulation_rows(measured, payload_byte=payload_byte_seconds(engine, SIZES[-1])),
    ]


def run_nodes(nodes: int) -> list[Row]:
    """`apogee bench da --nodes N`: 2, doubling up to N."""
    sizes = sorted({min(2**power, nodes) for power in range(1, 6)} | {nodes})
    return scale_rows(measure(sizes))


def scale_rows(measured: Sequence[Measured]) -> list[Row]:
    rows = []
    for one in measured:
        command = COMMAND.format(nodes=one.nodes)
        most = one.nodes * one.link_bytes_s / _expansion(one) / MEGABYTE
        name = f"da.scale.mb_s.{one.nodes}_nodes"
        rows.append(at_least(name, one.mb_s, "MB/s", None, baseline=most, command=command))
    cpu = measured[-1]
    node = cpu.node_cpu / cpu.blobs / cpu.nodes * 1e3
    name = f"da.scale.node_cpu_ms.{cpu.nodes}_nodes"
    unit = "ms a blob and node"
    return [*rows, at_most(name, node, unit, None, command=COMMAND.format(nodes=cpu.nodes))]


def measure(sizes: Sequence[int]) -> list[Measured]:
    """Start as many processes as the largest network has, and run the networks one by one."""
    with tempfile.TemporaryDirectory(prefix="apogee-scale-") as name:
        folder = Path(name)
        ports = _free_ports(max(sizes))
        payloads = {nodes: _payloads(nodes) for nodes in sizes}
        spec = {
            "ports": ports,
            "link_bytes_s": LINK_BYTES_S,
            "networks": {nodes: _paid(nodes, payloads[nodes]) for nodes in sizes},
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        children = [_start(folder, place) for place in range(1, max(sizes) + 1)]
        try:
            asyncio.run(_until_ready(ports))
            return [asyncio.run(_run(folder, nodes, payloads[nodes], children)) for nodes in sizes]
        finally:
            for child in children:
                child.kill()
                child.wait()


def _payloads(nodes: int) -> list[bytes]:
    """Enough blobs to keep the links of this network busy for RUN_SECONDS."""
    blobs = max(2, round(nodes * LINK_BYTES_S * RUN_SECONDS / 3.1 / PAYLOAD_BYTES))
    source = random.Random(nodes)
    return [source.randbytes(PAYLOAD_BYTES) for _ in range(blobs)]


def _paid(nodes: int, payloads: list[bytes]) -> list[dict[str, object]]:
    from benchmarks.da_scale_node import PaidFor
    from offchain.core.matrix.encode import encode

    engine = choose_engine()
    blobs = []
    for number, payload in enumerate(payloads):
        header = encode(payload, engine, threads=2).header
        root, commitment = header.data_root.hex(), header.commitment.hex()
        salt = _salt(nodes, number).hex()
        blobs.append(asdict(PaidFor(root, commitment, len(payload), salt)))
    return blobs


def _salt(nodes: int, number: int) -> bytes:
    return nodes.to_bytes(16, "big") + number.to_bytes(16, "big")


async def _run(
    folder: Path, nodes: int, payloads: list[bytes], children: list[subprocess.Popen[bytes]]
) -> Measured:
    """Disperse everything through one pipeline over one network."""
    from benchmarks.da_scale_node import chains_of, the_disperser
    from offchain.da.adapters.disk_dispersals import DiskDispersals
    from offchain.da.adapters.http_client import HttpNodeClient
    from offchain.da.deliver import DeliverRows, DeliveryRules
    from offchain.da.disperse import DispersalRules, DisperseBlob, DisperserParts
    from offchain.da.pipeline import DispersePipeline
    from offchain.node.disk import LocalDisk

    chain = chains_of(json.loads((folder / "spec.json").read_text()))[nodes]
    signer = the_disperser()
    journal = DiskDispersals(LocalDisk(), folder / f"dispersals-{nodes}")
    journal.open()
    async with HttpNodeClient() as client:
        parts = DisperserParts(
            ledger=chain,
            till=chain,
            deliver=DeliverRows(chain, client, signer, rules=DeliveryRules(grace_seconds=30)),
            journal=journal,
            engine=choose_engine(),
            payer=signer.address,
            disperser=signer.address,
        )
        pipeline = DispersePipeline(DisperseBlob(parts, DispersalRules(poll_seconds=0.02)))
        pids = [child.pid for child in children[:nodes]]
        before = sum(map(_cpu_of, pids)), time.process_time()
        started = time.perf_counter()
        done = await asyncio.gather(
            *(
                pipeline.disperse(payload, days=1, salt=_salt(nodes, number))
                for number, payload in enumerate(payloads)
            )
        )
        seconds = time.perf_counter() - started
        cpu = sum(map(_cpu_of, pids)) - before[0], time.process_time() - before[1]
    assert not any(one.absent for one in done), "every node signs when none is down"
    return Measured(nodes, len(payloads), PAYLOAD_BYTES, LINK_BYTES_S, seconds, cpu[1], cpu[0])


def _expansion(one: Measured) -> float:
    """Bytes on the links for each byte of payload."""
    from offchain.core.layout import N, Shape
    from offchain.da.accept import body_bytes

    rows = N // one.nodes
    return one.nodes * body_bytes(Shape.of(one.payload_bytes), rows) / one.payload_bytes


def _start(folder: Path, place: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.da_scale_node", str(folder), str(place)],
        cwd=Path(__file__).resolve().parents[1],
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    for row in run() if len(sys.argv) == 1 else run_nodes(int(sys.argv[1])):
        print(row.as_json())
