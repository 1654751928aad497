"""Run a devnet until told to stop: choose the backend, hold the state's lock, serve, flush.

`serve` blocks; SIGTERM and SIGINT end it cleanly and it returns.
"""

import asyncio
import contextlib
import fcntl
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

import uvicorn

from offchain.chain.devnet.anvil import AnvilBackend, AnvilOptions
from offchain.chain.devnet.anvil_binary import AnvilBinary, AnvilUnavailable, bring_anvil
from offchain.chain.devnet.face import Backend, create_face
from offchain.chain.devnet.guard import LOOPBACK_HOSTS, Guard
from offchain.chain.devnet.network import DEFAULT_CHAIN_ID
from offchain.core.errors import Conflict, Unavailable

log = logging.getLogger(__name__)

DEFAULT_PORT: Final = 8_545
LOCK_SECONDS: Final = 30.0
# Longer than a client's pauses: a connection closed under a client fails its next POST.
KEEP_ALIVE_SECONDS: Final = 3_600
GRACE_SECONDS: Final = 5


class DevnetBackend(Enum):
    """Which chain answers."""

    AUTO = "auto"
    ANVIL = "anvil"
    PYEVM = "pyevm"


class StateInUse(Conflict):
    """Another devnet works on this state directory."""

    code = "devnet.state.in_use"
    next_step = "Stop the other devnet, or give this one another state directory."


class PortTaken(Conflict):
    """Somebody listens on the devnet's port already."""

    code = "devnet.port.taken"
    next_step = "Stop the program on that port, or choose another with --port."


class BackendEnded(Unavailable):
    """The chain process ended by itself."""

    code = "devnet.backend.ended"
    next_step = "Start the devnet again; it continues from the last state that was written."


@dataclass(frozen=True, slots=True)
class DevnetSettings:
    """What a devnet process is told."""

    state_dir: Path | None
    """Where the chain is kept across restarts; None keeps it in memory."""
    tools_dir: Path
    """Where Anvil is looked for and installed to."""
    port: int = DEFAULT_PORT
    """TCP port on 127.0.0.1."""
    backend: DevnetBackend = DevnetBackend.AUTO
    """Anvil when it can be had and py-evm otherwise, or one of them by name."""
    chain_id: int = DEFAULT_CHAIN_ID
    """EIP-155 id; Anvil's and Hardhat's by default, so wallets know it."""
    heartbeat_seconds: float = 1.0
    """An empty block follows activity after this long, then ever rarer; 0 seals none."""
    hosts: frozenset[str] = LOOPBACK_HOSTS
    """Names a Host header may carry."""
    origins: frozenset[str] = frozenset()
    """Web pages that may use the chain, as `scheme://host[:port]`."""


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """The backend taken, with the binary for Anvil, and why."""

    backend: DevnetBackend
    anvil: AnvilBinary | None
    reason: str


def choose_backend(settings: DevnetSettings) -> BackendChoice:
    """Decide which backend serves. Raises: AnvilUnavailable when Anvil is a must and absent.

    A state directory keeps the backend it began with, so that a chain is never silently replaced.
    """
    wanted = settings.backend
    if wanted is DevnetBackend.AUTO:
        wanted = _remembered_backend(settings.state_dir) or DevnetBackend.AUTO
        reason = "the state directory began with it"
    else:
        reason = "asked for"
    if wanted is DevnetBackend.PYEVM:
        return BackendChoice(DevnetBackend.PYEVM, None, reason)
    try:
        binary = bring_anvil(settings.tools_dir)
    except AnvilUnavailable as error:
        if wanted is DevnetBackend.ANVIL:
            raise
        log.warning("anvil_unavailable", extra={"reason": str(error)})
        return BackendChoice(DevnetBackend.PYEVM, None, f"no Anvil: {error}")
    if wanted is DevnetBackend.AUTO:
        reason = "Anvil is here"
    return BackendChoice(DevnetBackend.ANVIL, binary, reason)


def serve(settings: DevnetSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises: StateInUse, PortTaken, AnvilUnavailable; BackendEnded when the chain process dies.
    """
    with _locked(settings.state_dir) as lock, _listening(settings.port) as listener:
        choice = choose_backend(settings)
        asyncio.run(_serve(settings, choice, listener, lock))


async def _serve(
    settings: DevnetSettings, choice: BackendChoice, listener: socket.socket, lock: int | None
) -> None:
    stop = asyncio.Event()
    has_died = asyncio.Event()

    def report_death() -> None:
        has_died.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    backend = _build_backend(settings, choice, lock, on_death=report_death)
    await backend.start()
    _remember_backend(settings.state_dir, choice.backend)
    server = _Server(_uvicorn_config(create_face(backend, Guard(settings.hosts, settings.origins))))
    serving = loop.create_task(server.serve(sockets=[listener]))
    listening = loop.create_task(server.is_listening.wait())
    await asyncio.wait({listening, serving}, return_when=asyncio.FIRST_COMPLETED)
    log.info(
        "devnet_started",
        extra={
            "port": listener.getsockname()[1],
            "backend": choice.backend.value,
            "reason": choice.reason,
            "chain_id": settings.chain_id,
        },
    )
    stopping = loop.create_task(stop.wait())
    await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
    await backend.close()
    log.info("devnet_stopped")
    if has_died.is_set():
        raise BackendEnded(backend=choice.backend.value)


class _Runnable(Backend, Protocol):
    """A backend with a life: what answers, and how it begins and ends."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def _build_backend(
    settings: DevnetSettings,
    choice: BackendChoice,
    lock: int | None,
    *,
    on_death: Callable[[], None],
) -> _Runnable:
    if choice.anvil is not None:
        options = AnvilOptions(
            binary=choice.anvil,
            state_path=_below(settings.state_dir, "anvil/state.json"),
            chain_id=settings.chain_id,
            heartbeat_seconds=settings.heartbeat_seconds,
            lock_descriptor=lock,
        )
        return AnvilBackend(options, on_death=on_death)
    from offchain.chain.devnet.embedded import EmbeddedBackend  # a second that Anvil need not pay

    return EmbeddedBackend(
        _below(settings.state_dir, "pyevm/chain.sqlite"),
        chain_id=settings.chain_id,
        heartbeat_seconds=settings.heartbeat_seconds,
    )


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals to us, as its own handling ends the process by the signal."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(face: object) -> uvicorn.Config:
    return uvicorn.Config(
        face,  # type: ignore[arg-type]  # uvicorn's union of ASGI types does not name FastAPI
        loop="asyncio",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextlib.contextmanager
def _locked(state_dir: Path | None) -> Iterator[int | None]:
    """Hold the directory's lock; wait a while for a devnet that is just ending."""
    if state_dir is None:
        yield None
        return
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "lock").open("w") as handle:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise StateInUse(state_dir=state_dir) from error
                time.sleep(0.05)
        yield handle.fileno()


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # The protocol is named because asyncio switches Nagle's delay off only where it is.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(port=port) from error
        yield listener


def _below(state_dir: Path | None, name: str) -> Path | None:
    return None if state_dir is None else state_dir / name


def _remembered_backend(state_dir: Path | None) -> DevnetBackend | None:
    marker = _below(state_dir, "backend")
    if marker is None or not marker.exists():
        return None
    try:
        return DevnetBackend(marker.read_text().strip())
    except ValueError:
        return None


def _remember_backend(state_dir: Path | None, backend: DevnetBackend) -> None:
    marker = _below(state_dir, "backend")
    if marker is not None:
        marker.write_text(backend.value + "\n")
