"""Run `apogee` as a user does: a process with flags, an exit code, stdout and stderr."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 1_200  # nothing waits so long unless it hangs


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def environment() -> dict[str, str]:
    """Ours, with the checkout importable and no settings from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("APOGEE_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "offchain.apps.cli", *arguments]


def run_apogee(*arguments: str, code: int | None = 0, seconds: int = LONGEST_SECONDS) -> Ran:
    """Run to the end; `code` is the exit code it must have, None for any."""
    done = subprocess.run(
        command(*arguments),
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    if code is not None and ran.code != code:
        raise AssertionError(f"apogee {arguments} ended with {ran.code}:\n{ran.out}\n{ran.err}")
    return ran


def start_apogee(*arguments: str, log: Path) -> "subprocess.Popen[bytes]":
    """Start in the background, output to a file; Ctrl-C reaches it even if we ignore ours."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command(*arguments),
            env=environment(),
            cwd=ROOT,
            stdout=file,
            stderr=file,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509  # no thread runs in the child yet
        )


def _hear_ctrl_c() -> None:
    """A shell starts background jobs with SIGINT ignored, and children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
