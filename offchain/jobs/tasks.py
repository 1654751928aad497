"""The tasks: each takes an on-chain id, calls its handler, and leaves errors to one table."""

import logging
from typing import Any

from celery import Celery, Task

from offchain.core.errors import ApogeeError
from offchain.jobs.alarms import Alarms
from offchain.jobs.model import Handler, Handlers, Handling, Job, JobKind
from offchain.jobs.retry import MAX_RETRIES, handling_of, retry_seconds

log = logging.getLogger(__name__)


def task_name(kind: JobKind) -> str:
    return f"apogee.{kind}"


def register_tasks(app: Celery, handlers: Handlers, alarms: Alarms) -> None:
    """Give the application one task for each kind that has a handler."""
    for kind, handler in handlers.items():
        _register(app, kind, handler, alarms)


def enqueue(app: Celery, job: Job) -> None:
    """Put a job in the queue; a duplicate does no harm."""
    app.send_task(task_name(job.kind), args=[job.subject])


def _register(app: Celery, kind: JobKind, handler: Handler, alarms: Alarms) -> None:
    def run(task: "Task[Any, Any]", subject: str) -> str:
        return _perform(task, Job(kind, subject), handler, alarms)

    app.task(run, bind=True, name=task_name(kind), max_retries=MAX_RETRIES)


def _perform(task: "Task[Any, Any]", job: Job, handler: Handler, alarms: Alarms) -> str:
    said: dict[str, object] = {"kind": job.kind, "subject": job.subject}
    if alarms.is_stopped(job):
        log.warning("job_skipped_stopped", extra=said)
        return Handling.STOP.value
    try:
        outcome = handler(job.subject)
    except Exception as error:  # the worker's one catch-all; every branch logs
        handling = handling_of(error)
        said |= {"error": str(error), "handling": handling.value}
        match handling:
            case Handling.RETRY:
                wait = retry_seconds(task.request.retries)
                log.warning("job_retried", extra={**said, "seconds": wait})
                raise task.retry(exc=error, countdown=wait) from error
            case Handling.STOP:
                alarms.raise_for(job, error)
                log.critical("job_stopped", extra=said)
            case Handling.REPORT:
                known = isinstance(error, ApogeeError)
                log.warning("job_refused", extra=said, exc_info=None if known else error)
            case Handling.DROP:
                log.info("job_dropped", extra=said)
        return str(handling.value)
    log.info("job_finished", extra={**said, "outcome": outcome})
    return str(outcome)
