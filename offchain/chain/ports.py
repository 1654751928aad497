"""What Apogee needs from an EVM node: a transport for JSON-RPC, and on it reading and writing.

`Transport` has two adapters: adapters/rpc.py (HTTP) and adapters/memory.py (the embedded node's
real EVM, in this process). `Node` (node.py) reads and writes over either. All are synchronous.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from offchain.chain.model import (
    Address,
    Block,
    BlockRef,
    Call,
    FeeQuote,
    Log,
    LogFilter,
    Receipt,
    TransactionHash,
)
from offchain.core.errors import ApogeeError


@dataclass(frozen=True, slots=True)
class Question:
    """One JSON-RPC request; `params` are JSON values."""

    method: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """The `error` member of an answer."""

    code: int
    message: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The `result` of a request, or its fault."""

    result: Any = None
    fault: Fault | None = None


class Transport(Protocol):
    """Carries JSON-RPC requests to one node."""

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer for each question, in order; many travel together.

        Raises: NodeUnreachable, NodeOverloaded, AnswerMalformed.
        """
        ...

    def close(self) -> None: ...


class ChainReader(Protocol):
    """The chain as it was at a named block.

    Raises: Unavailable kinds when the node does not answer; BlockUnknown when the block left.
    """

    def chain_id(self) -> int: ...

    def block(self, at: BlockRef | None = None) -> Block:
        """A block; None is the newest. Raises: BlockUnknown."""
        ...

    def calls(self, calls: Sequence[Call], *, at: BlockRef) -> list[bytes]:
        """What each call returns, all at one block. Raises: CallReverted with the first's index."""
        ...

    def logs(self, wanted: LogFilter) -> list[Log]:
        """Logs in chain order. Raises: TooManyResults when the range must be shorter."""
        ...

    def receipt(self, transaction: TransactionHash) -> Receipt | None:
        """None while it is not in the chain."""
        ...

    def balance(self, address: Address, *, at: BlockRef) -> int:
        """Wei."""
        ...

    def code(self, address: Address, *, at: BlockRef) -> bytes: ...


class ChainWriter(Protocol):
    """What sending needs beyond reading. Raises as ChainReader does."""

    def nonce(self, address: Address, *, at: BlockRef | None = None) -> int:
        """Transactions mined up to a block; None counts those that wait as well."""
        ...

    def estimate(self, calls: Sequence[Call]) -> list[int]:
        """Gas for each call on the pending block.

        Raises: CallReverted; InsufficientFunds from nodes that look at the balance.
        """
        ...

    def fees(self) -> FeeQuote:
        """What the next block asks."""
        ...

    def broadcast(self, signed: Sequence[bytes]) -> list[ApogeeError | None]:
        """Hand over signed transactions; None means the node has it (now or already).

        Refusals come back in place: NonceTaken, FeeTooLow, InsufficientFunds, NodeOverloaded,
        TransactionRefused.
        """
        ...

    def receipts(self, transactions: Sequence[TransactionHash]) -> list[Receipt | None]:
        """In order; None while one is not in the chain."""
        ...


class Chain(ChainReader, ChainWriter, Protocol):
    """A node that is read and written."""


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """Every field of an EIP-1559 transaction before its signature."""

    chain_id: int
    nonce: int
    to: Address | None
    data: bytes = field(repr=False)
    value_wei: int
    gas: int
    max_fee_wei: int
    tip_wei: int


class Signer(Protocol):
    """A key that signs for one account and shows nothing of itself."""

    @property
    def address(self) -> Address: ...

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        """The signed EIP-1559 transaction, ready to broadcast."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r || s || v over a 32-byte digest; v is 27 or 28, s is low."""
        ...
