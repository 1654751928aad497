"""Starts the processes of a home by forking one that has all imports behind it.

A node's imports and the first call of its kernels cost seconds of a core, and a home starts dozens.
The nursery (nursery_process.py) pays for them once; each fork leads its own session, writes to its
own log and dies with the nursery, which dies with its supervisor. Linux only: elsewhere, and when
the nursery has died or cannot fork safely, processes start from nothing.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Protocol

from offchain.apps.compilation import COMPILE_SECONDS, CompilationFailed
from offchain.apps.processes import Child, ProcessSpec, inherited_environment, own_command
from offchain.jobs.lifeline import lifeline_to

FORKED: Final = frozenset(
    {"da-node", "storage-node", "auditor", "relayer", "gateway", "provider", "worker"}
)
REPLY_SECONDS: Final = 120.0  # it may be importing more for a first fork, on a busy machine
END_SECONDS: Final = 5.0
MOST_BYTES: Final = 65_536  # of one message
STATUS_BYTES: Final = 64


class Preparation(Protocol):
    """Work beside other steps that nodes wait for."""

    def wait(self) -> None:
        """Raises: CompilationFailed."""
        ...


class ForkedChild:
    """A fork of the nursery, which tells its exit status through a pipe. A `Child`."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises: subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self._read()
        assert self.returncode is not None
        return self.returncode

    def _read(self) -> None:
        """Its status; where the nursery died first, what the kernel sent to its children."""
        told = os.read(self._status, STATUS_BYTES)
        os.close(self._status)
        self.returncode = int(told) if told else -signal.SIGTERM


class Nursery:
    """One nursery process; all methods belong to the supervisor's thread. A `Preparation`."""

    def __init__(self, home: Path, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._is_ready = False
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log.open("ab") as file:
            number = theirs.fileno()
            self._process = subprocess.Popen(  # noqa: S603 - argv is built here
                [sys.executable, "-m", "offchain.apps.nursery_process", str(number), str(home)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=inherited_environment(),
                pass_fds=[number],
                start_new_session=True,
                preexec_fn=lifeline_to(os.getpid()),  # noqa: PLW1509 - two system calls, no locks
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> None:
        """Until imports are done and the erasure kernels proven. Raises: CompilationFailed."""
        if self._is_ready:
            return
        started = time.monotonic()
        told = self._hear(COMPILE_SECONDS)
        if not told:
            self.close()
            if time.monotonic() - started >= COMPILE_SECONDS:
                raise CompilationFailed(seconds=COMPILE_SECONDS)
            raise CompilationFailed(exit_status=self._process.returncode, log=self._log)
        self._is_ready = True

    def prepare(self, *modules: str) -> None:
        """Have it import more, before forks that need it."""
        if self._is_open():
            self._send({"load": modules}, [])

    def start(self, spec: ProcessSpec) -> Child | None:
        """Fork one; None where it has to start from nothing. Raises: CompilationFailed."""
        own = own_command()
        words = spec.argv[len(own) :]
        if spec.argv[: len(own)] != own or spec.environment or not words:
            return None
        if words[0] not in FORKED or not self._is_open():
            return None
        self.wait()
        reading, writing = os.pipe()
        try:
            with spec.log.open("ab") as log:
                is_sent = self._send({"words": words, "name": spec.name}, [log.fileno(), writing])
        finally:
            os.close(writing)
        told = self._hear(REPLY_SECONDS) if is_sent else b""
        if not told:  # dead, or as good as dead: nobody may start a second one of the same name
            self.close()
        pid = int(json.loads(told)["pid"]) if told else 0
        if not pid:
            os.close(reading)
            return None
        return ForkedChild(pid, reading)

    def close(self) -> None:
        """End it; whatever it forked and still runs is told to end by the kernel."""
        self._ours.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_open(self) -> bool:
        return self._ours.fileno() >= 0 and self._process.poll() is None

    def _send(self, message: dict[str, object], files: list[int]) -> bool:
        try:
            socket.send_fds(self._ours, [json.dumps(message).encode()], files)
        except OSError:
            return False
        return True

    def _hear(self, seconds: float) -> bytes:
        """One message; nothing when the nursery died or kept silent."""
        try:
            self._ours.settimeout(seconds)
            return self._ours.recv(MOST_BYTES)
        except OSError:
            return b""


def can_fork() -> bool:
    """Whether this system has what a nursery stands on."""
    return sys.platform.startswith("linux")
