"""Transactions that wait: for an earlier nonce, for a lower base fee, or for mining by hand."""

from collections.abc import Iterator
from typing import Final

from offchain.chain.devnet.faults import Refused
from offchain.chain.devnet.ledger import Ledger
from offchain.chain.devnet.model import PoolEntry
from offchain.chain.devnet.transactions import Transaction, parse_transaction

MAX_WAITING: Final = 4_096


class TransactionPool:
    """The waiting transactions, in the ledger and by sender and nonce in memory."""

    def __init__(self, ledger: Ledger, chain_id: int) -> None:
        self._ledger = ledger
        self._by_hash: dict[bytes, Transaction] = {}
        self._by_place: dict[tuple[bytes, int], Transaction] = {}
        self._arrivals = 0
        for entry in ledger.pool():
            self._index(parse_transaction(entry.raw, chain_id))
            self._arrivals = max(self._arrivals, entry.arrival + 1)

    def __len__(self) -> int:
        return len(self._by_hash)

    def __iter__(self) -> Iterator[Transaction]:
        """All waiting transactions in order of arrival."""
        return iter(list(self._by_hash.values()))

    def get(self, transaction_hash: bytes) -> Transaction | None:
        return self._by_hash.get(transaction_hash)

    def at(self, sender: bytes, nonce: int) -> Transaction | None:
        return self._by_place.get((sender, nonce))

    def check_place(self, transaction: Transaction) -> None:
        """Raises: Refused when it waits already, underbids its rival, or the pool is full."""
        if transaction.hash in self._by_hash:
            raise Refused("already known")
        rival = self.at(transaction.sender, transaction.nonce)
        if rival is not None and not transaction.outbids(rival):
            raise Refused("replacement transaction underpriced")
        if rival is None and len(self) >= MAX_WAITING:
            raise Refused(f"txpool is full: {MAX_WAITING} transactions wait")

    def add(self, transaction: Transaction) -> None:
        """Keep a checked transaction, durably, in place of a rival with its nonce."""
        rival = self.at(transaction.sender, transaction.nonce)
        entry = PoolEntry(
            transaction.hash,
            transaction.raw,
            transaction.sender,
            transaction.nonce,
            self._arrivals,
        )
        self._ledger.add_to_pool(entry, replacing=None if rival is None else rival.hash)
        if rival is not None:
            self._unindex(rival)
        self._arrivals += 1
        self._index(transaction)

    def forget(self, transactions: list[Transaction]) -> None:
        """Drop from memory what the ledger dropped when it wrote a block."""
        for transaction in transactions:
            known = self._by_hash.get(transaction.hash)
            if known is not None:
                self._unindex(known)

    def drop(self, transactions: list[Transaction]) -> None:
        """Drop transactions that can never run any more."""
        if transactions:
            self._ledger.drop_from_pool([transaction.hash for transaction in transactions])
            self.forget(transactions)

    def clear(self) -> None:
        """Forget everything; the ledger has."""
        self._by_hash.clear()
        self._by_place.clear()

    def next_nonce(self, sender: bytes, account_nonce: int) -> int:
        """The first nonce of `sender` that neither the chain nor the pool has."""
        nonce = account_nonce
        while (sender, nonce) in self._by_place:
            nonce += 1
        return nonce

    def _index(self, transaction: Transaction) -> None:
        self._by_hash[transaction.hash] = transaction
        self._by_place[transaction.sender, transaction.nonce] = transaction

    def _unindex(self, transaction: Transaction) -> None:
        del self._by_hash[transaction.hash]
        del self._by_place[transaction.sender, transaction.nonce]
