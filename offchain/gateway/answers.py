"""Answers that were given under an idempotency key, kept so that a repeat gets the same one.

  answers     sha256(key), fingerprint of the request, the answer, its blob, when
  unfinished  blobs that were answered for and are not over

Answers of many requests are made durable in one transaction: whoever comes while one is written
goes with the next.
"""

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.chain.sqlite_file import connect, transaction
from offchain.core.units import DAY
from offchain.gateway.errors import KeyUsedForOther
from offchain.gateway.model import Accepted
from offchain.node.errors import StoreBroken

KEEP_SECONDS: Final = 30 * DAY
MOST_ANSWERS: Final = 1_000_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answers (
  key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, answer TEXT NOT NULL, kept_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (kept_at);
CREATE TABLE IF NOT EXISTS unfinished (
  blob_id BLOB PRIMARY KEY, answer TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Given:
    """One answer under its key; `fingerprint` is the SHA-256 of what was asked."""

    key: str
    fingerprint: bytes
    answer: Accepted


@dataclass(slots=True)
class _Batch:
    given: list[Given] = field(default_factory=list)
    done: "asyncio.Future[None] | None" = None


class AnswerBook:
    """The answers of one home, in one file."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        self._database = connect(path, _SCHEMA)
        self._turn = threading.Lock()
        self._clock = clock
        self._next = _Batch()
        self._writer: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Wait for whoever writes in another thread: a file closed under it crashes the process."""
        with self._turn:
            self._database.close()

    def prune(self) -> None:
        """Forget what is older than KEEP_SECONDS, and the oldest beyond MOST_ANSWERS."""
        with self._turn, transaction(self._database) as writing:
            oldest = self._clock() - KEEP_SECONDS
            writing.execute("DELETE FROM answers WHERE kept_at < ?", (oldest,))
            writing.execute(
                "DELETE FROM answers WHERE key IN"
                " (SELECT key FROM answers ORDER BY kept_at DESC LIMIT -1 OFFSET ?)",
                (MOST_ANSWERS,),
            )

    def find(self, key: str, fingerprint: bytes) -> Accepted | None:
        """The answer of an earlier request. Raises: KeyUsedForOther when that was another one."""
        with self._turn:
            row = self._database.execute(
                "SELECT fingerprint, answer FROM answers WHERE key = ?", (_digest(key),)
            ).fetchone()
        if row is None:
            return None
        if row[0] != fingerprint:
            raise KeyUsedForOther
        return Accepted.model_validate_json(row[1])

    async def keep(self, given: Given) -> None:
        """Durable on return, with its blob noted as unfinished. Raises: StoreBroken."""
        batch = self._next
        batch.given.append(given)
        if batch.done is None:
            batch.done = asyncio.get_running_loop().create_future()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        await asyncio.shield(batch.done)

    def finish(self, blob_id: bytes) -> None:
        """The blob is confirmed, refunded or void: no restart goes on with it."""
        with self._turn, transaction(self._database) as writing:
            writing.execute("DELETE FROM unfinished WHERE blob_id = ?", (blob_id,))

    def is_unfinished(self, blob_id: bytes) -> bool:
        with self._turn:
            wanted = "SELECT 1 FROM unfinished WHERE blob_id = ?"
            return self._database.execute(wanted, (blob_id,)).fetchone() is not None

    def unfinished(self) -> list[Accepted]:
        """One answer about each blob that is not over."""
        with self._turn:
            found = self._database.execute("SELECT answer FROM unfinished").fetchall()
        return [Accepted.model_validate_json(row[0]) for row in found]

    async def _write_all(self) -> None:
        try:
            while self._next.given:
                batch, self._next = self._next, _Batch()
                assert batch.done is not None
                try:
                    await asyncio.to_thread(self._write, batch.given)
                except sqlite3.Error as error:
                    batch.done.set_exception(StoreBroken(file="answers", reason=str(error)))
                else:
                    batch.done.set_result(None)
        finally:
            self._writer = None

    def _write(self, given: Sequence[Given]) -> None:
        now = self._clock()
        rows = [(_digest(g.key), g.fingerprint, g.answer.model_dump_json(), now) for g in given]
        blobs = {g.answer.raw_id: row[2] for g, row in zip(given, rows, strict=True)}
        with self._turn, transaction(self._database) as writing:
            writing.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
            writing.executemany("INSERT OR IGNORE INTO unfinished VALUES (?, ?)", blobs.items())


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
