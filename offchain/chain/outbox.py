"""The durable outbox: one SQLite file, one account at a time behind a lock.

Every method that changes something has it on disk when it returns (WAL, synchronous FULL).

  meta      name -> value: chain id, genesis hash
  entries   one row an effect; (account, key) is unique
  attempts  the signed transactions of an entry that is not final
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from offchain.chain.clock import Clock, SystemClock
from offchain.chain.errors import OutboxBusy, OutboxCorrupt, OutboxForeign, OutboxUnwritable
from offchain.chain.fees import Offer
from offchain.chain.model import Address, BlockHash, TransactionHash, show_address
from offchain.chain.outbox_model import Attempt, Entry, Inclusion, Intent, State
from offchain.chain.sqlite_file import connect, transaction

LOCK_POLL_SECONDS: Final = 0.05
MAX_VARIABLES: Final = 900  # in one SQL statement
MAX_NONCE: Final = 2**63 - 1  # what SQLite counts to
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
  id INTEGER PRIMARY KEY, account BLOB NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL,
  receiver BLOB, data BLOB NOT NULL, value_wei TEXT NOT NULL, gas INTEGER NOT NULL,
  contract TEXT NOT NULL, function TEXT NOT NULL, state TEXT NOT NULL, nonce INTEGER,
  mined_hash BLOB, block_number INTEGER, block_hash BLOB, reason TEXT NOT NULL DEFAULT '',
  is_final INTEGER NOT NULL DEFAULT 0, UNIQUE (account, key));
CREATE UNIQUE INDEX IF NOT EXISTS one_entry_a_nonce ON entries (account, nonce)
  WHERE nonce IS NOT NULL AND is_final = 0;
CREATE INDEX IF NOT EXISTS unfinished ON entries (account) WHERE is_final = 0;
CREATE TABLE IF NOT EXISTS attempts (
  entry INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE, number INTEGER NOT NULL,
  raw BLOB NOT NULL, max_fee_wei TEXT NOT NULL, tip_wei TEXT NOT NULL, signed_at REAL NOT NULL,
  PRIMARY KEY (entry, number)) WITHOUT ROWID;
"""
_COLUMNS: Final = (
    "id, key, digest, receiver, data, value_wei, gas, contract, function, state, nonce, "
    "mined_hash, block_number, block_hash, reason, is_final"
)
_ATTEMPT: Final = "entry, raw, max_fee_wei, tip_wei, signed_at"


class Outbox:
    """The outbox of one account. Close it to let another process in."""

    def __init__(self, database: sqlite3.Connection, account: Address, lock: int) -> None:
        self._database = database
        self._account = bytes(account)
        self._lock: int | None = lock

    @classmethod
    def open(
        cls, path: Path, account: Address, *, lock_seconds: float = 0, clock: Clock | None = None
    ) -> "Outbox":
        """Raises: OutboxBusy when another sender has the lock, OutboxUnwritable, OutboxCorrupt."""
        with _storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = _take_lock(path, account, lock_seconds, clock or SystemClock())
            try:
                return cls(connect(path, _SCHEMA), account, lock)
            except BaseException:
                os.close(lock)
                raise

    def close(self) -> None:
        self._database.close()
        # The number may belong to another file by now; let go of it once only.
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def bind_chain(self, chain_id: int, genesis: bytes) -> None:
        """Remember the chain on first use, compare later. Raises: OutboxForeign."""
        wanted = {"chain_id": str(chain_id), "genesis": genesis.hex()}
        with self._transaction() as database:
            found = dict(database.execute("SELECT name, value FROM meta").fetchall())
            if not found:
                database.executemany("INSERT INTO meta VALUES (?, ?)", wanted.items())
            elif found != wanted:
                raise OutboxForeign(
                    wanted_chain_id=chain_id,
                    found_chain_id=found.get("chain_id"),
                    wanted_genesis=wanted["genesis"],
                    found_genesis=found.get("genesis"),
                )

    # Reading

    def find(self, key: str) -> Entry | None:
        """The entry of an idempotency key."""
        found = self._entries("key = ?", (key,))
        return found[0] if found else None

    def find_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        """The entries there are for these keys."""
        found: list[Entry] = []
        for start in range(0, len(keys), MAX_VARIABLES):
            part = keys[start : start + MAX_VARIABLES]
            found += self._entries(f"key IN ({','.join('?' * len(part))})", tuple(part))
        return {entry.intent.key: entry for entry in found}

    def get(self, entry_id: int) -> Entry | None:
        return self.get_many([entry_id]).get(entry_id)

    def get_many(self, entry_ids: Sequence[int]) -> dict[int, Entry]:
        """The entries there are for these ids."""
        found: list[Entry] = []
        for start in range(0, len(entry_ids), MAX_VARIABLES):
            part = entry_ids[start : start + MAX_VARIABLES]
            found += self._entries(f"id IN ({','.join('?' * len(part))})", tuple(part))
        return {entry.id: entry for entry in found}

    def intents(self) -> list[Entry]:
        """Decided, not signed; in the order they came."""
        return self._entries("is_final = 0 AND state = 'intent'", ())

    def sent(self, *, first: int = 0, below: int = MAX_NONCE) -> list[Entry]:
        """Signed and not known to be in a block, by nonce: first <= nonce < below."""
        condition = "is_final = 0 AND state = 'sent' AND nonce >= ? AND nonce < ?"
        return self._entries(condition, (first, below), order="nonce")

    def included_blocks(self) -> list[tuple[int, BlockHash]]:
        """The blocks, not deep yet, that hold entries: number and hash, oldest first."""
        with _storage_errors():
            rows = self._database.execute(
                "SELECT DISTINCT block_number, block_hash FROM entries WHERE account = ? "
                "AND is_final = 0 AND state IN ('mined', 'reverted') ORDER BY block_number",
                (self._account,),
            ).fetchall()
        return [(number, BlockHash(block_hash)) for number, block_hash in rows]

    def included_in(self, block_hash: BlockHash) -> list[Entry]:
        """What was mined in one block and is not final, by nonce."""
        condition = "is_final = 0 AND state IN ('mined', 'reverted') AND block_hash = ?"
        return self._entries(condition, (block_hash,), order="nonce")

    def highest_nonce(self) -> int | None:
        """The highest nonce in flight, or None."""
        with _storage_errors():
            row = self._database.execute(
                "SELECT max(nonce) FROM entries WHERE account = ? AND is_final = 0",
                (self._account,),
            ).fetchone()
        return None if row[0] is None else int(row[0])

    # Changing

    def add(self, intents: Sequence[Intent]) -> list[int]:
        """Record what was decided; entry ids in order."""
        with self._transaction() as database:
            return [self._insert(database, one) for one in intents]

    def reopen(self, entry_id: int, intent: Intent) -> None:
        """A final revert, an entry whose nonce a stranger took, or an intent with other gas."""
        with self._transaction() as database:
            database.execute("DELETE FROM attempts WHERE entry = ?", (entry_id,))
            database.execute(
                "UPDATE entries SET state = ?, nonce = NULL, mined_hash = NULL, is_final = 0, "
                "block_number = NULL, block_hash = NULL, reason = '', data = ?, gas = ? "
                "WHERE id = ?",
                (State.INTENT.value, intent.data, intent.gas, entry_id),
            )

    def record_signed(self, signed: Iterable[tuple[int, int, Attempt]]) -> None:
        """(entry id, nonce, attempt): give intents their nonces and their bytes, at once."""
        with self._transaction() as database:
            for entry_id, nonce, attempt in signed:
                database.execute(
                    "UPDATE entries SET state = ?, nonce = ? WHERE id = ?",
                    (State.SENT.value, nonce, entry_id),
                )
                _insert_attempt(database, entry_id, attempt)

    def add_attempts(self, attempts: Iterable[tuple[int, Attempt]]) -> None:
        """(entry id, attempt): replacements with a higher offer."""
        with self._transaction() as database:
            for entry_id, attempt in attempts:
                _insert_attempt(database, entry_id, attempt)

    def record_mined(self, mined: Iterable[tuple[int, State, Inclusion]]) -> None:
        """(entry id, MINED or REVERTED, where)."""
        with self._transaction() as database:
            database.executemany(
                "UPDATE entries SET state = ?, mined_hash = ?, block_number = ?, block_hash = ?, "
                "reason = ? WHERE id = ?",
                [
                    (
                        state.value,
                        where.transaction_hash,
                        where.block_number,
                        where.block_hash,
                        where.reason,
                        entry_id,
                    )
                    for entry_id, state, where in mined
                ],
            )

    def record_unmined(self, entry_ids: Iterable[int]) -> None:
        """The block they were in left the chain."""
        with self._transaction() as database:
            database.executemany(
                "UPDATE entries SET state = ?, mined_hash = NULL, block_number = NULL, "
                "block_hash = NULL, reason = '' WHERE id = ?",
                [(State.SENT.value, entry_id) for entry_id in entry_ids],
            )

    def finish(self, last_block: int) -> None:
        """Settle what was mined up to a block: keep key, digest and outcome, drop the bytes."""
        wanted = (
            "account = ? AND is_final = 0 AND state IN ('mined', 'reverted') AND block_number <= ?"
        )
        values = (self._account, last_block)
        with self._transaction() as database:
            # The condition is a constant of this function.
            entries = f"SELECT id FROM entries WHERE {wanted}"  # noqa: S608
            database.execute(f"DELETE FROM attempts WHERE entry IN ({entries})", values)  # noqa: S608
            database.execute(
                f"UPDATE entries SET is_final = 1, data = x'' WHERE {wanted}",  # noqa: S608
                values,
            )

    def refuse(self, entry_id: int, reason: str) -> None:
        """An intent that the contract refuses now: final, without a transaction."""
        with self._transaction() as database:
            database.execute(
                "UPDATE entries SET state = ?, reason = ?, is_final = 1, data = x'' WHERE id = ?",
                (State.REVERTED.value, reason, entry_id),
            )

    def turn_into_filler(self, entry_id: int, filler: Intent, attempt: Attempt) -> None:
        """Keep the nonce of an effect that no node takes, for a transaction that does nothing."""
        with self._transaction() as database:
            database.execute("DELETE FROM attempts WHERE entry = ?", (entry_id,))
            database.execute(
                "UPDATE entries SET key = ?, digest = ?, receiver = ?, data = ?, value_wei = ?, "
                "gas = ?, contract = ?, function = ? WHERE id = ?",
                (
                    filler.key,
                    filler.digest,
                    filler.to,
                    filler.data,
                    str(filler.value_wei),
                    filler.gas,
                    filler.contract,
                    filler.function,
                    entry_id,
                ),
            )
            _insert_attempt(database, entry_id, attempt)

    def forget(self, entry_id: int) -> None:
        """An entry that no node ever took."""
        with self._transaction() as database:
            database.execute("DELETE FROM entries WHERE id = ?", (entry_id,))

    # Internal

    def _entries(self, condition: str, values: tuple[Any, ...], order: str = "id") -> list[Entry]:
        # Columns, conditions and orders are constants of this file.
        wanted = f"account = ? AND {condition}"
        known = (self._account, *values)
        with _storage_errors():
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM entries WHERE {wanted} ORDER BY {order}",  # noqa: S608
                known,
            ).fetchall()
            within = f"SELECT id FROM entries WHERE {wanted}"  # noqa: S608
            attempts = self._database.execute(
                f"SELECT {_ATTEMPT} FROM attempts WHERE entry IN ({within}) ORDER BY entry, number",  # noqa: S608
                known,
            ).fetchall()
        by_entry: dict[int, list[Attempt]] = {}
        for entry_id, raw, max_fee, tip, signed_at in attempts:
            offer = Offer(int(max_fee), int(tip))
            by_entry.setdefault(entry_id, []).append(Attempt(raw, offer, signed_at))
        return [_read_entry(row, tuple(by_entry.get(row[0], ()))) for row in rows]

    def _insert(self, database: sqlite3.Connection, intent: Intent) -> int:
        cursor = database.execute(
            "INSERT INTO entries (account, key, digest, receiver, data, value_wei, gas, contract, "
            "function, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._account,
                intent.key,
                intent.digest,
                intent.to,
                intent.data,
                str(intent.value_wei),
                intent.gas,
                intent.contract,
                intent.function,
                State.INTENT.value,
            ),
        )
        return int(cursor.lastrowid or 0)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _storage_errors(), transaction(self._database) as database:
            yield database


def _take_lock(path: Path, account: Address, lock_seconds: float, clock: Clock) -> int:
    """A lock that the system lets go of when the process ends, however it ends."""
    name = path.with_name(f"{path.name}.{account.hex()}.lock")
    lock = os.open(name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    deadline = clock.now() + lock_seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if clock.now() >= deadline:
                os.close(lock)
                raise OutboxBusy(account=show_address(account), file=path.name) from error
            clock.sleep(LOCK_POLL_SECONDS)
        else:
            return lock


def _insert_attempt(database: sqlite3.Connection, entry_id: int, attempt: Attempt) -> None:
    database.execute(
        "INSERT INTO attempts (entry, number, raw, max_fee_wei, tip_wei, signed_at) "
        "SELECT ?, count(*), ?, ?, ?, ? FROM attempts WHERE entry = ?",
        (
            entry_id,
            attempt.raw,
            str(attempt.offer.max_fee_wei),
            str(attempt.offer.tip_wei),
            attempt.signed_at,
            entry_id,
        ),
    )


def _read_entry(row: tuple[Any, ...], attempts: tuple[Attempt, ...]) -> Entry:
    (entry_id, key, digest, to, data, value, gas, contract, function, *rest) = row
    state, nonce, mined_hash, block_number, block_hash, reason, is_final = rest
    if state != State.INTENT.value and not is_final and not attempts:
        raise OutboxCorrupt(reason="a sent entry without signed bytes", key=key)
    inclusion = None
    if mined_hash is not None or (state == State.REVERTED.value and reason):
        inclusion = Inclusion(
            TransactionHash(mined_hash or b""),
            block_number or 0,
            BlockHash(block_hash or b""),
            reason,
        )
    return Entry(
        id=entry_id,
        intent=Intent(
            key=key,
            digest=digest,
            to=None if to is None else Address(to),
            data=data,
            value_wei=int(value),
            gas=gas,
            contract=contract,
            function=function,
        ),
        state=State(state),
        nonce=nonce,
        attempts=attempts,
        inclusion=inclusion,
        is_final=bool(is_final),
    )


@contextlib.contextmanager
def _storage_errors(path: Path | None = None) -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise OutboxUnwritable(file=path and path.name, reason=str(error)) from error
    except sqlite3.DatabaseError as error:
        raise OutboxCorrupt(file=path and path.name, reason=str(error)) from error
