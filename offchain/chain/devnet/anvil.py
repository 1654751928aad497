"""Anvil as a child process behind our face.

A bare Anvil answers any web page, so it listens on a private loopback port and hears only what the
guard let through. It shares the state directory's lock and is told to stop when its parent dies,
so a second devnet never starts on a state that a first one is still writing.

Durability is Anvil's: it writes its state every STATE_INTERVAL_SECONDS and when it stops.
"""

import asyncio
import contextlib
import ctypes
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from offchain.chain.devnet import envelope
from offchain.chain.devnet.anvil_binary import AnvilBinary, AnvilUnavailable
from offchain.chain.devnet.anvil_checks import CHECKED_METHODS, AnvilChecks
from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.faults import BackendGone, RpcFault
from offchain.chain.devnet.heartbeat import Heartbeat
from offchain.chain.devnet.loopback_http import LoopbackHttp
from offchain.chain.devnet.method_lists import ANVIL_METHODS, MOVING_METHODS
from offchain.chain.devnet.network import BLOCK_GAS_LIMIT, DEV_BALANCE_WEI, DEV_MNEMONIC
from offchain.chain.devnet.ports import free_port

log = logging.getLogger(__name__)

STATE_INTERVAL_SECONDS: Final = 15
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class AnvilOptions:
    """How the child runs; `lock_descriptor` is inherited so that it holds the lock too."""

    binary: AnvilBinary
    state_path: Path | None
    chain_id: int
    heartbeat_seconds: float
    lock_descriptor: int | None


class AnvilBackend:
    """Starts Anvil, forwards requests, beats its heart, stops it."""

    def __init__(self, options: AnvilOptions, *, on_death: Callable[[], None]) -> None:
        """`on_death` is called once when the child ends by itself."""
        self._options = options
        self._on_death = on_death
        self._port = free_port()
        self._http = LoopbackHttp(self._port)
        self._checks = AnvilChecks(self._ask, clock=time.monotonic)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._heartbeat = Heartbeat.starting(
            time.monotonic(), first_seconds=options.heartbeat_seconds
        )
        self._is_automatic = True

    @property
    def methods(self) -> frozenset[str]:
        return ANVIL_METHODS

    async def start(self) -> None:
        """Run the child until it answers. Raises: AnvilUnavailable."""
        options = self._options
        inherited = () if options.lock_descriptor is None else (options.lock_descriptor,)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *_arguments(options, self._port),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=inherited,
                start_new_session=True,
                preexec_fn=_stop_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            raise AnvilUnavailable(reason=str(error)) from error
        await self._wait_until_it_answers()
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._watch(self._process)))
        if options.heartbeat_seconds > 0:
            self._tasks.append(loop.create_task(self._beat()))

    async def relay(self, request: envelope.Request, raw: bytes) -> bytes | None:
        """Pass the bytes through when nothing about them needs a look."""
        if request.method in CHECKED_METHODS:
            return None
        self._note(request)
        try:
            return await self._http.post(raw)
        except RpcFault as fault:
            return envelope.encode(envelope.failure(request.id, fault))

    async def answer(self, requests: Sequence[envelope.Request]) -> list[Json]:
        refusals = [await self._checks.refusal(request) for request in requests]
        forwarded = [
            request for request, refusal in zip(requests, refusals, strict=True) if refusal is None
        ]
        for request in forwarded:
            self._note(request)
        answers = iter(await self._forward(forwarded))
        return [
            next(answers) if refusal is None else envelope.failure(request.id, refusal)
            for request, refusal in zip(requests, refusals, strict=True)
        ]

    async def close(self) -> None:
        """Let Anvil write its state and end; kill it when it does not."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._http.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("anvil_killed")
            process.kill()
            await process.wait()

    async def _forward(self, requests: Sequence[envelope.Request]) -> list[Json]:
        """One answer per request, in order; Anvil sees ids of ours and may answer in any order."""
        if not requests:
            return []
        body = [
            {"jsonrpc": "2.0", "id": place, "method": one.method, "params": one.params}
            for place, one in enumerate(requests)
        ]
        try:
            found = json.loads(await self._http.post(envelope.encode(body)))
            by_place = {answer["id"]: answer for answer in found}
            answers = [by_place[place] for place in range(len(requests))]
        except RpcFault as fault:
            return [envelope.failure(request.id, fault) for request in requests]
        except (ValueError, KeyError, TypeError):
            log.exception("anvil_answer_malformed")
            gone = BackendGone("the node behind this address sent no valid answer")
            return [envelope.failure(request.id, gone) for request in requests]
        return [
            self._checks.bounded(request, {**answer, "id": request.id})
            for request, answer in zip(requests, answers, strict=True)
        ]

    async def _ask(self, method: str, *params: Any) -> Any:
        """One question of our own. Raises: BackendGone, KeyError when Anvil refuses it."""
        body = {"jsonrpc": "2.0", "id": 0, "method": method, "params": list(params)}
        return json.loads(await self._http.post(envelope.encode(body)))["result"]

    async def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.returncode is None:
            try:
                if int(await self._ask("eth_chainId"), 16) == self._options.chain_id:
                    return
                break
            except BackendGone:
                await asyncio.sleep(0.02)
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        raise AnvilUnavailable(reason="anvil did not start", output=await _last_line(self._process))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Drain what the child complains about; tell when it ends."""
        assert process.stderr is not None
        async for line in process.stderr:
            log.warning("anvil_said", extra={"line": line.decode(errors="replace").strip()})
        await process.wait()
        log.error("anvil_ended", extra={"status": process.returncode})
        self._on_death()

    async def _beat(self) -> None:
        while True:
            wait = self._heartbeat.due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(min(wait, self._options.heartbeat_seconds))
                continue
            if self._is_automatic:
                try:
                    await self._ask("evm_mine")
                except (BackendGone, KeyError, ValueError):
                    log.exception("heartbeat_failed")
            self._heartbeat.record_beat(time.monotonic())

    def _note(self, request: envelope.Request) -> None:
        if request.method in MOVING_METHODS:
            self._heartbeat.record_activity(time.monotonic())
        elif request.method == "evm_setAutomine" and request.params:
            self._is_automatic = request.params[0] is True


def _arguments(options: AnvilOptions, port: int) -> list[str]:
    arguments = [
        str(options.binary.path),
        *("--hardfork", "prague"),
        *("--chain-id", str(options.chain_id)),
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
        *("--mnemonic", DEV_MNEMONIC),
        *("--balance", str(DEV_BALANCE_WEI // 10**18)),
        *("--gas-limit", str(BLOCK_GAS_LIMIT)),
        "--no-request-size-limit",
        "--no-cors",
        "--quiet",
    ]
    if options.state_path is not None:
        options.state_path.parent.mkdir(parents=True, exist_ok=True)
        arguments += ["--state", str(options.state_path)]
        arguments += ["--state-interval", str(STATE_INTERVAL_SECONDS)]
    return arguments


def _stop_with_parent() -> None:
    """Ask Linux to interrupt this process when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


async def _last_line(process: asyncio.subprocess.Process) -> str:
    if process.stderr is None:
        return ""
    lines = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
