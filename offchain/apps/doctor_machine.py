"""The doctor's checks of this machine: Python, packages, compiler, Anvil, disk, memory."""

import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Final

import psutil

from offchain.apps.doctor import Check, Finding, Level
from offchain.apps.home import Home, project_root

LEAST_DISK_BYTES: Final = 2_000_000_000
LEAST_MEMORY_BYTES: Final = 2_000_000_000
LOCKS: Final = ("requirements.lock", "requirements-torch.lock", "requirements-models.lock")
_PIN: Final = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)")


def check_python(_: Home) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        yield Finding("python", Level.OK, version)
    else:
        yield Finding("python", Level.FAIL, version, "install Python 3.11, then rm -rf .venv")


def check_packages(_: Home) -> Iterator[Finding]:
    locks = [path for name in LOCKS if (path := project_root() / name).exists()]
    if not locks:
        yield Finding("packages", Level.WARN, "no lock file here", "run from a full checkout")
        return
    lines = [line for lock in locks for line in lock.read_text().splitlines()]
    pins = [match.groups() for line in lines if (match := _PIN.match(line))]
    installed = {  # "+cpu", "+cu130" name a build of a version
        _canonical(found.metadata["Name"]): found.version.split("+")[0]
        for found in metadata.distributions()
    }
    wrong = [
        f"{name} {installed.get(_canonical(name), 'absent')} (lock: {version})"
        for name, version in pins
        if installed.get(_canonical(name)) != version
    ]
    if wrong:
        detail = f"{len(wrong)} of {len(pins)} differ: " + ", ".join(wrong[:4])
        yield Finding("packages", Level.FAIL, detail, "rm .venv/.apogee-lock && ./apogee set-up")
    else:
        yield Finding("packages", Level.OK, f"{len(pins)} as locked")


def check_compiler(_: Home) -> Iterator[Finding]:
    found = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if found:
        yield Finding("compiler", Level.OK, str(shutil.which(found)))
    else:
        yield Finding("compiler", Level.WARN, "no C compiler", "apt-get install gcc")


def check_anvil(_: Home) -> Iterator[Finding]:
    path = shutil.which("anvil")
    npm = shutil.which("npm")
    if path:
        yield Finding("anvil", Level.OK, path)
    elif npm:
        yield Finding("anvil", Level.OK, f"not on PATH; npm can bring it ({npm})")
    else:
        detail = "neither anvil nor npm: devnets run on py-evm"
        yield Finding(
            "anvil", Level.WARN, detail, "nothing, or install Node.js for a faster devnet"
        )


def check_disk(home: Home) -> Iterator[Finding]:
    folder = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    level = Level.OK if free >= LEAST_DISK_BYTES else Level.FAIL
    fix = "" if level is Level.OK else f"free {LEAST_DISK_BYTES // 10**9} GB, or --home elsewhere"
    yield Finding("disk", level, f"{free / 1e9:.1f} GB free at {folder}", fix)


def check_memory(_: Home) -> Iterator[Finding]:
    free = psutil.virtual_memory().available
    level = Level.OK if free >= LEAST_MEMORY_BYTES else Level.WARN
    fix = "" if level is Level.OK else "close programs, or apogee up --nodes 4"
    yield Finding("memory", level, f"{free / 1e9:.1f} GB free", fix)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


MACHINE_CHECKS: Final[tuple[Check, ...]] = (
    check_python,
    check_packages,
    check_compiler,
    check_anvil,
    check_disk,
    check_memory,
)
