"""Which roots were signed: in one SQLite file, synced with every root, or in memory."""

import sqlite3
from pathlib import Path
from typing import Final

from offchain.chain.sqlite_file import connect, transaction
from offchain.storage.kv.errors import StoreFailed

FILE: Final = "signed-roots.sqlite"
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS signed (stream BLOB PRIMARY KEY, seq INTEGER, digest BLOB)"
)
_PUT: Final = "INSERT OR REPLACE INTO signed VALUES (?, ?, ?)"


class SqliteRootBook:
    """A `SignedRoots` of one folder; threads take turns."""

    def __init__(self, folder: Path) -> None:
        """Raises: StoreFailed."""
        try:
            self._database = connect(folder / FILE, _SCHEMA)
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error

    def last(self, stream: bytes) -> tuple[int, bytes] | None:
        try:
            row = self._database.execute(
                "SELECT seq, digest FROM signed WHERE stream = ?", (stream,)
            ).fetchone()
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error
        return None if row is None else (int(row[0]), bytes(row[1]))

    def put(self, stream: bytes, seq: int, digest: bytes) -> None:
        try:
            with transaction(self._database) as database:
                database.execute(_PUT, (stream, seq, digest))
        except sqlite3.Error as error:
            raise StoreFailed(file=FILE, reason=str(error)) from error

    def close(self) -> None:
        self._database.close()


class MemoryRootBook:
    """A `SignedRoots` that ends with its process."""

    def __init__(self) -> None:
        self._signed: dict[bytes, tuple[int, bytes]] = {}

    def last(self, stream: bytes) -> tuple[int, bytes] | None:
        return self._signed.get(stream)

    def put(self, stream: bytes, seq: int, digest: bytes) -> None:
        self._signed[stream] = seq, digest

    def close(self) -> None:
        """Nothing to close."""
