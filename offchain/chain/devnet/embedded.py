"""The embedded node: py-evm behind one execution thread, with its heartbeat."""

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from offchain.chain.devnet import envelope
from offchain.chain.devnet.chain import DevChain
from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.faults import BackendGone, RpcFault
from offchain.chain.devnet.filters import FilterTable
from offchain.chain.devnet.heartbeat import Heartbeat
from offchain.chain.devnet.ledger import Ledger
from offchain.chain.devnet.parameters import Parameters
from offchain.chain.devnet.reading import ReadingMethods
from offchain.chain.devnet.sending import ControlMethods, SendingMethods
from offchain.chain.devnet.watching import WatchingMethods

log = logging.getLogger(__name__)

# The EVM allows 1,024 nested calls and py-evm nests Python frames through C for each.
EXECUTION_STACK_BYTES: Final = 256 * 1024 * 1024


class EmbeddedNode:
    """All methods over one chain, as a plain synchronous table."""

    def __init__(self, chain: DevChain, *, monotonic: Callable[[], float]) -> None:
        self.chain = chain
        reading = ReadingMethods(chain)
        self._methods: dict[str, Callable[[Parameters], Any]] = {
            **reading.methods(),
            **WatchingMethods(chain, FilterTable(monotonic)).methods(),
            **SendingMethods(chain, reading).methods(),
            **ControlMethods(chain).methods(),
        }

    @property
    def methods(self) -> frozenset[str]:
        return frozenset(self._methods)

    def answer(self, request: envelope.Request) -> Json:
        """Run one request of a known method; every failure becomes an answer."""
        try:
            result = self._methods[request.method](Parameters(request.params))
        except RpcFault as fault:
            return envelope.failure(request.id, fault)
        except sqlite3.Error as error:
            log.exception("ledger_write_failed", extra={"method": request.method})
            refusal = BackendGone(f"the chain file cannot be read or written: {error}")
            return envelope.failure(request.id, refusal)
        except Exception:
            # A node that dies of one odd request takes every other client with it.
            log.exception("request_failed", extra={"method": request.method})
            return envelope.failure(request.id, RpcFault("internal error"))
        return envelope.success(request.id, result)


class EmbeddedBackend:
    """Feeds the node's one thread from the event loop."""

    def __init__(self, state_path: Path | None, *, chain_id: int, heartbeat_seconds: float) -> None:
        """Open the chain at `state_path` (in memory when None); 0 switches the heartbeat off."""
        previous = threading.stack_size(EXECUTION_STACK_BYTES)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evm")
        opened = self._thread.submit(_open_node, state_path, chain_id)
        threading.stack_size(previous)
        self._node = opened.result()
        self._heartbeat_seconds = heartbeat_seconds
        self._heartbeat = Heartbeat.starting(time.monotonic(), first_seconds=heartbeat_seconds)
        self._beating: asyncio.Task[None] | None = None

    @property
    def methods(self) -> frozenset[str]:
        return self._node.methods

    async def start(self) -> None:
        """Begin beating."""
        if self._heartbeat_seconds > 0:
            self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def answer(self, requests: Sequence[envelope.Request]) -> list[Json]:
        loop = asyncio.get_running_loop()
        answers, has_moved = await loop.run_in_executor(self._thread, self._run, requests)
        if has_moved:
            self._heartbeat.record_activity(time.monotonic())
        return answers

    async def relay(self, request: envelope.Request, raw: bytes) -> bytes | None:  # noqa: ARG002
        return None

    async def close(self) -> None:
        """Finish what runs, write everything down."""
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._node.chain.ledger.close)
        self._thread.shutdown()

    def _run(self, requests: Sequence[envelope.Request]) -> tuple[list[Json], bool]:
        before = self._node.chain.head.hash
        answers = [self._node.answer(request) for request in requests]
        return answers, self._node.chain.head.hash != before

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait = self._heartbeat.due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(min(wait, self._heartbeat_seconds))
                continue
            await loop.run_in_executor(self._thread, self._beat_once)
            self._heartbeat.record_beat(time.monotonic())

    def _beat_once(self) -> None:
        """Seal an empty block, unless blocks are made by hand."""
        if not self._node.chain.is_automatic:
            return
        try:
            self._node.chain.mine()
        except sqlite3.Error:
            log.exception("heartbeat_failed")


def _open_node(state_path: Path | None, chain_id: int) -> EmbeddedNode:
    chain = DevChain(Ledger(state_path), chain_id=chain_id, clock=time.time)
    return EmbeddedNode(chain, monotonic=time.monotonic)
