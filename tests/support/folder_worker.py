"""A worker process whose chain is a folder: `due/<id>` is owed, `done/<id>` is paid.

Usage: folder_worker.py FOLDER [BROKER_URL [prefork CONCURRENCY]]. A job notes its start in
`started` and its process in `pids`, waits for the file `go`, then settles: `done/<id>` is created
exclusively, as a contract accepts an id once, and each success adds a line to `effects`.
"""

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from offchain.core.errors import Corrupt, Rejected, Unavailable
from offchain.jobs.celery_app import EMBEDDED, QueueSettings
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.jobs.worker import run_worker


def main(folder: Path, broker_url: str = EMBEDDED, pool: str = "solo", size: str = "1") -> int:
    def add_line(name: str, text: str) -> None:
        with (folder / name).open("a") as file:
            file.write(text + "\n")

    def settle(subject: str) -> Outcome:
        add_line("pids", str(os.getpid()))
        add_line("started", subject)
        while not (folder / "go").exists():
            threading.Event().wait(0.02)
        try:
            os.close(os.open(folder / "done" / subject, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return Outcome.ALREADY
        add_line("effects", subject)
        return Outcome.DONE

    def fail(subject: str) -> Outcome:
        add_line("started", subject)
        if subject == "corrupt":
            raise Corrupt("a row contradicts its root")
        if subject == "away" and not (folder / "go").exists():
            raise Unavailable("the chain does not answer")
        if subject == "away":
            (folder / "done" / subject).touch()
            return Outcome.DONE
        raise Rejected("the contract says no")

    def find_due() -> Iterable[Job]:
        owed = {path.name for path in (folder / "due").iterdir()}
        for subject in sorted(owed - {path.name for path in (folder / "done").iterdir()}):
            is_bad = subject in {"corrupt", "refused", "away"}
            yield Job(JobKind.REFUND_BLOB if is_bad else JobKind.CONFIRM_BLOB, subject)

    return run_worker(
        QueueSettings(
            folder / "jobs", broker_url, "prefork" if pool == "prefork" else "solo", int(size)
        ),
        {JobKind.CONFIRM_BLOB: settle, JobKind.REFUND_BLOB: fail},
        find_due,
        reconcile_seconds=0.1,
        heartbeat=folder / "heartbeat",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
