"""Jobs that must not be tried again before a person looked: one small file each.

<folder>/<kind>-<subject>.json   {"kind", "subject", "error"}     remove the file to try again
"""

import json
from collections.abc import Iterator
from pathlib import Path

from offchain.core.errors import ApogeeError
from offchain.jobs.model import Job, JobKind


class Alarms:
    """The stopped jobs of one home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def raise_for(self, job: Job, error: Exception) -> Path:
        """Stop a job; repeating it keeps the first reason."""
        path = self._path(job)
        if not path.exists():
            reason = error.as_json() if isinstance(error, ApogeeError) else str(error)
            text = json.dumps({"kind": job.kind, "subject": job.subject, "error": reason})
            beside = path.with_suffix(".tmp")
            beside.write_text(text)
            beside.replace(path)
        return path

    def is_stopped(self, job: Job) -> bool:
        return self._path(job).exists()

    def stopped(self) -> Iterator[Job]:
        for path in sorted(self._folder.glob("*.json")):
            value = json.loads(path.read_text())
            yield Job(JobKind(value["kind"]), str(value["subject"]))

    def _path(self, job: Job) -> Path:
        subject = "".join(letter for letter in job.subject if letter.isalnum())
        return self._folder / f"{job.kind}-{subject[:80]}.json"
