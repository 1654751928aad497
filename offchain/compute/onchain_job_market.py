"""Client of JobMarket: jobs, sealed bids, milestones, juries, and the events it writes.

Method and field names are the contract's; addresses are 20 raw bytes (20 zero bytes as a token:
the native coin), amounts base units of the job's token, a jury's wei, times seconds.
Source: docs/protocol/compute.md#jobs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.compute.audit_draw import Ballot
from offchain.compute.job_terms import JURY_ROUND, JobTerms, Milestone, SealedBid, unpack_plan
from offchain.compute.model import NATIVE_COIN
from offchain.compute.onchain_audit_court import CastBallot
from offchain.compute.reverts_jobs import JOBS
from offchain.core.units import Wei


class JobState(IntEnum):
    """Numbers as the contract keeps them; NONE is no job."""

    NONE = 0
    OPEN = 1
    RUNNING = 2
    DELIVERED = 4
    DISPUTED = 8
    SETTLED = 16
    FAILED = 32  # not delivered in time
    REFUNDED = 64  # a jury found a milestone faulty
    SPLIT = 128  # a jury did not agree
    CANCELLED = 256

    @property
    def is_final(self) -> bool:
        return self >= JobState.SETTLED


class CaseState(IntEnum):
    """The same for a dispute."""

    NONE = 0
    WAITING = 1  # its jury is not drawn yet
    COMMITTING = 2
    VOTING = 4
    FINE = 8
    FAULTY = 16
    UNDECIDED = 32

    @property
    def is_final(self) -> bool:
        return self >= CaseState.FINE


@dataclass(frozen=True, slots=True)
class Job:
    """One job; `service` and what follows it are the best opened bid's."""

    state: JobState
    buyer: bytes
    token: bytes
    kind: int
    level: int
    model_hash: bytes
    spec_hash: bytes
    bond_bps: int
    budget: int
    bids: int
    bid_until: int
    reveal_until: int
    review_seconds: int
    service: bytes
    operator_id: int
    price: int
    pot: int
    bond: int
    milestone: int
    until: int
    result: bytes
    receipts: bytes


@dataclass(frozen=True, slots=True)
class Bid:
    """What an operator has sealed; a zero commitment is opened."""

    service: bytes
    commitment: bytes
    bond: int


@dataclass(frozen=True, slots=True)
class Case:
    """The dispute of a milestone."""

    state: CaseState
    epoch: int
    seed_block: int
    barred: int
    deadline: int
    seed: bytes
    pot: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """How jobs of an operator ended."""

    settled: int
    failed: int


@dataclass(frozen=True, slots=True)
class JobWindows:
    """Seconds: the shortest a buyer may set, a jury's two, what the court takes."""

    shortest: int
    commit: int
    vote: int
    evidence: int


@dataclass(frozen=True, slots=True)
class JobPosted:
    job: int
    buyer: bytes
    token: bytes
    kind: int
    spec_hash: bytes
    budget: int


@dataclass(frozen=True, slots=True)
class BidSealed:
    job: int
    operator_id: int
    service: bytes
    bond: int


@dataclass(frozen=True, slots=True)
class BidOpened:
    job: int
    operator_id: int
    price: int
    score: int
    is_best: bool


@dataclass(frozen=True, slots=True)
class MilestonePaid:
    job: int
    milestone: int
    amount: int
    is_silent: bool


@dataclass(frozen=True, slots=True)
class MilestoneDisputed:
    job: int
    milestone: int
    case: int
    statement: bytes


@dataclass(frozen=True, slots=True)
class StateChanged:
    job: int
    state: JobState
    to_provider: int
    to_buyer: int


@dataclass(frozen=True, slots=True)
class JuryDrawn:
    case: int
    seed: bytes
    members: tuple[int, ...]


class JobMarketClient(ContractClient):
    """Buyers post, providers bid and deliver, juries judge, anyone moves on what waits."""

    contract = "JobMarket"
    reverts = JOBS

    # Views

    def job_count(self, *, at: BlockRef) -> int:
        return self._read(int, "job_count", at=at)

    def job(self, job: int, *, at: BlockRef) -> Job:
        """State NONE when there is none."""
        return self._read(Job, "job", job, at=at)

    def jobs(self, *, at: BlockRef, first: int = 1, last: int = 0) -> Sequence[Job]:
        """Jobs `first` to `last`, or to the newest: two round trips."""
        newest = self.job_count(at=at)
        return self.jobs_of(range(first, min(last or newest, newest) + 1), at=at)

    def jobs_of(self, numbers: Sequence[int], *, at: BlockRef) -> Sequence[Job]:
        """These jobs, in one round trip."""
        return self._read_many(Job, "job", [(number,) for number in numbers], at=at)

    def milestones(self, job: int, *, at: BlockRef) -> tuple[Milestone, ...]:
        shares, dues = self._read(tuple[int, int], "plan_of", job, at=at)
        return unpack_plan(shares, dues)

    def bid_of(self, job: int, operator_id: int, *, at: BlockRef) -> Bid:
        return self._read(Bid, "bid_of", job, operator_id, at=at)

    def bond_of(self, job: int, *, at: BlockRef) -> int:
        """What a bid needs."""
        return self._read(int, "bond_of", job, at=at)

    def record_of(self, operator_id: int, *, at: BlockRef) -> JobRecord:
        return self._read(JobRecord, "record_of", operator_id, at=at)

    def risk_of(self, operator_id: int, *, at: BlockRef) -> int:
        """Ten-thousandths."""
        return self._read(int, "risk_of", operator_id, at=at)

    def case(self, case: int, *, at: BlockRef) -> Case:
        """State NONE when there is none."""
        return self._read(Case, "case", case, at=at)

    def ballot(self, case: int, seat: int, *, at: BlockRef) -> CastBallot:
        return self._read(CastBallot, "ballot", case, JURY_ROUND, seat, at=at)

    def jury_bond(self, *, at: BlockRef) -> Wei:
        """What disputing costs."""
        return Wei(self._read(int, "jury_bond", at=at))

    def windows(self, *, at: BlockRef) -> JobWindows:
        return self._read(JobWindows, "windows", at=at)

    def free_of(self, account: bytes, token: bytes, *, at: BlockRef) -> int:
        """What an account may withdraw."""
        return self._read(int, "free_of", account, token, at=at)

    # Buyers

    def post(self, terms: JobTerms, amount: int) -> TypedCall:
        """Raises: JobTermsInvalid, PaymentWrong."""
        return self._build("post", terms.fields(), amount, value_wei=_value(terms.token, amount))

    def cancel(self, job: int) -> TypedCall:
        """Before anybody bids. Raises: JobTooEarly when somebody has."""
        return self._build("cancel", job)

    def accept(self, job: int) -> TypedCall:
        return self._build("accept", job)

    def dispute(self, job: int, statement: bytes, *, bond: Wei) -> TypedCall:
        """Have seven auditors judge; `statement` is the hash of what is said to be wrong."""
        return self._build("dispute", job, statement, value_wei=bond)

    # Providers

    def bid(self, bid: SealedBid, service: bytes, *, token: bytes, amount: int) -> TypedCall:
        """`amount` of the job's token is the bond. Raises: ServiceUnfit, DepositTooLow."""
        value = _value(token, amount)
        return self._build("bid", bid.job, service, bid.commitment(), amount, value_wei=value)

    def reveal(self, bid: SealedBid) -> TypedCall:
        return self._build("reveal", bid.job, bid.price, bid.salt)

    def deliver(self, job: int, result: bytes, receipts: bytes) -> TypedCall:
        return self._build("deliver", job, result, receipts)

    # Anyone

    def award(self, job: int) -> TypedCall:
        return self._build("award", job)

    def forfeit(self, job: int, operator_id: int) -> TypedCall:
        return self._build("forfeit", job, operator_id)

    def settle(self, job: int) -> TypedCall:
        """Pay what the buyer said nothing about."""
        return self._build("settle", job)

    def expire(self, job: int) -> TypedCall:
        return self._build("expire", job)

    def draw(self, case: int, shown: Sequence[tuple[object, ...]]) -> TypedCall:
        """`shown` as audit_draw.candidates_of makes it. Raises: DrawInvalid, CourtTooEarly."""
        return self._build("draw", case, list(shown))

    def advance(self, case: int) -> TypedCall:
        return self._build("advance", case)

    def punish(self, case: int, seat: int) -> TypedCall:
        """A juror who opened no ballot."""
        return self._build("punish", case, seat)

    def withdraw(self, token: bytes, amount: int, to: bytes) -> TypedCall:
        return self._build("withdraw", token, amount, to)

    # Jurors

    def commit(self, ballot: Ballot) -> TypedCall:
        """Seal a ballot: audit is the case, round 2, `failed` 1 for faulty."""
        return self._build("commit", ballot.audit, ballot.commitment())

    def vote(self, ballot: Ballot) -> TypedCall:
        one = ballot
        return self._build("vote", one.audit, bool(one.failed), one.statistics, one.salt)


def _value(token: bytes, amount: int) -> int:
    return amount if token == NATIVE_COIN else 0
