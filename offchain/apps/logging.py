"""Log lines as JSON: one object a line, event name in past tense, fields from `extra`.

  {"at": "2026-01-01T00:00:00.000Z", "level": "info", "process": "da-node-3",
   "event": "rows_stored", "blob_id": "0x..", "rows": 384}

Never keys, prompts or plain text.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

_OWN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET_WORDS: Final = ("secret", "private", "passphrase", "password", "mnemonic")


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object; fields whose name speaks of a secret are masked."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _OWN_FIELDS:
                line[name] = "***" if any(word in name for word in _SECRET_WORDS) else value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_shown)


def configure_logging(process: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (stderr) as JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("numba", "urllib3", "httpx", "httpcore", "web3", "asyncio", "kombu"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
