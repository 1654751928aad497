"""`apogee up`: bring everything up, show it, keep it running until told to stop.

Stops in the reverse order on Ctrl-C, SIGTERM or `apogee down`. A second `up` in the same home
continues: chain state, contracts, keys, rows and ports are kept.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from offchain.apps.files import write_json
from offchain.apps.home import Home
from offchain.apps.lifecycle import load_manifest, process_rows
from offchain.apps.output import print_json, print_table, say
from offchain.apps.processes import inherited_environment, own_command
from offchain.apps.settings import SettingInvalid, UpSettings
from offchain.apps.supervisor import (
    AlreadyRunning,
    HomeLock,
    ProcessEvent,
    ProcessNotHealthy,
    Supervisor,
    owner_of,
)
from offchain.apps.system import System

PARTS: Final = (
    *("devnet", "contracts", "da-node", "storage-node", "worker", "gateway", "auditor", "relayer"),
)
NODES: Final = ("da-node", "storage-node")  # the second stands on the operators of the first
DETACH_SECONDS: Final = 1_200.0  # the child fails by itself long before, on any machine


def run_up(settings: UpSettings, *, only: str | None, as_json: bool) -> int:
    """Run until stopped. Raises: AlreadyRunning, ProcessNotHealthy, DeployFailed."""
    home = Home.at(settings.home)
    parts = parts_of(only)
    started = time.monotonic()
    lock = HomeLock(home)
    lock.acquire()
    ready = home.root / "ready.json"
    ready.unlink(missing_ok=True)
    supervisor = Supervisor(_report)
    try:
        with stop_on_signals() as stop:
            system = System(home, settings, supervisor, tell=say, stop=stop)
            _start(system, parts, stop)
            if not stop.is_set():
                seconds = round(time.monotonic() - started, 1)
                write_json(ready, {"seconds": seconds, "parts": list(parts)})
                _show(home, seconds, as_json=as_json)
                supervisor.watch(stop)
            say("stopping")
    finally:
        ready.unlink(missing_ok=True)
        supervisor.stop_all()
        lock.release()
    return 0


def run_up_detached(settings: UpSettings, *, only: str | None, as_json: bool) -> int:
    """Start `apogee up` in the background; return when it is ready. Raises: ProcessNotHealthy."""
    home = Home.at(settings.home)
    owner = owner_of(home)
    if owner:
        raise AlreadyRunning(home=home.root, pid=owner.pid)
    flags = [
        "--home",
        str(home.root),
        "--backend",
        settings.backend,
        "--nodes",
        str(settings.nodes),
    ]
    flags += ["--only", only] if only else []
    ready = home.root / "ready.json"
    ready.unlink(missing_ok=True)  # a killed supervisor left it
    log = home.log("up")
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("ab") as file:
        child = subprocess.Popen(  # noqa: S603 - our own command line
            own_command("up", *flags),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=inherited_environment(),
            start_new_session=True,
        )
    while not ready.exists():
        if child.poll() is not None:
            tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-12:])
            raise ProcessNotHealthy(process="up", exit_status=child.returncode, last_lines=tail)
        if time.monotonic() - started > DETACH_SECONDS:
            raise ProcessNotHealthy(process="up", pid=child.pid, seconds=DETACH_SECONDS)
        time.sleep(0.1)
    _show(home, round(time.monotonic() - started, 1), as_json=as_json)
    return 0


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C interrupts at once."""
    stop = threading.Event()

    def set_stop(number: int, _: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, set_stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(system: System, parts: tuple[str, ...], stop: threading.Event) -> None:
    """The steps that were asked for, in order; none after `stop` is set."""
    keeps = "storage-node" in parts
    compilation = system.compile_kernels() if "da-node" in parts else None
    steps: list[tuple[str, Callable[[], None]]] = [
        ("devnet", lambda: say(f"devnet: {system.start_chain()}"))
    ]
    steps += [("contracts", lambda: say(_deployed(system.deploy())))]
    if "da-node" in parts:
        assert compilation
        steps += [("da-node", compilation.wait), ("da-node", system.launch_nodes)]
        steps += [("storage-node", system.launch_storage_nodes)] if keeps else []
        steps += [("da-node", lambda: say(f"operators: {len(system.enrol(keeps=keeps))}"))]
        steps += [("da-node", system.wait_nodes)]
        steps += [("da-node", lambda: say(f"table of epoch {system.open_table()} is open"))]
    if keeps:
        steps += [("storage-node", system.wait_storage_nodes)]
        steps += [("storage-node", lambda: say(_groups(system.open_groups())))]
    if "worker" in parts:
        steps += [("worker", system.start_worker)]
    if "gateway" in parts:
        steps += [("gateway", system.start_gateway)]
    if "auditor" in parts and "da-node" in parts:
        steps += [("auditor", system.launch_auditor), ("auditor", system.wait_auditor)]
    if "relayer" in parts and "da-node" in parts:
        steps += [("relayer", lambda: say(_admitted(system.admit_code())))]
        steps += [("relayer", system.launch_relayer), ("relayer", system.wait_relayer)]
    for name, step in steps:
        if name in parts and not stop.is_set():
            step()


def _deployed(is_new: bool) -> str:
    return "contracts: deployed with ape" if is_new else "contracts: found and verified"


def _admitted(measurement: bytes) -> str:
    return f"software TEE: code {measurement.hex()[:16]} is listed, SIMULATED"


def _groups(groups: dict[str, int]) -> str:
    named = ", ".join(f"{name} {group}" for name, group in groups.items())
    return f"storage groups: {named or 'none'}"


def parts_of(only: str | None) -> tuple[str, ...]:
    """Which parts run: what was asked for and everything it stands on."""
    if only is None:
        return PARTS
    asked = {name.strip() for name in only.split(",")}
    if not asked <= set(PARTS):
        raise SettingInvalid(setting="only", value=only, why="one of " + ", ".join(PARTS))
    last = max(PARTS.index(name) for name in asked)
    needed = PARTS[: last + 1]
    if "storage-node" in asked or last < PARTS.index("da-node"):
        return needed
    left_out = set(NODES) - (asked & {"da-node"})
    return tuple(part for part in needed if part not in left_out)


def _report(event: ProcessEvent) -> None:
    say(f"{event.name}: {event.state.value}, {event.detail}")


def _show(home: Home, seconds: float, *, as_json: bool) -> None:
    manifest = load_manifest(home)
    rows = [row for row in process_rows(home, manifest) if row.state != "stopped"]
    if as_json:
        body = {row.name: {"url": row.url, "pid": row.pid, "state": row.state} for row in rows}
        print_json({"home": str(home.root), "seconds": seconds, "processes": body})
        return
    cells = [(row.name, row.state, row.pid, row.url) for row in rows]
    print_table(f"Apogee in {home.root}, {seconds} s", ("process", "health", "pid", "url"), cells)
    say("next: apogee da put FILE     (another terminal; `apogee down` or Ctrl-C stops)")
