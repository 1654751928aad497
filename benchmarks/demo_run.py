"""How long the demonstration takes after set-up, and how fast its file moves: rows `demo.*`.

Runs `./apogee demo --json` on every backend that can be had; a demonstration that fails ends the
measurement with its words. Run: `./apogee bench demo`, or `python -m benchmarks.demo_run`.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.rows import Row, at_least, at_most, measure  # noqa: E402  # the path is set above

BARS_SECONDS = {"anvil": 120.0, "pyevm": 240.0}
COMMAND = "./apogee bench demo"


def run() -> list[Row]:
    """One demonstration a backend."""
    return [row for backend in BARS_SECONDS for row in _measure(backend)]


def _measure(backend: str) -> list[Row]:
    command = [str(ROOT / "apogee"), "demo", "--json", "--backend", backend]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the demonstration on {backend} failed\n{done.stderr[-2_000:]}")
    told = json.loads(done.stdout)
    assert told["retrieved_equal"], "a demonstration that exits with 0 compared its file"
    rows = [
        at_most(
            f"demo.seconds.{backend}",
            told["seconds"],
            "s",
            BARS_SECONDS[backend],
            command=COMMAND,
        )
    ]
    rows += [
        at_least(f"demo.{what}.{backend}", told[what], "MB/s", None, command=COMMAND)
        for what in ("encode_mb_s", "disperse_mb_s", "retrieve_mb_s")
    ]
    return rows


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
