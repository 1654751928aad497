"""What `./apogee test` runs: the gates and ape's tests beside each other, then every other test.

Tests start hundreds of processes, so the bytecode of what they import is written first, even where
PYTHONDONTWRITEBYTECODE says that imports may not. Whole files go to two workers, dearest first
(tests/conftest.py), so that none of them is left with a long one at the end; networks of processes
run one after the other on one of them (tests/support/scheduling.py).

Usage: run_tests.py [pytest arguments]; with arguments only pytest runs, with those arguments.
Environment: APOGEE_TEST_PROFILE = quick (default), ci or deep: how long rule machines search.
Exit: the first failing step's status.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APE = Path(sys.executable).parent / "ape"


def main(arguments: list[str]) -> int:
    python = sys.executable
    compileall = [python, "-m", "compileall", "-q", "offchain"]
    subprocess.run(compileall, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    pytest = [python, "-m", "pytest", "-p", "no:ape_test"]
    if arguments:
        return subprocess.run([*pytest, *arguments], cwd=ROOT, check=False).returncode
    status = gates_and_ape()
    if status:
        return status
    two = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    return subprocess.run([*pytest, "-q", *two, "tests"], cwd=ROOT, check=False).returncode


def gates_and_ape() -> int:
    """The gates, and ape's compiling and deploying on what they leave of two cores."""
    gates = [sys.executable, "scripts/check.py", "--without", "unit-tests"]
    with tempfile.TemporaryFile() as said:
        ape = subprocess.Popen(
            [str(APE), "test", "tests/ape", "-q"], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            status = subprocess.run(gates, cwd=ROOT, check=False).returncode
            ape.wait()
        except BaseException:
            ape.kill()
            raise
        said.seek(0)
        sys.stdout.write(said.read().decode(errors="replace"))
        sys.stdout.flush()
    return status or ape.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
