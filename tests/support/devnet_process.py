"""A devnet as its own process, for tests that kill it, restart it and talk to it over a socket."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from web3 import HTTPProvider, Web3

from offchain.chain.devnet.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]
# Run as code, not as a module: another package named `tests` may be installed.
LAUNCH = "import runpy; runpy.run_path('tests/support/devnet_launcher.py', run_name='__main__')"


@dataclass
class DevnetProcess:
    """Start and stop one devnet; the same port and state directory every time."""

    backend: str
    state_dir: Path
    port: int
    heartbeat_seconds: float = 0.0
    origins: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = field(default=None, init=False)
    sessions: list[requests.Session] = field(default_factory=list, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when the devnet has said that it serves."""
        self.process = self._launch(None)
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("devnet_started"):
                return
        raise AssertionError("".join(lines))

    def fail_to_start(self) -> str:
        """Start a devnet that must refuse to; returns what it complained."""
        process = self._launch(subprocess.PIPE)
        _, complaint = process.communicate(timeout=180)
        assert process.returncode != 0
        return complaint

    def stop(self) -> int:
        """End it politely; returns the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it without a word, as a power cut would."""
        return self._end(signal.SIGKILL)

    def web3(self) -> Web3:
        """A client whose connections `close_clients` ends; web3 itself never closes them."""
        session = requests.Session()
        self.sessions.append(session)
        return Web3(HTTPProvider(self.url, request_kwargs={"timeout": 60}, session=session))

    def close_clients(self) -> None:
        """Close the connections of every client handed out so far."""
        while self.sessions:
            self.sessions.pop().close()

    def _launch(self, stderr: int | None) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-c",
            LAUNCH,
            self.backend,
            str(self.state_dir),
            str(self.port),
            str(self.heartbeat_seconds),
            *self.origins,
        ]
        return subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=stderr, text=True
        )

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=120)
        status = self.process.returncode
        self.process = None
        return status


@contextlib.contextmanager
def running_devnet(
    backend: str, state_dir: Path, *, heartbeat_seconds: float = 0.0, origins: tuple[str, ...] = ()
) -> Iterator[DevnetProcess]:
    """A started devnet that is ended at the end, if the test has not done so."""
    devnet = DevnetProcess(backend, state_dir, free_port(), heartbeat_seconds, origins)
    devnet.start()
    try:
        yield devnet
    finally:
        devnet.close_clients()
        if devnet.process is not None:
            devnet.stop()
