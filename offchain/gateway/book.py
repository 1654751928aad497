"""The book of keys, vouchers and receipts: SQLite by default, PostgreSQL by URL.

  keys      sha256(key), terms, what is spent and held            amounts are decimal text: wei do
  lanes     next nonce and totals of each (provider, token)       not fit 64 bits
  attempts  every request to a provider, with its receipt

Everything asked together is one transaction: rows are locked in order, the rules of key_model.py
and book_model.py are applied to them in turn, and what changed is written back. So caps and nonces
hold for any number of requests, and of gateways on one PostgreSQL.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, Unavailable
from offchain.gateway.book_model import Ask, Attempt, AttemptState, Place, Told
from offchain.gateway.book_page import Page
from offchain.gateway.book_rows import Rows, SqliteRows, SqlRows
from offchain.gateway.book_tables import attempt_of, attempts, key_row, keys, metadata, record_of
from offchain.gateway.key_model import KeyRecord

BUSY_SECONDS: Final = 10.0
MOST_KEYS: Final = 10_000
_DRIVERS: Final[Mapping[str, str]] = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}


class BookUnreachable(Unavailable):
    """The book of keys cannot be read or written."""

    code = "gateway.book"
    next_step = "Look at the database behind `--book-url`, or at the disk; then try again."


class BookUrlInvalid(InvalidInput):
    """The URL of the book is none of SQLite's or PostgreSQL's."""

    code = "gateway.book_url"
    next_step = "Give postgresql://USER@HOST/DATABASE, or leave --book-url out for a file."


class OriginTaken(Conflict):
    """A key was made from this payment before."""

    code = "gateway.payment_used"
    next_step = "Use the key that the first answer to this payment named, or pay anew."


class KeyNotThere(InvalidInput):
    """There is no key with this id."""

    code = "gateway.key_unknown"
    next_step = "`apogee key list` shows every key of this home."


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to write down; `origin`: the payment it was made from, which makes one only."""

    record: KeyRecord
    digest: bytes
    origin: bytes | None = None


class Book:
    """One database; blocking, used from one thread at a time."""

    def __init__(self, url: str, clock: Callable[[], int], *, name: str = "gateway") -> None:
        self._clock = clock
        self._name = name  # of the process whose attempts these are
        self._engine = _engine_of(url)
        self._open: dict[Place, Attempt] = {}  # of this run: nobody else ends them
        try:
            self._make_tables()
        except BookUnreachable:  # another process was making them
            self._make_tables()
        self._file: SqliteRows | None = None
        if self._engine.dialect.name == "sqlite":
            self._file = SqliteRows(_connection_of(self._engine))

    @classmethod
    def in_file(cls, path: Path, clock: Callable[[], int]) -> "Book":
        """A SQLite file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}", clock)

    def clear(self) -> None:
        """Forget everything: for tests, and for a home that is reset."""
        with self._turn() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(sql.delete(table))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._engine.dispose()

    def apply(self, asked: Sequence[Ask]) -> list[Told | ApogeeError]:
        """Each one's answer or refusal, in order, durable on return. Raises: BookUnreachable."""
        with self._rows() as rows:
            page = Page(rows, self._clock(), self._name, self._open)
            told = page.apply(asked)
        if self._file is not None:
            page.remember(self._file.remembered)
        self._open |= {(one.lane, one.nonce): one for one in page.opened}
        for closed in page.closed:
            self._open.pop((closed.lane, closed.nonce), None)
        return told

    def add(self, new: NewKey) -> None:
        """Raises: OriginTaken."""
        with self._turn() as connection:
            try:
                connection.execute(sql.insert(keys), key_row(new.record, new.digest, new.origin))
            except IntegrityError as error:
                raise OriginTaken from error

    def claim(self, record: KeyRecord, digest: bytes, origin: bytes) -> KeyRecord:
        """The key of a payment: `record` if there was none, else the one that there is."""
        try:
            self.add(NewKey(record, digest, origin))
        except OriginTaken:
            wanted = sql.select(keys).where(keys.c.origin == origin)
            with self._turn() as connection:
                return record_of(connection.execute(wanted).mappings().one())
        return record

    def activate(self, origin: bytes, digest: bytes) -> KeyRecord | None:
        """Make a claimed key usable under `digest`: for one caller only, None for any other."""
        inactive = (keys.c.origin == origin) & (keys.c.revoked_at == 0)
        with self._turn() as connection:
            changed = connection.execute(
                sql.update(keys).where(inactive).values(revoked_at=None, digest=digest)
            )
            if changed.rowcount != 1:
                return None
            wanted = sql.select(keys).where(keys.c.origin == origin)
            return record_of(connection.execute(wanted).mappings().one())

    def revoke(self, key: str) -> KeyRecord:
        """From the next request on it opens nothing; again is harmless. Raises: KeyNotThere."""
        with self._turn() as connection:
            wanted = keys.c.id == key
            now = sql.func.coalesce(keys.c.revoked_at, self._clock())
            connection.execute(sql.update(keys).where(wanted).values(revoked_at=now))
            row = connection.execute(sql.select(keys).where(wanted)).mappings().first()
        if row is None:
            raise KeyNotThere(key=key)
        return record_of(row)

    def all_keys(self) -> list[KeyRecord]:
        """Oldest first."""
        with self._turn() as connection:
            ordered = sql.select(keys).order_by(keys.c.made_at, keys.c.id).limit(MOST_KEYS)
            return [record_of(row) for row in connection.execute(ordered).mappings()]

    def attempt(self, request_id: bytes) -> Attempt | None:
        """By the request's id."""
        with self._turn() as connection:
            wanted = sql.select(attempts).where(attempts.c.request_id == request_id)
            row = connection.execute(wanted).mappings().first()
        return None if row is None else attempt_of(row)

    def last_answer(self) -> Attempt | None:
        """The newest request that has its receipt."""
        done = attempts.c.state == AttemptState.DONE.value
        newest = (
            sql.select(attempts)
            .where(done)
            .order_by(attempts.c.closed_at.desc(), attempts.c.nonce.desc())
        )
        with self._turn() as connection:
            row = connection.execute(newest.limit(1)).mappings().first()
        return None if row is None else attempt_of(row)

    def answers_naming(self, text: str, *, most: int) -> list[Attempt]:
        """Requests whose receipt, as it is written down, has this text; the newest."""
        named = attempts.c.receipt.contains(text, autoescape=True)
        newest = sql.select(attempts).where(named).order_by(attempts.c.closed_at.desc())
        with self._turn() as connection:
            rows = connection.execute(newest.limit(most)).mappings()
            return [attempt_of(row) for row in rows]

    def answers_without(self, text: str, *, since: int, most: int) -> list[tuple[int, Attempt]]:
        """Requests that ended since, whose receipt lacks this text, and when; the first of them."""
        lacks = sql.not_(attempts.c.receipt.contains(text, autoescape=True))
        first = (
            sql.select(attempts)
            .where(attempts.c.closed_at >= since, lacks)
            .order_by(attempts.c.closed_at, attempts.c.nonce)
        )
        with self._turn() as connection:
            rows = connection.execute(first.limit(most)).mappings()
            return [(row["closed_at"], attempt_of(row)) for row in rows]

    def unfinished(self) -> list[Attempt]:
        """What this process had under way when it ended."""
        with self._turn() as connection:
            wanted = sql.select(attempts).where(
                attempts.c.state == AttemptState.OPEN.value, attempts.c.owner == self._name
            )
            return [attempt_of(row) for row in connection.execute(wanted).mappings()]

    def _make_tables(self) -> None:
        with self._turn() as connection:
            metadata.create_all(connection)

    @contextmanager
    def _rows(self) -> Iterator[Rows]:
        """One transaction, of rows that are locked."""
        if self._file is None:
            with self._turn() as connection:
                yield SqlRows(connection)
            return
        try:
            with self._file.transaction() as rows:
                yield rows
        except sqlite3.Error as error:
            raise BookUnreachable(reason=type(error).__name__) from error

    @contextmanager
    def _turn(self) -> Iterator[sql.Connection]:
        """One transaction."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise BookUnreachable(reason=type(error).__name__) from error


def _engine_of(url: str) -> sql.Engine:
    """Raises: BookUrlInvalid."""
    try:
        parsed = sql.make_url(url)
        driver = _DRIVERS[parsed.drivername]
    except (ArgumentError, KeyError, ValueError) as error:
        raise BookUrlInvalid from error
    if driver != "sqlite":
        return sql.create_engine(parsed.set(drivername=driver), pool_pre_ping=True, pool_size=4)
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}  # they take turns
    engine = sql.create_engine(parsed, connect_args=arguments)
    sql.event.listen(engine, "connect", _prepare)
    sql.event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: object) -> None:
    """On disk when committed; transactions are begun by `_begin`, not by the driver."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sql.Connection) -> None:
    """Take the file at once: a reader that becomes a writer could be refused."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _connection_of(engine: sql.Engine) -> sqlite3.Connection:
    """One that stays, prepared like all others. Raises: BookUnreachable."""
    try:
        held = engine.raw_connection()
        found = held.driver_connection
        held.detach()
    except SQLAlchemyError as error:
        raise BookUnreachable(reason=type(error).__name__) from error
    assert isinstance(found, sqlite3.Connection)
    return found
