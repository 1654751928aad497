"""What disputes about a blob need from the chain: challenges, answers, fraud proofs, the lottery.

All synchronous: use cases call them in a thread. A call that sends a transaction returns once it is
mined and has its effect once, however often it is repeated, also by another process of the account.
Raises: Unavailable when no node of the chain answers, Rejected or Conflict when a contract refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from offchain.core.units import Seconds, Wei
from offchain.core.wire import LeafFrame, Row
from offchain.da.challenge_book import Asked
from offchain.da.fraud import FraudProof
from offchain.da.ports import Settlement
from offchain.da.sampling_book import Round


class Fate(Enum):
    """What became of a challenge."""

    OPEN = "open"
    ANSWERED = "answered"
    CONVICTED = "convicted"
    DISMISSED = "closed without a conviction"


@dataclass(frozen=True, slots=True)
class OpenChallenge:
    """A challenge that waits for `operator`; times in chain seconds."""

    asked: Asked
    operator: int
    opened_at: Seconds
    deadline: Seconds


@dataclass(frozen=True, slots=True)
class Posted:
    """One's own challenge: the block it came into the chain, what it holds and until when."""

    asked: Asked
    operator: int
    block: int
    deadline: Seconds
    bond: Wei
    settlement: Settlement


class ChallengeBoard(Protocol):
    """Challenges of the sender's account."""

    def post(self, asked: Asked, *, deposit_wei: int, attempt: int) -> Posted:
        """Challenge; what exceeds the bond is credited back. `attempt` tells a repetition of the
        same challenge (equal number) from asking once more (another one).

        Raises: ChallengeRefused, ChallengeTaken, BondTooLow.
        """
        ...

    def fate(self, posted: Posted) -> Fate: ...

    def published(self, posted: Posted) -> Row | None:
        """The row that an answered challenge of a whole row brought to light."""
        ...

    def close(self, posted: Posted) -> Settlement:
        """After the deadline. Raises: ChallengeEarly, NoOpenChallenge."""
        ...

    def collect(self) -> int:
        """Withdraw the account's credit; how many wei."""
        ...


class AnswerDesk(Protocol):
    """Where a signer shows what it was asked for."""

    def open_against(self, operator: int) -> Sequence[OpenChallenge]:
        """Every open challenge that waits for an operator, the most urgent first."""
        ...

    def answer_leaf(self, challenge: OpenChallenge, frame: bytes) -> Settlement:
        """`frame` is the leaf frame that nodes serve. Raises: NoOpenChallenge, AnswerLate."""
        ...

    def answer_row(self, challenge: OpenChallenge, data: bytes, path: bytes) -> Settlement:
        """`path` is ten siblings, lowest first, and b0, b1, b2: 416 bytes."""
        ...


class FraudDesk(Protocol):
    """Where a bad encoding is proven; the sender's account is the reporter."""

    @property
    def reporter(self) -> bytes: ...

    def committed_block(self, commitment: bytes) -> int | None: ...

    def commit(self, commitment: bytes) -> Settlement: ...

    def prove(self, blob_id: bytes, proof: FraudProof, salt: bytes) -> Settlement:
        """Void the blob; of a void one, convict the row's signer.

        Raises: EncodingSound, ProofInvalid, NotAnnounced, NothingToConvict.
        """
        ...

    def is_worthwhile(self, blob_id: bytes, row: int) -> bool:
        """Whether proving this row would still void the blob or convict somebody."""
        ...


@dataclass(frozen=True, slots=True)
class Draw:
    """The round of the sampling lottery that runs now: what a win pays, what showing it costs."""

    round: Round
    reward: Wei
    cost: Wei


class Lottery(Protocol):
    """Where holders of leaves earn; the sender belongs to the operator."""

    def running(self) -> Draw | None:
        """The round that runs now; None while nobody has opened it, or all is won."""
        ...

    def has_signed(self, blob_id: bytes, signer: int) -> bool:
        """Whether the signer of this index signed for a confirmed, unexpired blob."""
        ...

    def claim(self, number: int, blob_id: bytes, frame: LeafFrame) -> Settlement:
        """Show a winning leaf; the value is what it earned. Raises: as `answer_sample`."""
        ...
