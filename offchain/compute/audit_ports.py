"""What audits look like on chain, and what a provider and an auditor do there.

Chain ports are synchronous and called in a thread; fetching a bundle is asynchronous.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from offchain.chain.model import Block, BlockRef
from offchain.compute.audit_bundle import ShownAnswer
from offchain.compute.audit_draw import Ballot, Span
from offchain.compute.onchain_audit_court import AuditState


@dataclass(frozen=True, slots=True)
class AuditSeat:
    """One seat of the committee of the round at hand."""

    operator_id: int
    is_sealed: bool
    has_voted: bool


@dataclass(frozen=True, slots=True)
class AuditView:
    """One audit at one block.

    `spans`: units of the batch that each draw asks for. `failed`, `left`: bits of draws.
    """

    id: int
    batch: int
    state: AuditState
    round: int
    deadline: int
    bundle: bytes
    failed: int
    left: int
    seats: tuple[AuditSeat, ...]
    spans: tuple[Span, ...]

    def seat_of(self, operator_id: int) -> AuditSeat | None:
        return next((one for one in self.seats if one.operator_id == operator_id), None)


class AuditLedger(Protocol):
    """What the chain says of audits. Raises: Unavailable when no node answers."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def open_audits(self, block: Block) -> Sequence[int]:
        """Audits whose committee was drawn and that are not final."""
        ...

    def audit(self, audit: int, *, at: BlockRef) -> AuditView:
        """One with state NONE when there is none."""
        ...

    def is_over(self, audit: int, block: Block) -> bool:
        """Whether an audit is final, and no reorganisation takes that back."""
        ...

    def operator_of(self, account: bytes, *, at: BlockRef) -> int:
        """Whose owner or signer this account is; 0: nobody's."""
        ...


class AuditActs(Protocol):
    """Transactions of a provider or an auditor; each is sent once, and blocks until it is mined.

    Raises: Rejected when the court refuses, Unavailable when no node answers.
    """

    def reveal(self, audit: int, bundle: bytes) -> None: ...

    def commit(self, ballot: Ballot) -> None: ...

    def vote(self, ballot: Ballot) -> None: ...

    def convict(self, audit: int, batch: int, shown: ShownAnswer) -> None:
        """Show the leaf that a failed draw fell on; its payer is refunded."""
        ...


class BundleSource(Protocol):
    """Where an auditor gets what a provider sealed."""

    async def fetch(self, endpoint: str, provider: bytes, audit: int) -> bytes:
        """At most MAX_BUNDLE_BYTES. Raises: ProviderUnreachable, ProviderRefused, Corrupt."""
        ...
