"""The Celery application: JSON only, acknowledged late, embedded filesystem broker by default.

  <folder>/data/      messages that wait        <folder>/control/    exchange bindings
  <folder>/processed/ messages taken            <folder>/alarms/     stopped jobs
The embedded broker loses the message in flight when its worker is killed; reconcile.py
finds it again.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from celery import Celery

from offchain.jobs import whole_messages

EMBEDDED: Final = "filesystem://"
POLL_SECONDS: Final = 0.02
PROCESSED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Where jobs wait and how they are run."""

    folder: Path  # of the embedded broker and the alarms
    broker_url: str = EMBEDDED  # or redis://..., amqp://...
    pool: Literal["solo", "prefork"] = "solo"
    concurrency: int = 1


def make_celery(settings: QueueSettings) -> Celery:
    """An application without tasks; tasks.py adds them."""
    app = Celery("apogee", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue="apogee",
        # one place more than tasks at hand: a message whose acknowledgement was lost with the
        # broker keeps its place, and only a worker with a place left notices that the broker went
        worker_prefetch_multiplier=2,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_pool=settings.pool,
        worker_concurrency=settings.concurrency,
        broker_connection_retry_on_startup=True,
        broker_transport=whole_messages.NAME if settings.broker_url.startswith(EMBEDDED) else None,
        broker_transport_options=_transport_options(settings),
    )
    return app


def prune_processed(settings: QueueSettings, now: float) -> None:
    """Remove messages the embedded broker handed out more than a minute ago."""
    for path in (settings.folder / "processed").glob("*.msg"):
        with suppress(FileNotFoundError):
            if now - path.stat().st_mtime > PROCESSED_SECONDS:
                path.unlink()


def _transport_options(settings: QueueSettings) -> dict[str, object]:
    if not settings.broker_url.startswith(EMBEDDED):
        return {}
    folders = {name: settings.folder / name for name in ("data", "control", "processed")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(folders["data"]),
        "data_folder_out": str(folders["data"]),
        "control_folder": str(folders["control"]),
        "processed_folder": str(folders["processed"]),
        "store_processed": True,  # otherwise every message passes through the system's /tmp
        "polling_interval": POLL_SECONDS,
    }
