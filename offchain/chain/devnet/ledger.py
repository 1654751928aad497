"""The node's disk: one SQLite file that holds trie nodes, blocks, transactions, logs and the pool.

A block is one SQLite transaction in WAL mode, so a process killed at any moment leaves the chain
at the last block it acknowledged. Trie nodes are addressed by their hash and never overwritten;
a rollback forgets blocks and leaves their nodes behind.

  table        key                    holds
  node         hash                   trie nodes and contract code
  block        number                 header RLP, state root after the block
  transaction_ hash                   raw bytes, sender, place, receipt fields
  log          block, index           address, up to four topics, data
  pool         hash                   transactions not mined yet
  setting      name                   time offset, block counter, mining mode
"""

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import rlp
from eth.db.backends.base import BaseDB
from eth.vm.forks.prague.blocks import PragueBlockHeader

from offchain.chain.devnet.model import (
    Block,
    Log,
    LogQuery,
    MinedTransaction,
    PlacedLog,
    PoolEntry,
    Receipt,
)
from offchain.core.errors import Corrupt

CACHED_NODES: Final = 200_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS node (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block (
  number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, timestamp INTEGER NOT NULL,
  header BLOB NOT NULL, state_root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS transaction_ (
  hash BLOB PRIMARY KEY, block INTEGER NOT NULL, position INTEGER NOT NULL, raw BLOB NOT NULL,
  sender BLOB NOT NULL, succeeded INTEGER NOT NULL, gas_used INTEGER NOT NULL,
  cumulative_gas INTEGER NOT NULL, gas_price TEXT NOT NULL, created BLOB,
  first_log INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS transaction_place ON transaction_ (block, position);
CREATE TABLE IF NOT EXISTS log (
  block INTEGER NOT NULL, log_index INTEGER NOT NULL, position INTEGER NOT NULL,
  address BLOB NOT NULL, topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB, data BLOB NOT NULL,
  PRIMARY KEY (block, log_index)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_address ON log (address, block);
CREATE TABLE IF NOT EXISTS pool (
  hash BLOB PRIMARY KEY, raw BLOB NOT NULL, sender BLOB NOT NULL, nonce INTEGER NOT NULL,
  arrival INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_LOG_COLUMNS: Final = (
    "log.block, log.log_index, log.position, log.address, topic0, topic1, topic2, topic3, log.data"
)


class DamagedLedger(Corrupt):
    """The chain file does not hold what it must."""

    code = "devnet.ledger.damaged"
    next_step = "Remove the devnet's state directory and start a new chain."


class NodeStore(BaseDB):
    """Trie nodes by hash: pending writes, then a bounded cache, then the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pending: dict[bytes, bytes] = {}
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()

    def __getitem__(self, key: bytes) -> bytes:
        value = self._pending.get(key)
        if value is None:
            value = self._cache.get(key)
        if value is None:
            row = self._connection.execute("SELECT value FROM node WHERE key = ?", (key,))
            found = row.fetchone()
            if found is None:
                raise KeyError(key)
            value = bytes(found[0])
            self._remember(key, value)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def __delitem__(self, key: bytes) -> None:
        self._pending.pop(key, None)  # nodes of older states stay readable

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def write_pending(self) -> None:
        """Hand pending nodes to the open SQLite transaction."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO node VALUES (?, ?)", self._pending.items()
        )
        for key, value in self._pending.items():
            self._remember(key, value)
        self._pending.clear()

    def discard_pending(self) -> None:
        """Forget the nodes of a block that is not going to be written."""
        self._pending.clear()

    def forget_unwritten(self) -> None:
        """After a failed write the cache may hold nodes that the file has not."""
        self._pending.clear()
        self._cache.clear()

    def _remember(self, key: bytes, value: bytes) -> None:
        self._cache[key] = value
        if len(self._cache) > CACHED_NODES:
            self._cache.popitem(last=False)


class Ledger:
    """Blocks and what hangs on them. One thread uses it."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the file at `path`; in memory when None."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        target = ":memory:" if path is None else str(path)
        self._connection = sqlite3.connect(target, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise DamagedLedger(path=target, reason=str(error)) from error
        self.nodes = NodeStore(self._connection)

    def close(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    # Blocks

    def head_number(self) -> int | None:
        """The number of the newest block; None in an empty file."""
        row = self._connection.execute("SELECT max(number) FROM block").fetchone()
        return None if row[0] is None else int(row[0])

    def block(self, number: int) -> Block | None:
        return self._block("SELECT header, state_root FROM block WHERE number = ?", number)

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        return self._block("SELECT header, state_root FROM block WHERE hash = ?", block_hash)

    def block_hash(self, number: int) -> bytes | None:
        row = self._connection.execute("SELECT hash FROM block WHERE number = ?", (number,))
        found = row.fetchone()
        return None if found is None else bytes(found[0])

    def append(
        self, block: Block, transactions: Iterable[MinedTransaction], settings: dict[str, object]
    ) -> None:
        """Write one block with all that belongs to it, or nothing."""
        with self._atomically():
            self._connection.execute(
                "INSERT INTO block VALUES (?, ?, ?, ?, ?)",
                (
                    block.number,
                    block.hash,
                    block.header.timestamp,
                    rlp.encode(block.header),
                    block.state_root,
                ),
            )
            for mined in transactions:
                self._insert_transaction(mined)
            self._write_settings(settings)
            self.nodes.write_pending()

    def set_head_state(self, state_root: bytes) -> None:
        """Replace the state after the newest block, for hand edits of state."""
        with self._atomically():
            self._connection.execute(
                "UPDATE block SET state_root = ? WHERE number = (SELECT max(number) FROM block)",
                (state_root,),
            )
            self.nodes.write_pending()

    def roll_back_to(
        self, number: int, settings: dict[str, object], state_root: bytes | None = None
    ) -> None:
        """Forget every block above `number` and the whole pool; restore its state root if given."""
        with self._atomically():
            self._connection.execute("DELETE FROM block WHERE number > ?", (number,))
            self._connection.execute("DELETE FROM transaction_ WHERE block > ?", (number,))
            self._connection.execute("DELETE FROM log WHERE block > ?", (number,))
            self._connection.execute("DELETE FROM pool")
            if state_root is not None:
                self._connection.execute(
                    "UPDATE block SET state_root = ? WHERE number = ?", (state_root, number)
                )
            self._write_settings(settings)

    # Transactions and logs

    def transaction(self, transaction_hash: bytes) -> MinedTransaction | None:
        found = self._transactions("t.hash = ?", transaction_hash)
        return found[0] if found else None

    def transactions_of(self, number: int) -> list[MinedTransaction]:
        return self._transactions("t.block = ?", number)

    def logs(self, query: LogQuery, *, limit: int) -> list[PlacedLog]:
        """The first `limit` matching logs in chain order."""
        clauses = ["log.block BETWEEN ? AND ?"]
        arguments: list[object] = [query.first_block, query.last_block]
        if query.addresses:
            clauses.append(f"log.address IN ({_marks(query.addresses)})")
            arguments.extend(query.addresses)
        for position, alternatives in enumerate(query.topics):
            if alternatives:
                clauses.append(f"topic{position} IN ({_marks(alternatives)})")
                arguments.extend(alternatives)
            else:
                clauses.append(f"topic{position} IS NOT NULL")
        statement = (
            f"SELECT {_LOG_COLUMNS}, block.hash, block.timestamp, t.hash FROM log"  # noqa: S608
            " JOIN block ON block.number = log.block"
            " JOIN transaction_ t ON t.block = log.block AND t.position = log.position"
            f" WHERE {' AND '.join(clauses)} ORDER BY log.block, log.log_index LIMIT ?"
        )
        rows = self._connection.execute(statement, (*arguments, limit)).fetchall()
        return [
            PlacedLog(
                log=_log_from_row(row),
                block_number=row[0],
                block_hash=bytes(row[9]),
                block_timestamp=row[10],
                transaction_hash=bytes(row[11]),
                transaction_position=row[2],
                log_index=row[1],
            )
            for row in rows
        ]

    # Pool and settings

    def pool(self) -> list[PoolEntry]:
        rows = self._connection.execute(
            "SELECT hash, raw, sender, nonce, arrival FROM pool ORDER BY arrival"
        )
        return [PoolEntry(bytes(r[0]), bytes(r[1]), bytes(r[2]), r[3], r[4]) for r in rows]

    def add_to_pool(self, entry: PoolEntry, *, replacing: bytes | None = None) -> None:
        with self._atomically():
            if replacing is not None:
                self._connection.execute("DELETE FROM pool WHERE hash = ?", (replacing,))
            self._connection.execute(
                "INSERT INTO pool VALUES (?, ?, ?, ?, ?)",
                (entry.hash, entry.raw, entry.sender, entry.nonce, entry.arrival),
            )

    def drop_from_pool(self, hashes: Iterable[bytes]) -> None:
        with self._atomically():
            self._connection.executemany(
                "DELETE FROM pool WHERE hash = ?", [(gone,) for gone in hashes]
            )

    def setting(self, name: str) -> Any:
        """The JSON value kept under `name`; None when there is none."""
        row = self._connection.execute("SELECT value FROM setting WHERE name = ?", (name,))
        found = row.fetchone()
        return None if found is None else json.loads(found[0])

    def save_settings(self, settings: dict[str, object]) -> None:
        with self._atomically():
            self._write_settings(settings)

    # Internal

    def _atomically(self) -> "_Transaction":
        return _Transaction(self._connection, self.nodes)

    def _block(self, statement: str, key: object) -> Block | None:
        found = self._connection.execute(statement, (key,)).fetchone()
        if found is None:
            return None
        header = rlp.decode(bytes(found[0]), sedes=PragueBlockHeader)
        hashes = self._connection.execute(
            "SELECT hash FROM transaction_ WHERE block = ? ORDER BY position",
            (header.block_number,),
        )
        return Block(header, bytes(found[1]), tuple(bytes(row[0]) for row in hashes))

    def _transactions(self, condition: str, key: object) -> list[MinedTransaction]:
        rows = self._connection.execute(
            "SELECT t.hash, t.raw, t.sender, t.block, block.hash, t.position, t.first_log,"  # noqa: S608
            " t.succeeded, t.gas_used, t.cumulative_gas, t.gas_price, t.created"
            " FROM transaction_ t JOIN block ON block.number = t.block"
            f" WHERE {condition} ORDER BY t.position",
            (key,),
        ).fetchall()
        return [self._mined_from_row(row) for row in rows]

    def _mined_from_row(self, row: tuple[Any, ...]) -> MinedTransaction:
        logs = self._connection.execute(
            f"SELECT {_LOG_COLUMNS} FROM log WHERE block = ? AND position = ? ORDER BY log_index",  # noqa: S608
            (row[3], row[5]),
        )
        return MinedTransaction(
            hash=bytes(row[0]),
            raw=bytes(row[1]),
            sender=bytes(row[2]),
            block_number=row[3],
            block_hash=bytes(row[4]),
            position=row[5],
            first_log_index=row[6],
            receipt=Receipt(
                succeeded=bool(row[7]),
                gas_used=row[8],
                cumulative_gas_used=row[9],
                effective_gas_price_wei=int(row[10]),
                contract_address=None if row[11] is None else bytes(row[11]),
                logs=tuple(_log_from_row(log) for log in logs),
            ),
        )

    def _insert_transaction(self, mined: MinedTransaction) -> None:
        receipt = mined.receipt
        self._connection.execute("DELETE FROM pool WHERE hash = ?", (mined.hash,))
        self._connection.execute(
            "INSERT INTO transaction_ VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                mined.hash,
                mined.block_number,
                mined.position,
                mined.raw,
                mined.sender,
                receipt.succeeded,
                receipt.gas_used,
                receipt.cumulative_gas_used,
                str(receipt.effective_gas_price_wei),
                receipt.contract_address,
                mined.first_log_index,
            ),
        )
        for offset, log in enumerate(receipt.logs):
            topics = (*log.topics, *(None,) * (4 - len(log.topics)))
            index = mined.first_log_index + offset
            self._connection.execute(
                "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (mined.block_number, index, mined.position, log.address, *topics, log.data),
            )

    def _write_settings(self, settings: dict[str, object]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO setting VALUES (?, ?)",
            [(name, json.dumps(value)) for name, value in settings.items()],
        )


class _Transaction:
    """BEGIN ... COMMIT; on any exception ROLLBACK and forget the pending nodes."""

    def __init__(self, connection: sqlite3.Connection, nodes: NodeStore) -> None:
        self._connection = connection
        self._nodes = nodes

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        else:
            if self._connection.in_transaction:  # SQLite ends it itself when the disk is full
                self._connection.execute("ROLLBACK")
            self._nodes.forget_unwritten()


def _marks(values: tuple[bytes, ...]) -> str:
    return ",".join("?" * len(values))


def _log_from_row(row: tuple[Any, ...]) -> Log:
    topics = tuple(bytes(topic) for topic in row[4:8] if topic is not None)
    return Log(address=bytes(row[3]), topics=topics, data=bytes(row[8]))
