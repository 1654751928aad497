"""Looking at a home from another terminal: which processes run, their logs, and stopping them."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps import processes
from offchain.apps.files import FileMissing
from offchain.apps.home import AUDITOR, LOOPBACK, Home, Manifest, auditor_heartbeat
from offchain.apps.processes import Health, Identity, heartbeat_health, http_health, rpc_health
from offchain.apps.supervisor import NotRunning, owner_of
from offchain.core.errors import NotFound, Unavailable

DOWN_SECONDS: Final = 60.0
TAIL_LINES: Final = 40
FOLLOW_SECONDS: Final = 0.3


class NoSuchLog(NotFound):
    """No process of that name has written a log here."""

    code = "home.no_such_log"
    next_step = "Run `apogee logs` without a name to see which there are."


class StillRunning(Unavailable):
    """A process survived SIGTERM and SIGKILL."""

    code = "process.still_running"
    next_step = "It belongs to another user or hangs in the kernel; look at it with `ps -fp PID`."


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One line of `apogee status`."""

    name: str
    state: str  # healthy, unhealthy, stopped
    pid: int | None
    url: str
    detail: str


def process_rows(home: Home, manifest: Manifest) -> list[ProcessRow]:
    """Every process of a home with its health right now."""
    names = [*manifest.ports, "worker", AUDITOR]
    return [_row(home, manifest, name) for name in names]


def health_of(home: Home, manifest: Manifest, name: str) -> Health:
    """How the health of a process of this home is asked."""
    heartbeat = heartbeat_of(home, name)
    if heartbeat:
        return heartbeat_health(heartbeat)
    url = manifest.url(name)
    return rpc_health(url) if name == "devnet" else http_health(f"{url}/healthz")


def heartbeat_of(home: Home, name: str) -> Path | None:
    """What a process that answers nobody touches while it works."""
    return {"worker": heartbeat_file(home), AUDITOR: auditor_heartbeat(home)}.get(name)


def heartbeat_file(home: Home) -> Path:
    return home.jobs / "heartbeat"


def take_down(home: Home) -> list[str]:
    """Stop whatever runs in a home; the names of what ran. Raises: NotRunning, StillRunning."""
    owner = owner_of(home)
    running = [name for name, identity in _pid_files(home) if identity.is_alive()]
    if owner is None and not running:
        raise NotRunning(home=home.root)
    if owner and not processes.stop_identity(owner, DOWN_SECONDS):
        raise StillRunning(pid=owner.pid)
    for name, identity in _pid_files(home):
        if identity.is_alive() and not processes.stop_identity(identity, DOWN_SECONDS):
            raise StillRunning(process=name, pid=identity.pid)
        home.pid_file(name).unlink(missing_ok=True)
    return running


def log_names(home: Home) -> list[str]:
    return sorted(path.stem for path in (home.root / "logs").glob("*.log"))


def read_log(home: Home, name: str, *, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a process's log. Raises: NoSuchLog."""
    if name not in log_names(home):
        raise NoSuchLog(process=name, there_are=", ".join(log_names(home)) or "none")
    return home.log(name).read_text(errors="replace").splitlines()[-lines:]


def follow_logs(home: Home, names: list[str], stop: threading.Event) -> Iterator[tuple[str, str]]:
    """New lines of several logs as they are written, until `stop` is set."""
    offsets = {name: home.log(name).stat().st_size for name in names}
    while not stop.wait(FOLLOW_SECONDS):
        for name in names:
            with home.log(name).open(errors="replace") as file:
                file.seek(offsets[name])
                for line in file:
                    yield name, line.rstrip("\n")
                offsets[name] = file.tell()


def load_manifest(home: Home) -> Manifest:
    """Raises: NotRunning before the first `up`."""
    try:
        return Manifest.load(home)
    except FileMissing as error:
        raise NotRunning(home=home.root) from error


def _pid_files(home: Home) -> list[tuple[str, Identity]]:
    found = []
    for path in sorted((home.root / "run").glob("*.json")):
        identity = Identity.load(path)
        if identity:
            found.append((path.stem, identity))
    return found


def _row(home: Home, manifest: Manifest, name: str) -> ProcessRow:
    identity = Identity.load(home.pid_file(name))
    url = f"http://{LOOPBACK}:{manifest.ports[name]}" if name in manifest.ports else ""
    if identity is None or not identity.is_alive():
        return ProcessRow(name, "stopped", None, url, "")
    reason = health_of(home, manifest, name)()
    state = "healthy" if reason is None else "unhealthy"
    return ProcessRow(name, state, identity.pid, url, reason or "")
