"""The loop that compares what the chain says is due with what was queued lately.

A queue may lose a message (a killed worker, a lost disk); the chain does not. Every look asks the
chain for what is due and queues it, unless it was queued so recently that it may still be running.
A job that stays due waits longer each time.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from offchain.core.errors import ApogeeError
from offchain.jobs.alarms import Alarms
from offchain.jobs.model import FindDue, Job

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 10.0  # longer than a job usually takes
LAST_WAIT_SECONDS: Final = 300.0


class Reconciler:
    """Decides which due jobs to queue now."""

    def __init__(self, alarms: Alarms, monotonic: Callable[[], float]) -> None:
        self._alarms = alarms
        self._monotonic = monotonic
        self._queued: dict[Job, tuple[float, int]] = {}  # job -> (not before, times queued)

    def choose(self, due: Iterable[Job]) -> list[Job]:
        """The jobs to queue now; what is no longer due is forgotten."""
        now = self._monotonic()
        chosen: list[Job] = []
        still: dict[Job, tuple[float, int]] = {}
        for job in due:
            not_before, times = self._queued.get(job, (now, 0))
            if job in still:
                continue
            if now >= not_before and not self._alarms.is_stopped(job):
                wait = min(LAST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(times, 10))
                still[job] = (now + wait, times + 1)
                chosen.append(job)
            else:
                still[job] = (not_before, times)
        self._queued = still
        return chosen

    def forget(self, job: Job) -> None:
        """Choose the job at the next look: it did not get into the queue."""
        self._queued.pop(job, None)


def reconcile_forever(
    find_due: FindDue,
    put: Callable[[Job], None],
    reconciler: Reconciler,
    *,
    stop: threading.Event,
    seconds: float,
    heartbeat: Path,
) -> None:
    """Look, queue, touch the heartbeat; an unreachable chain is waited for, not died of."""
    while not stop.is_set():
        chosen: list[Job] = []
        try:
            chosen = reconciler.choose(find_due())
            while chosen:
                put(chosen[0])
                job = chosen.pop(0)
                log.info("job_queued", extra={"kind": job.kind, "subject": job.subject})
            heartbeat.touch()
        except ApogeeError as error:
            log.warning("reconcile_failed", extra={"error": str(error), "code": error.code})
        except Exception:
            log.exception("reconcile_failed")
        for job in chosen:
            reconciler.forget(job)
        stop.wait(seconds)
