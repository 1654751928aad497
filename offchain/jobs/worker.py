"""One worker process: Celery's consumer in the main thread, the reconcile loop beside it."""

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from offchain.jobs.alarms import Alarms
from offchain.jobs.celery_app import QueueSettings, make_celery, prune_processed
from offchain.jobs.lifeline import lifeline_to
from offchain.jobs.model import FindDue, Handlers, Job
from offchain.jobs.reconcile import Reconciler, reconcile_forever
from offchain.jobs.tasks import enqueue, register_tasks


def run_worker(
    settings: QueueSettings,
    handlers: Handlers,
    find_due: FindDue,
    *,
    reconcile_seconds: float,
    heartbeat: Path,
) -> int:
    """Run until SIGTERM (finishes the task at hand); returns the exit status."""
    alarms = Alarms(settings.folder / "alarms")
    app = make_celery(settings)
    register_tasks(app, handlers, alarms)
    stop = threading.Event()
    heartbeat.unlink(missing_ok=True)

    def look() -> Iterable[Job]:
        prune_processed(settings, time.time())
        return find_due()

    loop = threading.Thread(
        target=reconcile_forever,
        args=(look, lambda job: enqueue(app, job), Reconciler(alarms, time.monotonic)),
        kwargs={"stop": stop, "seconds": reconcile_seconds, "heartbeat": heartbeat},
        name="reconcile",
        daemon=True,
    )
    loop.start()
    try:
        return _consume(app, settings)
    finally:
        stop.set()
        loop.join(reconcile_seconds + 10)


def _keep_logging(**_: object) -> None:
    """Celery asks who sets up logging; the process that calls `run_worker` already has."""


def _tie_pool_children() -> None:
    """Children of the prefork pool die with this process, however it dies."""
    ask = lifeline_to(os.getpid())
    if ask:
        worker_process_init.connect(lambda **_: ask(), weak=False)


def _consume(app: Celery, settings: QueueSettings) -> int:
    if settings.pool == "prefork":  # solo sends the same signal, from this very process
        _tie_pool_children()
    setup_logging.connect(_keep_logging, weak=False)
    worker = app.Worker(
        pool=settings.pool,
        concurrency=settings.concurrency,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel="INFO",
    )
    worker.start()
    return int(worker.exitcode or 0)
