"""Reading among liars, over loopback sockets: nine node processes, three of them lying.

Each node process holds its rows on disk and shows several faces: an honest one, and for the three
liars one for each way of lying. One stored blob of 32.5 MB is read in turns from nine honest faces
and from six honest and three lying ones; the ratio is honest seconds over lying seconds, the worst
of all casts of liars. The bytes are compared every time. The chain is the memory adapter.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.da_pipeline import _free_ports, _request_signer, _secret, _until_ready
from benchmarks.rows import Row, at_least
from offchain.da.adapters.memory_chain import MemoryChain, MemoryMember
from offchain.da.retrieve import RetrievalRules, RetrieveBlob

COMMAND = "apogee bench da --json"
NODES = 9
RATIO_BAR = 0.6
ROUNDS = 5
MEGABYTE = 1_000_000
SALT = bytes(32)
CASTS = (
    ("WRONG_BYTES", "SLOW", "SHORT"),
    ("WRONG_PATH", "FEWER_ROWS", "OVERSIZE"),
    ("SWAPPED", "GARBAGE", "OTHER_BLOB"),
    ("EMPTY", "BAD_HEADER", "SLOW"),
)
LIARS = len(CASTS[0])


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of honest reads, and of reads with each cast of liars, in turns."""

    payload_bytes: int
    honest: tuple[tuple[float, ...], ...]
    lying: tuple[tuple[float, ...], ...]

    def ratio(self, cast: int) -> float:
        return statistics.median(self.honest[cast]) / statistics.median(self.lying[cast])


def run() -> list[Row]:
    """Measure once; about a minute, half of it start-up."""
    with tempfile.TemporaryDirectory(prefix="apogee-bench-") as folder, ExitStack() as children:
        figures = asyncio.run(_measure(Path(folder), children))
    worst = min(range(len(CASTS)), key=figures.ratio)
    size = figures.payload_bytes / MEGABYTE
    honest = size / statistics.median(figures.honest[worst])
    lying = size / statistics.median(figures.lying[worst])
    return [
        at_least("da.retrieve_lying.ratio", lying / honest, "x", RATIO_BAR, command=COMMAND),
        at_least("da.retrieve_lying.mb_s", lying, "MB/s", None, command=COMMAND, baseline=honest),
    ]


async def _measure(folder: Path, children: ExitStack) -> Figures:
    import random

    from offchain.core.erasure.choose import choose_engine
    from offchain.core.layout import MAX_PAYLOAD_BYTES
    from offchain.core.matrix.encode import encode
    from offchain.da.adapters.http_client import HttpNodeClient

    engine = choose_engine()
    payload = random.Random(32).randbytes(MAX_PAYLOAD_BYTES)
    encoded = encode(payload, engine, threads=2)
    ports = _free_ports(NODES + LIARS * len(CASTS))
    spec = {
        "ports": ports,
        "data_root": encoded.header.data_root.hex(),
        "commitment": encoded.header.commitment.hex(),
        "length": len(payload),
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    chain, blob_id = _paid_chain(spec)
    await _store(folder, chain, blob_id, encoded, engine)
    del encoded
    for operator in range(1, NODES + 1):
        children.enter_context(_node_process(folder, operator))
    await _until_ready(ports)
    views = [_paid_chain(spec, cast)[0] for cast in range(len(CASTS))]
    honest: list[list[float]] = [[] for _ in CASTS]
    lying: list[list[float]] = [[] for _ in CASTS]
    async with HttpNodeClient() as client:

        def reader_of(view: MemoryChain) -> RetrieveBlob:
            return RetrieveBlob(view, client, engine, rules=RetrievalRules(threads=2))

        await _timed_read(reader_of(chain), blob_id, payload)
        for cast, view in enumerate(views):
            for _ in range(ROUNDS):
                honest[cast].append(await _timed_read(reader_of(chain), blob_id, payload))
                lying[cast].append(await _timed_read(reader_of(view), blob_id, payload))
    return Figures(len(payload), tuple(map(tuple, honest)), tuple(map(tuple, lying)))


async def _timed_read(reader: RetrieveBlob, blob_id: bytes, payload: bytes) -> float:
    started = time.perf_counter()
    got = await reader.retrieve(blob_id)
    elapsed = time.perf_counter() - started
    assert got.payload == payload, "the bytes that came back are not those that were sent"
    assert got.blame.operators() <= set(range(1, LIARS + 1)), "an honest node was blamed"
    return elapsed


def _paid_chain(spec: dict[str, Any], cast: int | None = None) -> tuple[MemoryChain, bytes]:
    """The chain with the one paid blob; with a cast, its liars answer at their lying faces."""
    from offchain.core.layout import Shape
    from offchain.da.duties import BlobTerms

    members = [
        MemoryMember(
            operator,
            f"http://127.0.0.1:{_port_of(spec, operator, cast)}",
            _secret(operator).public_key(),
        )
        for operator in range(1, NODES + 1)
    ]
    chain = MemoryChain(members)
    payer = _request_signer().address
    terms = BlobTerms(
        payer=payer,
        disperser=payer,
        data_root=bytes.fromhex(spec["data_root"]),
        commitment=bytes.fromhex(spec["commitment"]),
        shape=Shape.of(spec["length"]),
        days=1,
        salt=SALT,
    )
    chain.pay(terms)
    blob_id = chain.blob_id(terms)
    return chain, blob_id


def _port_of(spec: dict[str, Any], operator: int, cast: int | None) -> int:
    if cast is None or operator > LIARS:
        return int(spec["ports"][operator - 1])
    return int(spec["ports"][NODES + cast * LIARS + operator - 1])


async def _store(folder: Path, chain: Any, blob_id: bytes, encoded: Any, engine: Any) -> None:
    """Put each node's rows on its disk, as an upload would have left them."""
    from offchain.da.ports import Share

    view = chain.view(blob_id, at=chain.head().block)
    for duty in view.duties.members:
        store = _open_store(folder, duty.operator, engine)
        await store.put(
            Share(
                blob_id,
                view.duties.seed,
                view.record.deadline,
                encoded.shape.columns,
                duty.rows,
                encoded.header.to_bytes(),
                encoded.rows_frame(blob_id, duty.rows),
            )
        )


def _open_store(folder: Path, operator: int, engine: Any) -> Any:
    from offchain.da.adapters.disk_rows import DiskRows
    from offchain.node.disk import LocalDisk

    store = DiskRows(LocalDisk(), folder / str(operator) / "rows", engine.row_roots)
    store.open()
    return store


class _node_process:  # noqa: N801 - a context manager, used like a function
    """One node process, killed at the end."""

    def __init__(self, folder: Path, operator: int) -> None:
        self._arguments = [sys.executable, "-m", "benchmarks.da_retrieve", str(folder)]
        self._arguments.append(str(operator))

    def __enter__(self) -> None:
        self._child = subprocess.Popen(self._arguments, stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()


async def _serve(folder: Path, operator: int) -> None:
    """All faces of one node."""
    from offchain.core.erasure.choose import choose_engine
    from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
    from offchain.da.adapters.bls_signer import BlsSigner
    from offchain.da.adapters.http_node import NodeFace, build_node_app, node_server
    from offchain.da.adapters.lying_server import Lie, LyingServer
    from offchain.da.adapters.memory_journal import MemoryJournal
    from offchain.da.serve import RowServer, ServeLimits, ServeRows
    from offchain.node.peer_limits import PeerLimits, PeerRate

    spec = json.loads((folder / "spec.json").read_text())
    chain, _ = _paid_chain(spec)
    engine = choose_engine()
    store = _open_store(folder, operator, engine)
    signer = BlsSigner(_secret(operator))
    parts = NodeParts(operator, chain, store, MemoryJournal(), signer, engine)
    accept = AcceptRows(parts, NodeLimits())
    honest = ServeRows(store, ServeLimits())
    faces: list[tuple[int, RowServer]] = [(_port_of(spec, operator, None), honest)]
    if operator <= LIARS:
        faces += [
            (_port_of(spec, operator, cast), LyingServer(honest, Lie[lies[operator - 1]]))
            for cast, lies in enumerate(CASTS)
        ]

    async def is_ready() -> str | None:
        return None

    servers = [
        node_server(
            build_node_app(
                NodeFace(accept, serve, is_ready, PeerLimits(PeerRate(), time.monotonic))
            ),
            port,
        )
        for port, serve in faces
    ]
    await asyncio.gather(*(server.serve() for server in servers))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
    else:
        print(json.dumps([row.as_json() for row in run()], indent=2))
