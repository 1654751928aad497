"""A supervisor in a process of its own, for a test to kill: small_supervisor.py ROOT PORT."""

import sys
import threading
from pathlib import Path

from offchain.apps.processes import ProcessSpec, http_health
from offchain.apps.supervisor import Supervisor


def main(root: Path, port: str) -> None:
    program = Path(__file__).with_name("small_process.py")
    supervisor = Supervisor(lambda _: None)
    spec = ProcessSpec(
        name="face",
        argv=(sys.executable, str(program), port),
        log=root / "face.log",
        pid_file=root / "face.json",
        health=http_health(f"http://127.0.0.1:{port}/healthz"),
    )
    supervisor.start([spec])
    supervisor.wait_healthy(["face"])
    (root / "ready").touch()
    supervisor.watch(threading.Event())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
