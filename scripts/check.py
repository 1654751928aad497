"""The gates every commit passes: `make check` or `./apogee check`. One to two minutes, no network.

Usage: check.py [--fix] [--only NAME ...] [--without NAME ...] [--list]
Exit: 0 when every gate holds, 1 otherwise. Two run at a time; output is shown on failure only.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTHON_DIRECTORIES = ("offchain", "scripts", "tests", "benchmarks")


@dataclass(frozen=True, slots=True)
class Gate:
    """One check: its name, its command and, where there is one, the command that repairs.

    `judges` names a folder: while nothing in it changes, a check that held is not run again.
    """

    name: str
    command: tuple[str, ...]
    repair: tuple[str, ...] | None = None
    judges: str | None = None

    @property
    def stamp(self) -> Path:
        return ROOT / ".build" / "checks" / self.name

    def state(self) -> str:
        """One digest over what the check looks at and how it is run."""
        digest = hashlib.sha256(Path(__file__).read_bytes())
        for lock in sorted(ROOT.glob("requirements*.lock")):
            digest.update(lock.read_bytes())
        for path in sorted((ROOT / str(self.judges)).rglob("*.vy*")):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
        return digest.hexdigest()


def gates() -> list[Gate]:
    """Every gate, slowest first so that two at a time finish early."""
    sources = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "contracts").rglob("*.vy"))]
    deployables = [path for path in sources if Path(path).stem[0].isupper()]
    python = sys.executable
    tool = lambda name: str(BIN / name)
    unit_tests = (python, "-m", "pytest", "-p", "no:ape_test", "-q", "-x", "tests/unit", "-n", "2")
    return [
        Gate("unit-tests", unit_tests),
        Gate(
            "vyper-lint",
            (tool("natrix"), "lint", *deployables, "-d", *NATRIX_OFF),
            judges="contracts",
        ),
        Gate("abi", (python, "scripts/build_abi.py", "--check"), (python, "scripts/build_abi.py")),
        Gate("mypy", (tool("mypy"),)),
        Gate(
            "vyper-format",
            (python, "scripts/check_vyper_format.py"),
            (python, "scripts/check_vyper_format.py", "--fix"),
        ),
        Gate("imports", (tool("lint-imports"), "--no-cache")),
        Gate("contract-imports", (python, "scripts/check_contract_imports.py")),
        Gate("names", (python, "scripts/check_names.py")),
        Gate("environment", (python, "scripts/check_environment.py")),
        Gate("ruff", (tool("ruff"), "check", *PYTHON_DIRECTORIES)),
        Gate(
            "format",
            (tool("ruff"), "format", "--check", *PYTHON_DIRECTORIES),
            (tool("ruff"), "format", *PYTHON_DIRECTORIES),
        ),
    ]


NATRIX_OFF = (
    "NTX1",  # large frames: certificates and pages carry bounded lists, their gas is measured
    "NTX4",  # takes functions for views that only change state through other contracts
    "NTX11",  # leading underscores on arguments: clashes with EIP names and snekmate
)


def run_gate(gate: Gate) -> tuple[Gate, int, float, str]:
    """Run one gate; its exit status, seconds and output."""
    started = time.monotonic()
    state = gate.state() if gate.judges else ""
    if state and gate.stamp.exists() and gate.stamp.read_text() == state:
        return gate, 0, time.monotonic() - started, ""
    path = os.pathsep.join((str(BIN), os.environ.get("PATH", os.defpath)))  # natrix asks for vyper
    done = subprocess.run(
        gate.command,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if state and done.returncode == 0:
        gate.stamp.parent.mkdir(parents=True, exist_ok=True)
        gate.stamp.write_text(state)
    return gate, done.returncode, time.monotonic() - started, done.stdout + done.stderr


def select(chosen: Iterable[Gate], only: list[str], without: list[str]) -> list[Gate]:
    """The gates asked for, in their order."""
    return [gate for gate in chosen if (not only or gate.name in only) and gate.name not in without]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="repair what can be repaired first")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--list", action="store_true", help="print the gates' names")
    arguments = parser.parse_args()
    chosen = select(gates(), arguments.only, arguments.without)
    if arguments.list:
        sys.stdout.write("\n".join(gate.name for gate in chosen) + "\n")
        return 0
    if arguments.fix:
        for gate in chosen:
            if gate.repair:
                subprocess.run(gate.repair, cwd=ROOT, check=False)
    failed: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        for future in as_completed([pool.submit(run_gate, gate) for gate in chosen]):
            gate, status, seconds, output = future.result()
            sys.stdout.write(f"{'ok  ' if status == 0 else 'FAIL'} {gate.name} ({seconds:.1f} s)\n")
            if status:
                failed.append(gate.name)
                sys.stdout.write(output.rstrip() + "\n")
            sys.stdout.flush()
    if failed:
        repairable = [gate.name for gate in chosen if gate.name in failed and gate.repair]
        hint = "  (`make fix` repairs: " + ", ".join(repairable) + ")" if repairable else ""
        sys.stdout.write(f"failed: {', '.join(failed)}{hint}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
