"""Opens a stream for a program: which replica answers, and which roots of it are trusted."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

from offchain.chain.keys import LocalSigner
from offchain.chain.ports import ChainReader
from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.sdk.kv import AsyncKv, KvParts, Trust
from offchain.sdk.open_storage import StorageChain, ledger_of
from offchain.storage.kv.adapters.chain_roots import ChainRoots, RootClients
from offchain.storage.kv.adapters.http_client import HttpKvClient, KvLimits
from offchain.storage.kv.errors import StreamNotFollowed
from offchain.storage.kv.op import AccountKey, domain_separator
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.onchain_log import KVStreamsClient
from offchain.storage.onchain_market import StorageMarketClient

LOOK: Final = KvLimits(seconds=3.0)  # whether a replica has a stream


@dataclass(frozen=True, slots=True)
class StreamWish:
    """Which stream, through which node; None: a seat of a replica group that holds it."""

    stream: bytes
    node: str | None = None


def posted_trust(streams: KVStreamsClient, reader: ChainReader) -> Trust:
    """Trusts a state whose root is the newest posted one, or has not changed since."""

    def is_posted(root: StreamRoot) -> bool:
        at = reader.block().hash
        seq = streams.stream(root.stream, at=at).head - 1
        if not 0 <= seq <= root.seq:
            return False
        return streams.root_of(root.stream, seq, at=at) == replace(root, seq=seq).digest

    async def trust(root: StreamRoot) -> bool:
        return await asyncio.to_thread(is_posted, root)

    return trust


async def open_stream(
    chain: StorageChain, wish: StreamWish, account: bytes | None, stack: AsyncExitStack
) -> AsyncKv:
    """A stream whose connections end with `stack`. Raises: StreamNotFollowed."""
    streams = KVStreamsClient(chain.deployments, chain.node)
    node = wish.node or await _find(chain, streams, wish.stream)
    client = await stack.enter_async_context(HttpKvClient(node))
    domain = domain_separator(chain.deployments.chain_id, bytes(streams.address))
    key = None
    if account is not None:
        signer = LocalSigner.from_secret(account)
        key = AccountKey(bytes(signer.address), signer)
    parts = KvParts(client, domain, key, posted_trust(streams, chain.node))
    return AsyncKv(parts, wish.stream)


async def _find(chain: StorageChain, streams: KVStreamsClient, stream: bytes) -> str:
    """The first replica that has it; each stream begins with another, always the same one."""
    market = StorageMarketClient(chain.deployments, chain.node)
    clients = RootClients(chain.node, chain.stake, market, streams, ledger_of(chain))
    for endpoint in _ordered(stream, await asyncio.to_thread(_seats, ChainRoots(clients))):
        async with HttpKvClient(endpoint, LOOK) as client:
            try:
                await client.status(stream)
            except ApogeeError:
                continue
            return endpoint
    raise StreamNotFollowed(stream=stream.hex())


def _seats(chain: ChainRoots) -> set[str]:
    return {seat.endpoint for group in chain.groups() for seat in group.seats if seat.endpoint}


def _ordered(stream: bytes, endpoints: Sequence[str] | set[str]) -> list[str]:
    """Rendezvous order, so that a stream's readers share one replica's cache."""
    return sorted(endpoints, key=lambda one: keccak(stream, one.encode()))
