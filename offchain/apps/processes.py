"""Child processes that never outlive their parent: start, identify, stop, health.

A child leads its own session, so Ctrl-C in the terminal reaches only the supervisor, which stops
children in order; on Linux the kernel also sends it SIGTERM when the parent dies, however it dies.
A pid is trusted only together with its start time, because pids are reused.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import psutil

from offchain.apps.files import FileMissing, FileUnreadable, read_json, write_json
from offchain.apps.rpc_probe import NoAnswer, RpcProbe, request
from offchain.jobs.lifeline import lifeline_to

HEARTBEAT_LIMIT_SECONDS: Final = 30.0
START_TIME_TOLERANCE_SECONDS: Final = 0.05

Health = Callable[[], str | None]  # None: healthy; otherwise why not, in words


class Child(Protocol):
    """A running process of ours, as `subprocess.Popen` shows it."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int:
        """Raises: subprocess.TimeoutExpired."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How one process is started, watched and stopped."""

    name: str
    argv: tuple[str, ...]
    log: Path
    pid_file: Path
    health: Health
    environment: Mapping[str, str] = field(default_factory=dict)
    heartbeat: Path | None = None  # removed before a start: an earlier run's says nothing
    start_seconds: float = 90.0  # until the first healthy answer
    stop_seconds: float = 15.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that is surely the one that was started: pid and start time."""

    pid: int
    started: float  # seconds since 1970, as the kernel reports it

    @classmethod
    def of(cls, pid: int) -> "Identity":
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def load(cls, path: Path) -> "Identity | None":
        """What a pid file says, or None when there is none or it makes no sense."""
        try:
            value = read_json(path)
            return cls(int(str(value["pid"])), float(str(value["started"])))
        except (FileMissing, FileUnreadable, KeyError, ValueError):
            return None

    def save(self, path: Path) -> None:
        write_json(path, {"pid": self.pid, "started": self.started})

    def is_alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            drift = abs(float(process.create_time()) - self.started)
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
        return drift < START_TIME_TOLERANCE_SECONDS and not is_zombie


def start(spec: ProcessSpec, fork: Callable[[ProcessSpec], Child | None] | None = None) -> Child:
    """Start a process with its output appended to its log. Call from a thread that stays alive.

    `fork` may have it at once from one that is like it; where it does not, it starts from nothing.
    """
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    if spec.heartbeat:
        spec.heartbeat.unlink(missing_ok=True)
    child = (fork(spec) if fork else None) or _spawn(spec)
    with suppress(psutil.Error):
        Identity.of(child.pid).save(spec.pid_file)
    return child


def _spawn(spec: ProcessSpec) -> Child:
    with spec.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - argv is built by this package
            spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**inherited_environment(), **spec.environment},
            start_new_session=True,
            preexec_fn=lifeline_to(os.getpid()),  # noqa: PLW1509 - two system calls, no locks
        )


def inherited_environment() -> dict[str, str]:
    """The environment of a child: ours, with the thread counts of small machines."""
    from offchain.apps.settings import environment_for_children

    return environment_for_children()


def ask_to_stop(child: Child) -> None:
    """SIGTERM without waiting."""
    if child.poll() is None:
        _signal_group(child.pid, signal.SIGTERM)


def stop(child: Child, seconds: float) -> int:
    """SIGTERM, wait, then SIGKILL to the whole group; returns the exit status."""
    if child.poll() is None:
        _signal_group(child.pid, signal.SIGTERM)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            _signal_group(child.pid, signal.SIGKILL)
            child.wait()
    _signal_group(child.pid, signal.SIGKILL)  # whatever the leader left behind
    return child.wait()


def kill(child: Child) -> None:
    """SIGKILL to the whole group: what a power cut looks like."""
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def stop_identity(identity: Identity, seconds: float) -> bool:
    """End a process that is no child of ours; False when it survived even SIGKILL."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        if not identity.is_alive():
            return True
        with suppress(ProcessLookupError):
            os.kill(identity.pid, number)
        deadline = time.monotonic() + patience
        while identity.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
    return not identity.is_alive()


def http_health(url: str) -> Health:
    """Healthy when GET `url` answers 200."""

    def probe() -> str | None:
        status, body = request("GET", url, None)
        return None if status == 200 else f"{status or 'no answer'} {body[:200]}".strip()

    return probe


def rpc_health(url: str) -> Health:
    """Healthy when JSON-RPC at `url` names its chain id."""

    def probe() -> str | None:
        try:
            RpcProbe(url).number("eth_chainId")
        except NoAnswer as error:
            return str(error)
        return None

    return probe


def heartbeat_health(path: Path) -> Health:
    """Healthy while the file at `path` keeps being touched."""

    def probe() -> str | None:
        try:
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            return "no heartbeat yet"
        return None if age < HEARTBEAT_LIMIT_SECONDS else f"silent for {age:.0f} s"

    return probe


def own_command(*arguments: str) -> tuple[str, ...]:
    """The command line that runs `apogee` with this very interpreter."""
    return (sys.executable, "-m", "offchain.apps.cli", *arguments)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
