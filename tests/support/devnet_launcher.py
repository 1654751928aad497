"""Process entry for tests: serve a devnet and print one line for each thing it logs."""

import ctypes
import logging
import signal
import sys
from pathlib import Path

from offchain.chain.devnet.serve import DevnetBackend, DevnetSettings, serve

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
PR_SET_PDEATHSIG = 1


def main(backend: str, state_dir: str, port: str, heartbeat_seconds: str, *origins: str) -> None:
    if sys.platform == "linux":
        # A test run that is killed must not leave its devnets behind.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    settings = DevnetSettings(
        state_dir=Path(state_dir),
        tools_dir=TOOLS,
        port=int(port),
        backend=DevnetBackend(backend),
        heartbeat_seconds=float(heartbeat_seconds),
        origins=frozenset(origins),
    )
    serve(settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
