"""The seats of the transfer measurement: all operators' real nodes and faces in one process.

  python -m benchmarks.storage_seats FOLDER

FOLDER/spec.json names profile, ports (one an operator) and where shards go. What is paid stands in
FOLDER/paid/<id>.json, written by the measuring process when its market places a file; each node
checks, keeps and signs as it would for a chain. A plain sink beside them takes PUTs and syncs them,
so that the same bytes can be copied without any of this.
"""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse

from offchain.chain.model import Block, BlockHash, BlockRef
from offchain.core.bls import SecretKey
from offchain.core.erasure.choose import choose_engine
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber
from offchain.node.disk import LocalDisk
from offchain.node.http_face import loopback_server
from offchain.node.journal import FileJournal
from offchain.node.memory import keep_freed_memory, leave_what_stays
from offchain.node.peer_limits import PeerLimits, PeerRate
from offchain.storage.accept_shards import AcceptShards, SeatParts, UploadLimits
from offchain.storage.adapters.bls_held_signer import BlsHeldSigner
from offchain.storage.adapters.folder_medium import FolderMedium
from offchain.storage.adapters.http_node import StorageFace, build_storage_app, storage_server
from offchain.storage.adapters.memory_market import CHAIN_ID, MARKET, MemoryMarket
from offchain.storage.client_ports import Paid
from offchain.storage.describe_seat import DescribeSeat
from offchain.storage.errors import SubmissionUnknown
from offchain.storage.model import (
    FileShape,
    FileState,
    GroupState,
    SeatState,
    held_domain,
    profile_named,
)
from offchain.storage.ports import FileView, GroupView, SeatView, StoredFile
from offchain.storage.segment_book import SegmentBook
from offchain.storage.serve_shards import ServeLimits, ServeShards
from offchain.storage.shard_store import Shards

GROUP = 65_537
OWNER = b"\x0a" * 20
RATE = PeerRate(1e6, 1_000_000)
THREADS = 24


def operator_secret(operator: int) -> SecretKey:
    return SecretKey.from_seed(b"transfer benchmark operator %5d" % operator)


def group_of(profile: str, ports: list[int]) -> GroupView:
    """One group whose seats are dealt to the operators behind these ports."""
    shape = profile_named(profile)
    keys = {place: operator_secret(place).public_key() for place in range(1, len(ports) + 1)}
    seats = []
    for seat in range(shape.seats):
        place = seat % len(ports) + 1
        endpoint = f"http://127.0.0.1:{ports[place - 1]}"
        seats.append(SeatView(seat, place, SeatState.SERVING, endpoint, key=keys[place]))
    return GroupView(GROUP, shape, GroupState.OPEN, tuple(seats))


class SharedMarket(MemoryMarket):
    """A market in memory that tells the seats' process what was placed."""

    def __init__(self, folder: Path, group: GroupView) -> None:
        super().__init__([group], owner=OWNER)
        self._folder = folder

    def place(self, file_id: bytes) -> Paid:
        sent = super().place(file_id)
        file = self.view(file_id, at=self.head().hash).file
        body = {
            "root": file.root.hex(),
            "length": file.shape.length,
            "profile": file.profile.name,
            "expiry": file.expiry,
            "keep_until": file.keep_until,
        }
        (self._folder / f"{file_id.hex()}.json").write_text(json.dumps(body))
        return sent


class PaidFolder:
    """The `StorageLedger` of the seats: what the market's process wrote down."""

    def __init__(self, folder: Path, group: GroupView) -> None:
        self._folder = folder
        self._group = group
        self._views: dict[bytes, FileView] = {}

    def head(self) -> Block:
        digest = BlockHash(keccak(b"block"))
        return Block(BlockNumber(100), digest, digest, 1_700_000_000, 0, 30_000_000)

    def view(self, file_id: bytes, *, at: BlockRef) -> FileView:  # noqa: ARG002 - one state
        if file_id not in self._views:
            path = self._folder / f"{file_id.hex()}.json"
            if not path.exists():
                raise SubmissionUnknown(file_id=file_id.hex())
            found = json.loads(path.read_text())
            file = StoredFile(
                file_id=file_id,
                state=FileState.PLACED,
                owner=OWNER,
                root=bytes.fromhex(found["root"]),
                shape=FileShape.of(found["length"]),
                profile=profile_named(found["profile"]),
                group=GROUP,
                expiry=found["expiry"],
                placed_block=1,
                keep_until=found["keep_until"],
            )
            self._views[file_id] = FileView(self.head(), file, self._group)
        return self._views[file_id]

    def group(self, number: int, *, at: BlockRef) -> GroupView:  # noqa: ARG002 - one group
        return self._group

    def free_bytes(self, operator: int, *, at: BlockRef) -> int:  # noqa: ARG002 - room for all
        return 1 << 50

    def domain(self) -> bytes:
        return held_domain(chain_id=CHAIN_ID, market=MARKET)


async def _is_ready() -> str | None:
    return None


def sink(folder: Path) -> FastAPI:
    """A plain HTTP store: PUT streams to a file and syncs it, GET sends it."""
    app = FastAPI()

    @app.put("/{name}")
    async def put(name: str, request: Request) -> Response:
        with (folder / name).open("wb", buffering=0) as file:
            async for piece in request.stream():
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(os.fsync, file.fileno())
        return Response(status_code=201)

    @app.get("/{name}")
    async def get(name: str) -> FileResponse:
        return FileResponse(folder / name)

    return app


async def serve(folder: Path) -> None:
    """Serve until killed."""
    keep_freed_memory()
    # each operator would have a process, and its threads, of its own
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    spec = json.loads((folder / "spec.json").read_text())
    engine, disk = choose_engine(), LocalDisk(past_cache=True)
    ledger = PaidFolder(folder / "paid", group_of(spec["profile"], spec["ports"]))
    servers: list[uvicorn.Server] = []
    for operator, port in enumerate(spec["ports"], 1):
        home = folder / "seats" / str(operator)
        journal = FileJournal(disk, home / "book" / "segments.journal")
        journal.open()
        store = Shards(FolderMedium(disk, home / "shards", free=lambda _: 1.0), engine)
        store.open()
        book = SegmentBook(journal)
        book.open()
        signer = BlsHeldSigner(operator_secret(operator))
        accept = AcceptShards(
            SeatParts(operator, ledger, store, book, signer, engine), UploadLimits()
        )
        face = StorageFace(
            accept,
            ServeShards(store, book, ServeLimits()),
            DescribeSeat(operator, ledger, store),
            _is_ready,
            PeerLimits(RATE, lambda: 0.0),
        )
        servers.append(storage_server(build_storage_app(face), port))
    (folder / "sink").mkdir(exist_ok=True)
    servers.append(loopback_server(sink(folder / "sink"), spec["sink_port"], connections=16))
    leave_what_stays()
    await asyncio.gather(*(server.serve() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
