"""A store in one SQLite file: WAL, synchronous FULL; readers see whole commits."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from offchain.chain.sqlite_file import connect, transaction
from offchain.storage.kv.errors import StoreFailed
from offchain.storage.kv.ports import Changes, Reader

FILE: Final = "streams.sqlite"
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
_PUT: Final = "INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
CACHE_KIBIBYTES: Final = 16_384


class SqliteStore:
    """A `KVStore`; views may be taken in any thread."""

    def __init__(self, folder: Path) -> None:
        """Raises: StoreFailed."""
        self._path = folder / FILE
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        try:
            self._database = connect(self._path, _SCHEMA)
            self._database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error

    @contextmanager
    def view(self) -> Iterator[Reader]:
        database = self._reader()
        try:
            database.execute("BEGIN")
            try:
                yield _SqliteReader(database)
            finally:
                database.execute("ROLLBACK")
        except sqlite3.Error as error:
            database.close()
            raise StoreFailed(file=FILE, reason=str(error)) from error
        except BaseException:
            self._readers.put(database)
            raise
        self._readers.put(database)

    def commit(self, changes: Changes) -> None:
        puts = [(key, value) for key, value in changes.items() if value is not None]
        gone = [(key,) for key, value in changes.items() if value is None]
        try:
            with transaction(self._database) as database:
                database.executemany(_PUT, puts)
                database.executemany("DELETE FROM kv WHERE key = ?", gone)
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error

    def load(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        try:
            with transaction(self._database) as database:
                database.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", pairs)
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error

    def close(self) -> None:
        while True:
            try:
                self._readers.get_nowait().close()
            except Empty:
                break
        self._database.close()

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.get_nowait()
        except Empty:
            pass
        try:
            reader = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error
        return reader


class _SqliteReader:
    """A `Reader` inside one read transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._execute = database.execute

    def get(self, key: bytes) -> bytes | None:
        row = self._execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def scan(self, first: bytes, end: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        return self._execute(
            "SELECT key, value FROM kv WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
            (first, end, limit),
        ).fetchall()
