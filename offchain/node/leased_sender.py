"""An account's sender, held only while something is sent, so that other processes get their turn.

One outbox has one owner at a time; a node that kept its operator's would shut out the operator's
own commands. The first of several threads opens it, the last one closes it. What a killed process
left in the outbox is finished by whoever opens it next.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Protocol

from offchain.chain.model import Address, Receipt, TypedCall
from offchain.chain.sender import TransactionSender, TxHandle


class Sends(Protocol):
    """What an adapter needs of a sender."""

    @property
    def account(self) -> Address: ...

    def execute(
        self, call: TypedCall, *, key: str, confirmations: int = 1, timeout_seconds: float = 120
    ) -> Receipt: ...


class SendsMany(Sends, Protocol):
    """A sender that also has many effects at once."""

    def send_many(self, calls: Sequence[tuple[str, TypedCall]]) -> list[TxHandle]: ...

    def wait(
        self, handle: TxHandle, *, confirmations: int = 1, timeout_seconds: float = 120
    ) -> Receipt: ...


class LeasedSender:
    """A `SendsMany` that opens the account's outbox when it is needed."""

    def __init__(self, account: Address, opening: Callable[[], TransactionSender]) -> None:
        self._account = account
        self._opening = opening
        self._lock = Lock()
        self._users = 0
        self._sender: TransactionSender | None = None

    @property
    def account(self) -> Address:
        return self._account

    def execute(
        self, call: TypedCall, *, key: str, confirmations: int = 1, timeout_seconds: float = 120
    ) -> Receipt:
        """As `TransactionSender.execute`. Raises: OutboxBusy while another process sends."""
        with self._lease() as sender:
            return sender.execute(
                call, key=key, confirmations=confirmations, timeout_seconds=timeout_seconds
            )

    def send_many(self, calls: Sequence[tuple[str, TypedCall]]) -> list[TxHandle]:
        """As `TransactionSender.send_many`. Raises: OutboxBusy while another process sends."""
        with self._lease() as sender:
            return sender.send_many(calls)

    def wait(
        self, handle: TxHandle, *, confirmations: int = 1, timeout_seconds: float = 120
    ) -> Receipt:
        """As `TransactionSender.wait`. Raises: OutboxBusy while another process sends."""
        with self._lease() as sender:
            return sender.wait(handle, confirmations=confirmations, timeout_seconds=timeout_seconds)

    @contextmanager
    def _lease(self) -> Iterator[TransactionSender]:
        with self._lock:
            sender = self._sender or self._opening()
            self._sender = sender
            self._users += 1
        try:
            yield sender
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._sender = None
                    sender.close()
