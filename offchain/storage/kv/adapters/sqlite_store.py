"""A store in one SQLite file: WAL, synchronous FULL; readers see whole commits.

kv     a key and its value; NULL: the key is gone, though a block has it
base   blocks of pairs that were loaded at once (ports.py): a row for many keys, never changed
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from offchain.chain.sqlite_file import connect, transaction
from offchain.storage.kv.errors import StoreFailed
from offchain.storage.kv.ports import Block, Changes, Reader

FILE: Final = "streams.sqlite"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base (first BLOB NOT NULL UNIQUE, shared INTEGER, records BLOB)
"""
_PUT: Final = "INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_GET: Final = "SELECT value FROM kv WHERE key = ?"
_BLOCK: Final = (
    "SELECT first, shared, records FROM base WHERE first <= ? ORDER BY first DESC LIMIT 1"
)
_BLOCKS: Final = (
    "SELECT first, shared, records FROM base WHERE first > ? AND first < ? ORDER BY first"
)
_SCAN: Final = "SELECT key, value FROM kv WHERE key >= ? AND key < ? ORDER BY key"
CACHE_KIBIBYTES: Final = 16_384
Row = tuple[bytes, bytes | None]


class SqliteStore:
    """A `KVStore`; views may be taken in any thread."""

    def __init__(self, folder: Path) -> None:
        """Raises: StoreFailed."""
        self._path = folder / FILE
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        try:
            self._database = connect(self._path, _SCHEMA)
            self._database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            [(is_loaded,)] = self._database.execute("SELECT EXISTS (SELECT 1 FROM base)")
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error
        self._has_blocks = bool(is_loaded)

    @contextmanager
    def view(self) -> Iterator[Reader]:
        database = self._reader()
        try:
            database.execute("BEGIN")
            try:
                yield _BlockReader(database) if self._has_blocks else _PlainReader(database)
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
        puts = list(changes.items())
        gone: list[tuple[bytes]] = []
        if not self._has_blocks:
            gone = [(key,) for key, value in puts if value is None]
            puts = [(key, value) for key, value in puts if value is not None]
        try:
            with transaction(self._database) as database:
                database.executemany(_PUT, puts)
                database.executemany("DELETE FROM kv WHERE key = ?", gone)
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error

    def load(self, pairs: Iterable[tuple[bytes, bytes]], blocks: Iterable[Block] = ()) -> None:
        rows = ((one.prefix + one.first, len(one.prefix), one.records) for one in blocks)
        try:
            with transaction(self._database) as database:
                database.executemany("INSERT INTO base VALUES (?, ?, ?)", rows)
                database.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", pairs)
                [(is_loaded,)] = database.execute("SELECT EXISTS (SELECT 1 FROM base)")
                # Readers look for blocks before there are any, never the other way round.
                self._has_blocks = bool(is_loaded)
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


class _PlainReader:
    """A `Reader` inside one read transaction, where nothing was loaded at once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._execute = database.execute

    def get(self, key: bytes) -> bytes | None:
        row = self._execute(_GET, (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def scan(self, first: bytes, end: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        return self._execute(f"{_SCAN} LIMIT ?", (first, end, limit)).fetchall()


class _BlockReader:
    """A `Reader` inside one read transaction: what was committed, above the blocks."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._execute = database.execute

    def get(self, key: bytes) -> bytes | None:
        row = self._execute(_GET, (key,)).fetchone()
        if row is not None:
            return None if row[0] is None else bytes(row[0])
        block = self._execute(_BLOCK, (key,)).fetchone()
        return None if block is None else _block(block).find(key)

    def scan(self, first: bytes, end: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        newest = ((key, 0, value) for key, value in self._execute(_SCAN, (first, end)))
        below = ((key, 1, value) for key, value in self._below(first, end))
        last: bytes | None = None
        for key, _, value in merge(newest, below, key=lambda row: row[:2]):
            if key == last:
                continue
            last = key
            if value is not None:
                if len(found) == limit:
                    break
                found.append((key, value))
        return found

    def _below(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        at_first = self._execute(_BLOCK, (first,)).fetchall()
        for block in chain(at_first, self._execute(_BLOCKS, (first, end))):
            for key, value in _block(block).pairs():
                if key >= end:
                    return
                if key >= first:
                    yield key, value


def _block(row: tuple[bytes, int, bytes]) -> Block:
    first, shared, records = row
    return Block(first[:shared], first[shared:], records)
