"""The doctor's checks of a home: processes, ports, keys, stopped jobs; and what it can repair."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from offchain.apps.doctor import Check, Finding, Level
from offchain.apps.files import PRIVATE, FileMissing
from offchain.apps.home import Home, Manifest, is_port_free
from offchain.apps.keystore import Keystore
from offchain.apps.lifecycle import process_rows
from offchain.apps.processes import Identity
from offchain.apps.supervisor import owner_of


def check_home(home: Home) -> Iterator[Finding]:
    try:
        manifest = Manifest.load(home)
    except FileMissing:
        yield Finding("home", Level.WARN, f"nothing at {home.root} yet", "apogee up")
        return
    yield Finding("home", Level.OK, f"{home.root}, {manifest.nodes} nodes, {manifest.backend}")


def check_processes(home: Home) -> Iterator[Finding]:
    """Every process that should run answers; nothing runs without its supervisor."""
    if not home.manifest.exists():
        return
    manifest = Manifest.load(home)
    owner = owner_of(home)
    for row in process_rows(home, manifest):
        if row.state == "healthy":
            yield Finding(row.name, Level.OK, f"pid {row.pid} {row.url}")
        elif owner is None and row.state == "stopped":
            yield Finding(row.name, Level.WARN, "stopped", "apogee up")
        else:
            yield Finding(row.name, Level.FAIL, row.detail or row.state, f"apogee logs {row.name}")
    stale = [path.stem for path in _stale_pid_files(home)]
    if stale:
        yield Finding("pid files", Level.WARN, "stale: " + ", ".join(stale), "apogee doctor --fix")


def check_ports(home: Home) -> Iterator[Finding]:
    """A port of a process that does not run must be free."""
    if not home.manifest.exists():
        return
    manifest = Manifest.load(home)
    taken = []
    for name, port in manifest.ports.items():
        identity = Identity.load(home.pid_file(name))
        if not (identity and identity.is_alive()) and not is_port_free(port):
            taken.append(f"{name} {port}")
    if taken:
        fix = "ss -ltnp, and stop the program on that port"
        yield Finding("ports", Level.FAIL, "used by others: " + ", ".join(taken), fix)
    else:
        yield Finding("ports", Level.OK, f"{len(manifest.ports)} ports on loopback")


def check_keys(home: Home) -> Iterator[Finding]:
    keystore = Keystore(home.keys)
    roles = keystore.roles()
    for role in roles:
        keystore.account(role)  # raises when it cannot be opened
    open_files = [path.name for path in home.keys.glob("*") if path.stat().st_mode & 0o077]
    if open_files:
        detail = "readable by others: " + ", ".join(open_files)
        yield Finding("keys", Level.FAIL, detail, "apogee doctor --fix")
    elif roles:
        yield Finding("keys", Level.OK, f"{len(roles)} accounts open with this home's passphrase")


def check_alarms(home: Home) -> Iterator[Finding]:
    """Jobs that were stopped because data contradicted its hash."""
    stopped = sorted((home.jobs / "alarms").glob("*.json"))
    if stopped:
        fix = f"read {stopped[0]}, remove it to try again"
        yield Finding("jobs", Level.FAIL, f"{len(stopped)} stopped", fix)


def repair_home(home: Home) -> list[str]:
    """Remove stale pid files, close key files to others; what was done, in words."""
    done = []
    for path in _stale_pid_files(home):
        path.unlink(missing_ok=True)
        done.append(f"removed the stale pid file of {path.stem}")
    for path in home.keys.glob("*"):
        if path.stat().st_mode & 0o077:
            path.chmod(PRIVATE)
            done.append(f"closed {path.name} to other users")
    return done


def _stale_pid_files(home: Home) -> list[Path]:
    found = []
    for path in sorted((home.root / "run").glob("*.json")):
        identity = Identity.load(path)
        if identity is None or not identity.is_alive():
            found.append(path)
    return found


HOME_CHECKS: Final[tuple[Check, ...]] = (
    check_home,
    check_processes,
    check_ports,
    check_keys,
    check_alarms,
)
