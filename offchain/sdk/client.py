"""The two clients: `Apogee` for programs that wait, `AsyncApogee` for those that do not.

`Apogee` runs the same code on a thread of its own, so it works in scripts, threads and notebooks.
"""

import os
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from offchain.chain.adapters.rpc import HttpTransport
from offchain.chain.deployments import load_deployments
from offchain.chain.node import Node
from offchain.core.erasure import ErasureEngine
from offchain.da.adapters.chain_ledger import ChainClients, ChainLedger
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.disperse import Watcher
from offchain.da.duties import BlobTerms
from offchain.da.model import blob_id
from offchain.da.onchain import DAEntranceClient, DASignersClient
from offchain.sdk.agent_parts import AgentParts
from offchain.sdk.agents import AsyncAgents
from offchain.sdk.compute import AsyncCompute, ComputeParts
from offchain.sdk.connection import Connection
from offchain.sdk.da import DEFAULT_DAYS, AsyncDa, BlobStatus, DaParts, Sampling, Source
from offchain.sdk.errors import ConnectionMissing
from offchain.sdk.gateway_client import GatewayClient
from offchain.sdk.gateway_private import AsyncGatewayPrivate
from offchain.sdk.kv import AsyncKv
from offchain.sdk.loop_thread import LoopThread
from offchain.sdk.open_agents import open_agents
from offchain.sdk.open_compute import ComputeWish, open_compute, open_private
from offchain.sdk.open_kv import StreamWish, open_stream
from offchain.sdk.open_storage import StorageChain, StorageOwner, open_storage
from offchain.sdk.references import AnyReference, FileReference, ItemReference
from offchain.sdk.storage import AsyncStorage, StorageParts
from offchain.sdk.waiting_agents import Agents
from offchain.sdk.waiting_compute import Compute, GatewayPrivate
from offchain.sdk.waiting_kv import Kv
from offchain.sdk.waiting_storage import Storage
from offchain.staking.onchain import StakeManagerClient

DEFAULT_FOLDER: Final = Path(".apogee")


class AsyncApogee:
    """Apogee for asynchronous programs; use it as an asynchronous context manager."""

    def __init__(
        self,
        connection: Connection,
        *,
        threads: int = 1,
        account: bytes | None = None,
        folder: Path | None = None,
    ) -> None:
        """`account`: the 32 secret bytes that pay for storage, None to read; `folder`: where keys
        of sealed files, begun puts and unfinished transactions lie.
        """
        self._connection = connection
        self._threads = threads
        self._owner = StorageOwner(folder or DEFAULT_FOLDER, account)
        self._stack = AsyncExitStack()
        self._da: AsyncDa | None = None
        self._storage: AsyncStorage | None = None
        self._compute: AsyncCompute | None = None
        self._agents: AsyncAgents | None = None
        self._chain: StorageChain | None = None
        self._private: AsyncGatewayPrivate | None = None

    @classmethod
    def at_home(cls, home: Path | str = ".apogee", *, account: bytes | None = None) -> Self:
        """The Apogee that `apogee up` runs in this home. Raises: ConnectionMissing."""
        return cls(Connection.at_home(home), account=account, folder=Path(home).expanduser())

    @property
    def da(self) -> AsyncDa:
        """The data availability layer; only inside `async with`."""
        assert self._da is not None, "use `async with AsyncApogee(...) as apogee`"
        return self._da

    @property
    def storage(self) -> AsyncStorage:
        """Storage; only inside `async with`."""
        assert self._storage is not None, "use `async with AsyncApogee(...) as apogee`"
        return self._storage

    async def kv(self, stream: bytes | str, *, node: str | None = None) -> AsyncKv:
        """A key-value stream, read with proofs and written by this account; only inside
        `async with`. `node`: a storage node's URL; a replica of the stream when not given.

        Raises: StreamNotFollowed.
        """
        assert self._chain is not None, "use `async with AsyncApogee(...) as apogee`"
        raw = stream if isinstance(stream, bytes) else bytes.fromhex(stream.removeprefix("0x"))
        wish = StreamWish(raw, node)
        return await open_stream(self._chain, wish, self._owner.account, self._stack)

    @property
    def agents(self) -> AsyncAgents:
        """Agents that are owned and sold; only inside `async with`."""
        assert self._agents is not None, "use `async with AsyncApogee(...) as apogee`"
        return self._agents

    @property
    def compute(self) -> AsyncCompute:
        """The compute market; only inside `async with`."""
        assert self._compute is not None, "use `async with AsyncApogee(...) as apogee`"
        return self._compute

    async def private(self) -> AsyncGatewayPrivate:
        """Private answers through the gateway, which sees ciphertext only, paid by its API key;
        only inside `async with`. Raises: NoGateway, NoEvidenceHere.
        """
        assert self._chain is not None, "use `async with AsyncApogee(...) as apogee`"
        if self._private is None:
            opening = open_private(self._chain, self._connection)
            self._private = await self._stack.enter_async_context(opening)
        return self._private

    async def __aenter__(self) -> Self:
        """Raises: ConnectionMissing when the contracts' addresses are not there."""
        connection = self._connection
        if not connection.deployments.exists():
            raise ConnectionMissing(file=str(connection.deployments))
        node = Node(HttpTransport(connection.rpc_url))
        self._stack.callback(node.close)
        deployments = load_deployments(connection.deployments)
        entrance = DAEntranceClient(deployments, node)
        signers, stake = DASignersClient(deployments, node), StakeManagerClient(deployments, node)

        def id_of(terms: BlobTerms) -> bytes:
            return blob_id(terms.blob(), chain_id=deployments.chain_id, entrance=entrance.address)

        gateway = None
        if connection.gateway_url and connection.api_key:
            opening = GatewayClient(connection.gateway_url, connection.api_key)
            gateway = await self._stack.enter_async_context(opening)
        parts = DaParts(
            ledger=ChainLedger(ChainClients(node, entrance, signers, stake)),
            client=await self._stack.enter_async_context(HttpNodeClient()),
            engine=_the_engine,
            blob_id=id_of,
            gateway=gateway,
            threads=self._threads,
        )
        self._da = AsyncDa(parts)
        chain = StorageChain(node, deployments, stake)
        self._chain = chain

        async def storage_parts() -> StorageParts:
            parts = open_storage(chain, self._owner, _the_engine, threads=self._threads)
            return await self._stack.enter_async_context(parts)

        self._storage = AsyncStorage(storage_parts)

        async def agent_parts() -> AgentParts:
            storage = await self.storage.parts()
            parts = open_agents(chain, self._owner, storage, _the_engine)
            return await self._stack.enter_async_context(parts)

        self._agents = AsyncAgents(agent_parts)

        async def compute_parts() -> ComputeParts:
            wish = ComputeWish(self._owner, connection.simulated_root)
            return await self._stack.enter_async_context(open_compute(chain, wish))

        self._compute = AsyncCompute(compute_parts)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._da = self._storage = self._compute = self._chain = self._private = None
        self._agents = None
        await self._stack.aclose()


class Apogee:
    """Apogee for programs that wait for each answer; `close` it, or use it in a `with` block."""

    def __init__(
        self,
        connection: Connection,
        *,
        threads: int = 1,
        account: bytes | None = None,
        folder: Path | None = None,
    ) -> None:
        """As `AsyncApogee`."""
        self._loop = LoopThread()
        self._client = AsyncApogee(connection, threads=threads, account=account, folder=folder)
        try:
            self._loop.run(self._client.__aenter__())
        except BaseException:
            self._loop.close()
            raise
        self.da = Da(self._client.da, self._loop)
        self.storage = Storage(self._client.storage, self._loop)
        self.compute = Compute(self._client.compute, self._loop)
        self.agents = Agents(self._client.agents, self._loop)

    @classmethod
    def at_home(cls, home: Path | str = ".apogee", *, account: bytes | None = None) -> Self:
        """The Apogee that `apogee up` runs in this home. Raises: ConnectionMissing."""
        return cls(Connection.at_home(home), account=account, folder=Path(home).expanduser())

    def kv(self, stream: bytes | str, *, node: str | None = None) -> Kv:
        """A key-value stream; as `AsyncApogee.kv`."""
        return Kv(self._loop.run(self._client.kv(stream, node=node)), self._loop)

    def private(self) -> GatewayPrivate:
        """Private answers through the gateway; as `AsyncApogee.private`."""
        return GatewayPrivate(self._loop.run(self._client.private()), self._loop)

    def close(self) -> None:
        """End the connections; closing again does nothing."""
        if self._loop.is_open:
            self._loop.run(self._client.__aexit__(None, None, None))
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Da:
    """The data availability layer; each method as in `AsyncDa`."""

    def __init__(self, da: AsyncDa, loop: LoopThread) -> None:
        self._da = da
        self._loop = loop

    def put(
        self,
        source: Source,
        *,
        days: int = DEFAULT_DAYS,
        key: str | None = None,
        on_progress: Watcher = lambda _: None,
    ) -> FileReference:
        """Publish bytes, a file or a stream; returns when the chain has confirmed it."""
        return self._loop.run(self._da.put(source, days=days, key=key, on_progress=on_progress))

    def put_item(
        self, item: bytes, *, days: int = DEFAULT_DAYS, key: str | None = None
    ) -> ItemReference:
        """Publish a small item in a matrix that many share."""
        return self._loop.run(self._da.put_item(item, days=days, key=key))

    def get(self, reference: AnyReference) -> bytes:
        """The verified bytes."""
        return self._loop.run(self._da.get(reference))

    def get_to(self, reference: AnyReference, path: str | os.PathLike[str]) -> int:
        """Fetch into a file, which appears whole; its length. Interrupted, a repeat goes on."""
        return self._loop.run(self._da.get_to(reference, path))

    def status(self, reference: AnyReference) -> BlobStatus:
        """Where it stands on the chain."""
        return self._loop.run(self._da.status(reference))

    def sample(self, reference: AnyReference, confidence: float = 0.999999) -> Sampling:
        """How sure random rows make its availability."""
        return self._loop.run(self._da.sample(reference, confidence))


@cache
def _the_engine() -> ErasureEngine:
    """The fastest engine of this machine, chosen once a process; 1.5 s, more the first time."""
    from offchain.core.erasure.choose import choose_engine

    return choose_engine()
