"""Where the rows of the gateway's book are: any database by SQLAlchemy, or a SQLite file itself.

Tables and statements are the same (book_tables.py). A SQLite file is asked through its driver with
statements that are written once, and its rows are remembered from one transaction to the next for
as long as `PRAGMA data_version` tells that no other connection has written. The transaction has the
file's write lock when it looks, so what is remembered is what is there.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from offchain.gateway.book_model import Lane, LaneKey
from offchain.gateway.book_tables import SELECT_KEY, SELECT_KEYS, Row, lane_row, lanes
from offchain.gateway.key_model import KeyRecord

Values = Mapping[str, object]
_POSTGRES_LANE: Final = postgresql.insert(lanes).on_conflict_do_nothing()
_SQLITE_LANE: Final = sqlite.insert(lanes).on_conflict_do_nothing()


@dataclass(frozen=True, slots=True)
class Remembered:
    """Rows as the last transaction left them."""

    lanes: dict[LaneKey, Lane] = field(default_factory=dict)
    keys: dict[str, KeyRecord] = field(default_factory=dict)


class Rows(Protocol):
    """The rows of one transaction; what is read is locked until it ends."""

    @property
    def remembered(self) -> Remembered:
        """What need not be read."""
        ...

    def read(self, statement: sql.Select[Any], values: Values) -> Sequence[Row]: ...

    def read_keys(self, ids: Sequence[str]) -> Sequence[Row]:
        """In the order of their ids."""
        ...

    def add_lane(self, lane: LaneKey) -> None:
        """Another process may be making it too: then this waits for that one."""
        ...

    def write(self, statement: sql.Executable, values: Sequence[Values]) -> None: ...


class SqlRows:
    """Of any database; others may write it at any time, so nothing is remembered."""

    remembered = Remembered()

    def __init__(self, connection: sql.Connection) -> None:
        self._connection = connection

    def read(self, statement: sql.Select[Any], values: Values) -> Sequence[Row]:
        return self._connection.execute(statement, dict(values)).mappings().all()

    def read_keys(self, ids: Sequence[str]) -> Sequence[Row]:
        return self.read(SELECT_KEYS, {"ids": ids})

    def add_lane(self, lane: LaneKey) -> None:
        self._connection.execute(_POSTGRES_LANE, lane_row(lane, Lane()))

    def write(self, statement: sql.Executable, values: Sequence[Values]) -> None:
        self._connection.execute(statement, [dict(one) for one in values])


class SqliteRows:
    """Of one connection to a SQLite file; used from one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.row_factory = sqlite3.Row
        self._texts: dict[sql.Executable, str] = {}
        self._version = -1
        self.remembered = Remembered()

    @contextmanager
    def transaction(self) -> Iterator["SqliteRows"]:
        """All of it, on disk when the block ends, or nothing. Raises: sqlite3.Error."""
        self._cursor.execute("BEGIN IMMEDIATE")
        try:
            version = self._cursor.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self.remembered, self._version = Remembered(), version
            yield self
            self._cursor.execute("COMMIT")
        except BaseException:
            self.remembered = Remembered()
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            raise

    def read(self, statement: sql.Select[Any], values: Values) -> Sequence[Row]:
        return self._cursor.execute(self._text(statement), values).fetchall()

    def read_keys(self, ids: Sequence[str]) -> Sequence[Row]:
        return [row for one in ids for row in self.read(SELECT_KEY, {"of_id": one})]

    def add_lane(self, lane: LaneKey) -> None:
        self.write(_SQLITE_LANE, [lane_row(lane, Lane())])

    def write(self, statement: sql.Executable, values: Sequence[Values]) -> None:
        text = self._text(statement, values[0])
        if len(values) == 1:
            self._cursor.execute(text, values[0])
        else:
            self._cursor.executemany(text, values)

    def close(self) -> None:
        self._connection.close()

    def _text(self, statement: sql.Executable, columns: Values | None = None) -> str:
        text = self._texts.get(statement)
        if text is None:
            names = None if columns is None else list(columns)
            dialect = sqlite.dialect(paramstyle="named")
            compiled = statement.compile(dialect=dialect, column_keys=names)  # type: ignore[attr-defined]  # of every statement here
            text = self._texts[statement] = str(compiled)
        return text
