"""How any node process lives: wait for its operator, serve beside its chores, stop when told."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn

from offchain.apps.home import Home, Manifest
from offchain.apps.keystore import AccountKey
from offchain.apps.network import Network, address_of, connect, deployment_file
from offchain.apps.node_chores import Chore, repeat
from offchain.apps.settings import ChainSettings
from offchain.core.errors import ApogeeError
from offchain.node.folder_lock import FolderLock

REGISTERED_POLL_SECONDS: Final = 0.5
THREADS: Final = 32  # they mostly wait for the chain; answers to peers must not stand behind chores
log = logging.getLogger(__name__)


class NodeLife:
    """One node of one operator in one folder."""

    def __init__(self, folder: Path, network: Network, account: AccountKey) -> None:
        self._folder = folder
        self._network = network
        self._account = account
        self._stop = asyncio.Event()

    async def run(self, serve: Callable[[int], Awaitable[None]]) -> None:
        """Hold the folder and call `serve` with the operator's id, once the chain knows it."""

        async def registered() -> None:
            operator = await self._registered_operator()
            if operator:
                await serve(operator)

        await self.hold(registered)

    async def hold(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Hold the folder and call `serve`: no operator is needed for it."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="node"))
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self._folder)
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop.set)
            await serve()
        finally:
            lock.close()
        log.info("node_stopped")

    def end(self) -> None:
        """As if it had been told to stop."""
        self._stop.set()

    async def serve_beside(self, server: uvicorn.Server, chores: Sequence[Chore]) -> None:
        """Serve and do chores until SIGTERM, Ctrl-C or the end of the server."""
        await self.serve_all([server], chores)

    async def serve_all(self, servers: Sequence[uvicorn.Server], chores: Sequence[Chore]) -> None:
        """As `serve_beside`; when one server ends, all do."""
        tasks = [asyncio.create_task(repeat(chore)) for chore in chores]
        serving = [asyncio.create_task(one.serve()) for one in servers]
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopping, *serving}, return_when=asyncio.FIRST_COMPLETED)
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def readiness(self) -> str | None:
        """None when the chain answers, otherwise why not."""
        try:
            await asyncio.to_thread(self._network.node.block)
        except ApogeeError as error:
            return f"the chain does not answer: {error.code}"
        return None

    async def _registered_operator(self) -> int | None:
        """The id of this node's operator, once the chain knows it; None when told to stop."""
        address = address_of(self._account)
        while not self._stop.is_set():
            try:
                at = (await asyncio.to_thread(self._network.node.block)).hash
                find = partial(self._network.stake.operator_of, address, at=at)
                operator = await asyncio.to_thread(find)
                if operator:
                    return operator
            except ApogeeError as error:
                log.warning("chain_not_read", extra={"code": error.code, "error": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), REGISTERED_POLL_SECONDS)
        return None


def place_of(
    settings: ChainSettings, home: Home, name: str, port: int | None
) -> tuple[Network, int]:
    """The chain and the port of a node, from the flags or from the home."""
    rpc_url = settings.rpc_url
    if port is None or rpc_url is None:
        manifest = Manifest.load(home)
        port = port or manifest.ports[name]
        rpc_url = rpc_url or manifest.url("devnet")
    folder = settings.deployments or home.deployments
    return connect(rpc_url, deployment_file(folder, settings.network)), port
