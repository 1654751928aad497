"""How long `apogee demo` takes after set-up, on each backend, and the rates it shows.

The time is that of the whole command, from its start to its exit, with everything stopped again.
"""

import json
import subprocess
import sys
import time

from benchmarks.rows import Row, at_least, at_most
from offchain.apps.home import project_root, project_tools
from offchain.chain.devnet.anvil_binary import AnvilUnavailable, bring_anvil

BARS = {"anvil": 120.0, "pyevm": 240.0}
LONGEST_SECONDS = 600


def run() -> list[Row]:
    rows: list[Row] = []
    for backend in backends():
        command = f"apogee demo --backend {backend} --json"
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "offchain.apps.cli", *command.split()[1:]],
            cwd=project_root(),
            stdout=subprocess.PIPE,
            timeout=LONGEST_SECONDS,
            check=True,
        )
        seconds = time.monotonic() - started
        told = json.loads(done.stdout)
        rows.append(
            at_most(f"demo.seconds.{backend}", seconds, "s", BARS[backend], command=command)
        )
        rows += [
            at_least(f"demo.{name}.{backend}", told[name], "MB/s", None, command=command)
            for name in ("encode_mb_s", "disperse_mb_s", "retrieve_mb_s")
        ]
    return rows


def backends() -> list[str]:
    """Both, or py-evm alone where Anvil cannot be had."""
    try:
        bring_anvil(project_tools())
    except AnvilUnavailable:
        return ["pyevm"]
    return ["anvil", "pyevm"]
