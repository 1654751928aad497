"""What the outbox keeps: an effect somebody decided on, and every signed form of it.

  INTENT --sign--> SENT --block--> MINED ----deep--> final
    ^                |    <-reorg--            (data and signed bytes are dropped)
    |                +---block--> REVERTED --deep--> final --same key again--> INTENT
    +--nonce taken by a stranger, deep--+

An INTENT has no nonce and no signed bytes: nobody can have seen it. Everything later keeps one
nonce for all its attempts, so at most one of them is ever mined.
Source: docs/decisions/0004-transaction-outbox.md.
"""

from dataclasses import dataclass, field
from enum import Enum

from offchain.chain.fees import Offer
from offchain.chain.model import Address, BlockHash, TransactionHash
from offchain.core.hashing import keccak


class State(Enum):
    """Where an entry is."""

    INTENT = "intent"
    SENT = "sent"
    MINED = "mined"
    REVERTED = "reverted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed form: same effect and nonce, its own fee."""

    raw: bytes = field(repr=False)
    offer: Offer
    signed_at: float

    @property
    def hash(self) -> TransactionHash:
        return TransactionHash(keccak(self.raw))


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The block an attempt was mined in; `reason` says why it reverted."""

    transaction_hash: TransactionHash
    block_number: int
    block_hash: BlockHash
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect to have once; `digest` covers receiver, value and data."""

    key: str
    digest: bytes
    to: Address | None
    data: bytes = field(repr=False)
    value_wei: int
    gas: int
    contract: str
    function: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An intent and how far it has come; attempts are oldest first."""

    id: int
    intent: Intent
    state: State
    nonce: int | None
    attempts: tuple[Attempt, ...]
    inclusion: Inclusion | None
    is_final: bool

    @property
    def latest(self) -> Attempt:
        """The attempt with the highest offer; only after signing."""
        return self.attempts[-1]
