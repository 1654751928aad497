"""kombu's filesystem transport with messages that appear whole.

Its own writes a message where its reader looks for it: a reader that comes between takes an empty
file, and the worker ends with it. Its table of queues is made in two steps as well.
"""

import threading
import uuid
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

from kombu.transport import filesystem
from kombu.utils.json import dumps

NAME: Final = f"{__name__}:Transport"
_TABLE = threading.Lock()  # the consumer and the reconcile loop bind the same queue


class Channel(filesystem.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel whose puts are one rename."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:
        folder, stem = Path(self.data_folder_out), f"{monotonic_ns():020}_{uuid.uuid4()}"
        part = folder / f"{stem}.part"  # no reader's pattern matches it
        part.write_text(dumps(payload))
        part.rename(folder / f"{stem}.{queue}.msg")

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        with _TABLE:
            super()._queue_bind(exchange, routing_key, pattern, queue)

    def get_table(self, exchange: str) -> Any:
        with _TABLE:
            return super().get_table(exchange)


class Transport(filesystem.Transport):  # type: ignore[misc]  # kombu has no types
    """What celery is told to use."""

    Channel = Channel
