"""A stream served over loopback from a log in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from offchain.node.disk import LocalDisk
from offchain.node.http_face import loopback_server
from offchain.node.peer_limits import PeerLimits, PeerRate
from offchain.storage.kv.adapters.disk_promises import DiskPromises
from offchain.storage.kv.adapters.http_app import build_kv_app
from offchain.storage.kv.adapters.http_client import HttpKvClient
from offchain.storage.kv.adapters.http_face import KvFace
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from tests.support.kv import World


@dataclass
class Served:
    """A world behind HTTP, and a client of it."""

    world: World
    client: HttpKvClient
    origin: str


Equip = Callable[[KvFace, World], None]


@asynccontextmanager
async def served(
    folder: Path, *, final: int = 0, equip: Equip = lambda *_: None
) -> AsyncIterator[Served]:
    """Serve until the block ends; `equip` gives the face what else it stands in front of."""
    journal = DiskPromises(LocalDisk(), folder)
    journal.open()
    store = SqliteStore(folder)
    world = World.made(journal, store, final=final)
    await world.service.open()
    limits = PeerLimits(PeerRate(1e6, 1_000_000), lambda: 0.0)
    face = KvFace(world.replica, limits, world.hot, world.batcher)
    equip(face, world)
    server = loopback_server(build_kv_app(face), 0, connections=64)
    serving = asyncio.create_task(server.serve())
    running = asyncio.create_task(world.service.run())
    async with asyncio.timeout(60):
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    try:
        async with HttpKvClient(origin) as client:
            yield Served(world, client, origin)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.should_exit = True
        await serving
        store.close()
