"""What a running agent stores and remembers with: this home's storage client, and its stream."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Final

from offchain.agents.runtime_tools import Quote
from offchain.apps.home import Home
from offchain.apps.network import Network
from offchain.apps.storage_client import Opened, open_files
from offchain.compute.model import NATIVE_COIN
from offchain.sdk.kv import AsyncKv
from offchain.sdk.open_kv import StreamWish, open_stream
from offchain.sdk.open_storage import StorageChain
from offchain.storage.file_client import PutOptions
from offchain.storage.kv.answer import Label
from offchain.storage.kv.errors import StreamNotFollowed
from offchain.storage.kv.promise import SoftAck
from offchain.storage.model import profile_named
from offchain.storage.sources import BytesSource

PROFILE: Final = "durable"
TERM_SECONDS: Final = 30 * 86_400
NEW_SECONDS: Final = 300.0  # a replica follows a new stream when it has read of it
POLL_SECONDS: Final = 0.1


class HomeStorage:
    """A `Storage` whose payer is this home's storage client; opened when it is first used.

    What it costs is counted against the intent.
    """

    def __init__(self, home: Home, network: Network, stack: AsyncExitStack) -> None:
        self._home = home
        self._market = bytes(network.market.address)
        self._stack = stack
        self._opened: Opened | None = None

    async def read(self, file: bytes, most: int) -> bytes:
        """The first bytes of a file."""
        getter = (await self._ready()).files.get
        content = await getter.content(file)
        return await getter.part(content, 0, min(most, content.length))

    async def quote(self, length: int) -> Quote:
        """What it can cost at most, grace included."""
        opened = await self._ready()
        price = await opened.files.price(length, await asyncio.to_thread(_options, opened))
        return Quote(price.deposit_wei, self._market, NATIVE_COIN)

    async def put(self, data: bytes, *, key: str, most: int) -> tuple[bytes, int]:
        """The file; the same key and bytes is the same file, paid once."""
        opened = await self._ready()
        options = await asyncio.to_thread(_options, opened, most)
        return await opened.files.put_named(f"run:{key}", BytesSource(data), options), most

    async def _ready(self) -> Opened:
        if self._opened is None:
            self._opened = await self._stack.enter_async_context(open_files(self._home, None))
        return self._opened


class NothingRemembered:
    """The `Stream` of an agent whose owner has not made one yet: it reads as empty."""

    async def get(self, key: bytes, *, label: Label = Label.HOT) -> bytes | None:
        del key, label
        return None

    async def put(self, key: bytes, value: bytes) -> SoftAck:
        raise StreamNotFollowed(bytes=len(key) + len(value))


async def open_memory(
    network: Network, stream: bytes, secret: bytes, stack: AsyncExitStack
) -> AsyncKv | NothingRemembered:
    """An agent's stream at a replica that knows all that the chain has granted by now.

    Raises: StreamNotFollowed, ReplicaBehind.
    """
    at = (await asyncio.to_thread(network.node.block)).hash
    made = await asyncio.to_thread(network.streams.stream, stream, at=at)
    if not any(made.owner):
        return NothingRemembered()
    entries = await asyncio.to_thread(network.log.size, at=at)
    chain = StorageChain(network.node, network.deployments, network.stake)
    deadline = time.monotonic() + NEW_SECONDS
    while True:
        try:
            kv = await open_stream(chain, StreamWish(stream), secret, stack)
        except StreamNotFollowed:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_SECONDS)
            continue
        await kv.reach(entries)
        return kv


def _options(opened: Opened, most: int | None = None) -> PutOptions:
    """Sealed for this home, for a month, or as long as groups take files."""
    profile = profile_named(PROFILE)
    epochs = min(TERM_SECONDS // opened.epoch_seconds, opened.longest_epochs(profile))
    return PutOptions(profile, max(1, epochs), max_price_wei=most)
