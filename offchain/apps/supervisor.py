"""Keeps a set of processes running: ordered start, health, restart with backoff, ordered stop.

  STARTING -> HEALTHY -> CRASHED -> (backoff) -> STARTING        -> STOPPED
                                      after MAX_FAILURES in a row -> GAVE_UP
One supervisor owns a home at a time: it holds a lock on `supervisor.lock`, which dies with it.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TextIO

from offchain.apps import processes
from offchain.apps.home import Home
from offchain.apps.nursery import Nursery
from offchain.apps.processes import Child, Identity, ProcessSpec
from offchain.core.errors import Conflict, NotFound, Unavailable

BACKOFF_FIRST_SECONDS: Final = 0.5
BACKOFF_LIMIT_SECONDS: Final = 30.0
MAX_FAILURES: Final = 8
STEADY_SECONDS: Final = 60.0  # alive this long, and earlier failures are forgotten
POLL_SECONDS: Final = 0.1
LOG_TAIL_LINES: Final = 12


class AlreadyRunning(Conflict):
    """Another `apogee up` holds this home."""

    code = "home.already_running"
    next_step = "Run `apogee down` first, or use another --home."


class NotRunning(NotFound):
    """No `apogee up` runs in this home."""

    code = "home.not_running"
    next_step = "Run `apogee up`."


class ProcessNotHealthy(Unavailable):
    """A process did not become healthy in time."""

    code = "process.not_healthy"
    next_step = "Read its log with `apogee logs PROCESS`; `apogee doctor` checks the usual causes."


class State(Enum):
    """Where a process is in its life."""

    STARTING = "starting"
    HEALTHY = "healthy"
    CRASHED = "crashed"
    GAVE_UP = "gave up"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """Something that happened to a process, for whoever shows it."""

    name: str
    state: State
    detail: str


@dataclass(slots=True)
class _Watched:
    spec: ProcessSpec
    child: Child
    state: State
    started: float
    failures: int = 0
    restart_at: float | None = None


class HomeLock:
    """Exclusive ownership of a home, released by the kernel when its owner dies."""

    def __init__(self, home: Home) -> None:
        self._path = home.lock
        self._file: TextIO | None = None

    def acquire(self) -> None:
        """Raises: AlreadyRunning."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            owner = Identity.load(self._path)
            raise AlreadyRunning(
                home=self._path.parent, pid=owner.pid if owner else "unknown"
            ) from error
        identity = Identity.of(os.getpid())
        file.seek(0)
        file.truncate()
        file.write(f'{{"pid": {identity.pid}, "started": {identity.started!r}}}\n')
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file:
            self._file.seek(0)
            self._file.truncate()
            self._file.close()
            self._file = None


def owner_of(home: Home) -> Identity | None:
    """The supervisor that runs in a home, or None."""
    identity = Identity.load(home.lock) if home.lock.exists() else None
    return identity if identity and identity.is_alive() else None


def backoff_seconds(failures: int) -> float:
    """How long to wait before restart number `failures` in a row."""
    return float(min(BACKOFF_LIMIT_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** max(0, failures - 1)))


class Supervisor:
    """Starts, watches and stops processes; all methods belong to one thread that stays alive."""

    def __init__(
        self,
        report: Callable[[ProcessEvent], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._monotonic = monotonic
        self._watched: dict[str, _Watched] = {}
        self._nursery: Nursery | None = None

    def attach(self, nursery: Nursery) -> None:
        """From here on start what it can fork from there; it ends with `stop_all`."""
        self._nursery = nursery

    def prepare(self, *modules: str) -> None:
        """Have what is forked from here on find these imported."""
        if self._nursery:
            self._nursery.prepare(*modules)

    def start(self, specs: Iterable[ProcessSpec]) -> None:
        """Start processes without waiting for their health."""
        for spec in specs:
            self._clear_stale(spec)
            child = self._begin(spec)
            self._watched[spec.name] = _Watched(spec, child, State.STARTING, self._monotonic())
            self._tell(spec.name, State.STARTING, f"pid {child.pid}")

    def wait_healthy(self, names: Iterable[str], stop: threading.Event | None = None) -> None:
        """Wait until each named process answers. Raises: ProcessNotHealthy."""
        for name in names:
            self._wait_one(self._watched[name], stop or threading.Event())

    def watch(self, stop: threading.Event) -> None:
        """Restart what crashes until `stop` is set."""
        while not stop.wait(POLL_SECONDS):
            self.poll()

    def poll(self) -> None:
        """One look at every process: note crashes, restart what is due."""
        now = self._monotonic()
        for watched in self._watched.values():
            if watched.state in (State.STOPPED, State.GAVE_UP):
                continue
            if watched.restart_at is not None:
                if now >= watched.restart_at:
                    self._restart(watched)
            elif watched.child.poll() is not None:
                self._note_crash(watched, now)
            elif watched.state is State.STARTING and watched.spec.health() is None:
                self._become(watched, State.HEALTHY, f"pid {watched.child.pid}")

    def kill(self, name: str) -> None:
        """SIGKILL a process and leave it dead."""
        watched = self._watched[name]
        watched.state = State.STOPPED
        processes.kill(watched.child)
        watched.spec.pid_file.unlink(missing_ok=True)
        self._tell(name, State.STOPPED, "killed")

    def stop(self, name: str) -> None:
        """Stop one process and leave it stopped."""
        watched = self._watched[name]
        if watched.state is State.STOPPED:
            return
        watched.state = State.STOPPED
        status = processes.stop(watched.child, watched.spec.stop_seconds)
        watched.spec.pid_file.unlink(missing_ok=True)
        self._tell(name, State.STOPPED, f"exit status {status}")

    def stop_all(self) -> None:
        """Stop everything; what started first, which the others stand on, stops last."""
        running = [one for one in self._watched.values() if one.state is not State.STOPPED]
        for watched in running[1:]:
            processes.ask_to_stop(watched.child)
        for watched in reversed(running):
            self.stop(watched.spec.name)
        if self._nursery:
            self._nursery.close()
            self._nursery = None

    def states(self) -> dict[str, State]:
        return {name: watched.state for name, watched in self._watched.items()}

    def pid_of(self, name: str) -> int:
        return self._watched[name].child.pid

    def _wait_one(self, watched: _Watched, stop: threading.Event) -> None:
        spec = watched.spec
        deadline = self._monotonic() + spec.start_seconds
        reason: str | None = "not asked yet"
        while not stop.is_set():
            if watched.child.poll() is not None:
                raise ProcessNotHealthy(
                    process=spec.name,
                    exit_status=watched.child.returncode,
                    log=spec.log,
                    last_lines=log_tail(spec),
                )
            reason = spec.health()
            if reason is None:
                self._become(watched, State.HEALTHY, f"pid {watched.child.pid}")
                return
            if self._monotonic() >= deadline:
                raise ProcessNotHealthy(
                    process=spec.name, reason=reason, log=spec.log, last_lines=log_tail(spec)
                )
            stop.wait(POLL_SECONDS)

    def _note_crash(self, watched: _Watched, now: float) -> None:
        if now - watched.started >= STEADY_SECONDS:
            watched.failures = 0
        watched.failures += 1
        status = watched.child.returncode
        processes.stop(watched.child, 0)
        if watched.failures > MAX_FAILURES:
            watched.spec.pid_file.unlink(missing_ok=True)
            self._become(watched, State.GAVE_UP, f"exit status {status}, {MAX_FAILURES} restarts")
            return
        wait = backoff_seconds(watched.failures)
        watched.restart_at = now + wait
        self._become(watched, State.CRASHED, f"exit status {status}, restart in {wait:g} s")

    def _restart(self, watched: _Watched) -> None:
        watched.child = self._begin(watched.spec)
        watched.started = self._monotonic()
        watched.restart_at = None
        self._become(watched, State.STARTING, f"restarted, pid {watched.child.pid}")

    def _begin(self, spec: ProcessSpec) -> Child:
        return processes.start(spec, self._nursery.start if self._nursery else None)

    def _clear_stale(self, spec: ProcessSpec) -> None:
        """End what an earlier supervisor left behind, so that ports and disks are free."""
        left = Identity.load(spec.pid_file)
        if left and left.is_alive():
            processes.stop_identity(left, spec.stop_seconds)
        spec.pid_file.unlink(missing_ok=True)

    def _become(self, watched: _Watched, state: State, detail: str) -> None:
        if watched.state is not state or state is State.CRASHED:
            watched.state = state
            self._tell(watched.spec.name, state, detail)

    def _tell(self, name: str, state: State, detail: str) -> None:
        self._report(ProcessEvent(name, state, detail))


def log_tail(spec: ProcessSpec) -> str:
    """The last lines a process wrote, for an error message."""
    try:
        lines = spec.log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n    ".join(lines[-LOG_TAIL_LINES:])
