"""Client of AuditCourt, and the events it writes.

Method and field names are the contract's; addresses are 20 raw bytes, times seconds. An audit's id
is the batch's number, of a payer's request `audit_draw.request_id`.
Source: docs/protocol/compute.md#audits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.compute.audit_draw import Ballot, Span
from offchain.compute.reverts_courts import AUDITS
from offchain.compute.shown import HashedLeaf, ShownItem
from offchain.core.units import Wei


class AuditState(IntEnum):
    """Numbers as the contract keeps them; NONE was never drawn."""

    NONE = 0
    REQUESTED = 1  # a payer's; its committee is not drawn yet
    DRAWN = 2  # waits for the provider's bundle
    COMMITTING = 4
    VOTING = 8
    DECIDED = 16  # stands unless somebody escalates in time
    ESCALATED = 32  # the committee of seven is not drawn yet
    UPHELD = 64  # leaves of failed draws are shown and refunded
    PUNISHED = 128
    CLEARED = 256
    VOID = 512

    @property
    def is_final(self) -> bool:
        return self >= AuditState.PUNISHED


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit; bit j of the masks is draw j."""

    state: AuditState
    batch: int
    round: int
    draws: int
    is_whole: bool
    is_silent: bool
    is_suspect: bool
    epoch: int
    seed_block: int
    deadline: int
    seed: bytes
    bundle: bytes
    failed: int
    left: int
    decided: int
    requester: bytes
    point: int
    challenger: bytes
    pot: int
    bond: int


@dataclass(frozen=True, slots=True)
class CastBallot:
    """What a seat has done; operator id 0 where there is none."""

    operator_id: int
    commitment: bytes
    has_voted: bool
    failed: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What audits said of a service lately, as ServiceRegistry reads it."""

    cleared: int
    open_cases: int
    failed_until: int
    until: int


@dataclass(frozen=True, slots=True)
class AuditRequested:
    audit: int
    batch: int
    payer: bytes
    index: int
    point: int


@dataclass(frozen=True, slots=True)
class CommitteeDrawn:
    """`members` are operator ids by seat; `seed` is that of the points."""

    audit: int
    batch: int
    service: bytes
    round: int
    seed: bytes
    draws: int
    is_whole: bool
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BundleRevealed:
    audit: int
    bundle: bytes


@dataclass(frozen=True, slots=True)
class BallotCommitted:
    audit: int
    operator_id: int
    round: int
    seat: int


@dataclass(frozen=True, slots=True)
class Voted:
    audit: int
    operator_id: int
    round: int
    seat: int
    failed: int
    statistics: bytes


@dataclass(frozen=True, slots=True)
class StateChanged:
    audit: int
    batch: int
    state: AuditState
    failed: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Escalated:
    audit: int
    challenger: bytes
    bond: int


@dataclass(frozen=True, slots=True)
class DrawConvicted:
    """`draws` are bits; `payer` is zero where nobody showed the leaf."""

    audit: int
    batch: int
    draws: int
    payer: bytes
    refunded: int
    amount: int


@dataclass(frozen=True, slots=True)
class AuditorPunished:
    audit: int
    operator_id: int
    round: int
    offence: int


@dataclass(frozen=True, slots=True)
class AuditorsPaid:
    audit: int
    earners: tuple[bytes, ...]
    fee: int
    wei_amount: int


class AuditCourtClient(ContractClient):
    """Anyone draws and advances; provider, auditors and payers do their part."""

    contract = "AuditCourt"
    reverts = AUDITS

    def audit(self, audit: int, *, at: BlockRef) -> Audit:
        return self._read(Audit, "audit", audit, at=at)

    def ballot(self, audit: int, rnd: int, seat: int, *, at: BlockRef) -> CastBallot:
        return self._read(CastBallot, "ballot", audit, rnd, seat, at=at)

    def point(self, audit: int, number: int, *, at: BlockRef) -> Span:
        """The units of the batch that a draw asks for."""
        first, last = self._read(tuple[int, int], "point", audit, number, at=at)
        return Span(first, last)

    def standing(self, service: bytes, *, at: BlockRef) -> Standing:
        return self._read(Standing, "standing", service, at=at)

    def is_done(self, batch: int, *, at: BlockRef) -> bool:
        return self._read(bool, "is_done", batch, at=at)

    def deposit(self, *, at: BlockRef) -> Wei:
        """What a request costs."""
        return Wei(self._read(int, "deposit", at=at))

    def bond(self, *, at: BlockRef) -> Wei:
        """What escalating costs."""
        return Wei(self._read(int, "bond", at=at))

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def draw(self, audit: int, shown: Sequence[tuple[object, ...]]) -> TypedCall:
        """`shown` as audit_draw.candidates_of makes it. Raises: DrawInvalid, CourtTooEarly."""
        return self._build("draw", audit, list(shown))

    def reveal(self, audit: int, bundle: bytes) -> TypedCall:
        """By the provider: the hash of what it sealed for the committee."""
        return self._build("reveal", audit, bundle)

    def commit(self, ballot: Ballot) -> TypedCall:
        return self._build("commit", ballot.audit, ballot.commitment())

    def vote(self, ballot: Ballot) -> TypedCall:
        """Open what was committed, once everybody has committed or the time for it is over."""
        one = ballot
        return self._build("vote", one.audit, one.failed, one.statistics, one.salt)

    def advance(self, audit: int) -> TypedCall:
        """Raises: CourtTooEarly, AuditStateWrong."""
        return self._build("advance", audit)

    def escalate(self, audit: int, *, bond: Wei) -> TypedCall:
        return self._build("escalate", audit, value_wei=bond)

    def convict(self, audit: int, number: int, item: ShownItem, leaf: HashedLeaf) -> TypedCall:
        """Show the leaf that failed draw `number` fell on: its payer is refunded."""
        shown = (item.fields(), leaf.hash, leaf.index, leaf.path)
        return self._build("convict", audit, number, *shown)

    def request(self, item: ShownItem, unit: int, *, deposit: Wei) -> TypedCall:
        """By the payer: audit the answer that unit `unit` of the item's amount pays for."""
        return self._build("request", item.fields(), unit, value_wei=deposit)

    def punish(self, audit: int, rnd: int, seat: int) -> TypedCall:
        return self._build("punish", audit, rnd, seat)

    def pay(self, audit: int) -> TypedCall:
        return self._build("pay", audit)

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)
