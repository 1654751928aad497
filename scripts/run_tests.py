"""What `./apogee test` runs: the gates, then ape's tests, then every other test.

Usage: run_tests.py [pytest arguments]; with arguments only pytest runs, with those arguments.
Environment: APOGEE_TEST_PROFILE = quick (default), ci or deep: how long rule machines search.
Exit: the first failing step's status.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APE = Path(sys.executable).parent / "ape"


def main(arguments: list[str]) -> int:
    python = sys.executable
    pytest = [python, "-m", "pytest", "-p", "no:ape_test"]
    if arguments:
        return subprocess.run([*pytest, *arguments], cwd=ROOT, check=False).returncode
    gates = [python, "scripts/check.py", "--without", "unit-tests"]
    status = subprocess.run(gates, cwd=ROOT, check=False).returncode
    if status:
        return status
    status = subprocess.run([str(APE), "test", "tests/ape", "-q"], cwd=ROOT, check=False).returncode
    if status:
        return status
    tests = [*pytest, "-q", "-n", "2", "--dist", "loadfile", "tests"]
    return subprocess.run(tests, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
