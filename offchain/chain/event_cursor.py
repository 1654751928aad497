"""Where a reader of events is, durably: the last blocks it applied, with hashes and logs.

One SQLite file holds any number of cursors by name.

  cursors  name -> first block, next block
  blocks   the newest blocks of a cursor that hold logs or end a range: number, hash
  logs     the logs of those blocks, to be taken back when the block leaves the chain
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.chain.errors import CursorBroken
from offchain.chain.model import Address, BlockHash, Log, TransactionHash
from offchain.chain.sqlite_file import connect, transaction
from offchain.core.units import BlockNumber

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, next_block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (name TEXT NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (name, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (name TEXT NOT NULL, block_number INTEGER NOT NULL,
  log_index INTEGER NOT NULL, block_hash BLOB NOT NULL, transaction_hash BLOB NOT NULL,
  address BLOB NOT NULL, topics BLOB NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (name, block_number, log_index)) WITHOUT ROWID;
"""
_TOPIC_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Advance:
    """What one commit changes: keep blocks below `keep_below`, then add these.

    `forget_below`: blocks under this number are too deep to leave the chain.
    """

    keep_below: int
    blocks: tuple[tuple[BlockNumber, BlockHash], ...]
    logs: tuple[Log, ...]
    next_block: int
    forget_below: int


class EventCursor:
    """One named cursor in one file."""

    def __init__(self, database: sqlite3.Connection, name: str) -> None:
        self._database = database
        self._name = name

    @classmethod
    def open(cls, path: Path, *, name: str) -> "EventCursor":
        """Raises: CursorBroken."""
        with _storage_errors(path):
            return cls(connect(path, _SCHEMA), name)

    def close(self) -> None:
        self._database.close()

    def next_block(self) -> int | None:
        """The first block not applied yet; None before the first commit."""
        with _storage_errors():
            row = self._database.execute(
                "SELECT next_block FROM cursors WHERE name = ?", (self._name,)
            ).fetchone()
        return None if row is None else int(row[0])

    def blocks(self) -> list[tuple[BlockNumber, BlockHash]]:
        """The remembered blocks, newest first."""
        with _storage_errors():
            rows = self._database.execute(
                "SELECT number, hash FROM blocks WHERE name = ? ORDER BY number DESC",
                (self._name,),
            ).fetchall()
        return [(BlockNumber(number), BlockHash(block_hash)) for number, block_hash in rows]

    def hash_of(self, number: int) -> BlockHash | None:
        """The remembered hash of one block."""
        return dict(self.blocks()).get(BlockNumber(number))

    def logs_from(self, number: int) -> list[Log]:
        """Remembered logs of this block and later ones, newest first, marked as removed."""
        with _storage_errors():
            rows = self._database.execute(
                "SELECT address, topics, data, block_number, block_hash, transaction_hash, "
                "log_index FROM logs WHERE name = ? AND block_number >= ? "
                "ORDER BY block_number DESC, log_index DESC",
                (self._name, number),
            ).fetchall()
        return [
            Log(
                address=Address(address),
                topics=tuple(
                    topics[start : start + _TOPIC_BYTES]
                    for start in range(0, len(topics), _TOPIC_BYTES)
                ),
                data=data,
                block_number=BlockNumber(block_number),
                block_hash=BlockHash(block_hash),
                transaction_hash=TransactionHash(transaction_hash),
                log_index=log_index,
                is_removed=True,
            )
            for address, topics, data, block_number, block_hash, transaction_hash, log_index in rows
        ]

    def advance(self, step: Advance) -> None:
        """Move, durably and at once."""
        with _storage_errors(), transaction(self._database):
            self._write(step)

    def _write(self, step: Advance) -> None:
        limits = (self._name, step.keep_below, step.forget_below)
        self._database.execute(
            "DELETE FROM blocks WHERE name = ? AND (number >= ? OR number < ?)", limits
        )
        self._database.execute(
            "DELETE FROM logs WHERE name = ? AND (block_number >= ? OR block_number < ?)", limits
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)",
            [(self._name, number, block_hash) for number, block_hash in step.blocks],
        )
        self._database.executemany(
            "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", self._rows(step.logs)
        )
        self._database.execute(
            "INSERT INTO cursors VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET next_block = excluded.next_block",
            (self._name, step.next_block),
        )

    def _rows(self, logs: Sequence[Log]) -> list[tuple[object, ...]]:
        return [
            (
                self._name,
                one.block_number,
                one.log_index,
                one.block_hash,
                one.transaction_hash,
                one.address,
                b"".join(one.topics),
                one.data,
            )
            for one in logs
        ]


@contextlib.contextmanager
def _storage_errors(path: Path | None = None) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise CursorBroken(file=path and path.name, reason=str(error)) from error
