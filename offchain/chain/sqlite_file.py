"""SQLite files that survive a power cut: opened, and written in whole transactions."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BUSY_MILLISECONDS: Final = 10_000


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """Open or create; what is committed is on disk (WAL, synchronous FULL). Raises: sqlite3.Error.

    Threads may share it when they take turns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        database.executescript(schema)
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of it, on disk when the block ends, or nothing. Raises: sqlite3.Error."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
