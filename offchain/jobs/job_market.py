"""Jobs around bought work: what JobMarket lets anybody do after a deadline, by whoever is first.

A job is awarded once bids are open, a milestone is paid that its buyer said nothing about, an
overdue one is ended; a bid that nobody opened is forfeited. Juries are drawn, moved on past their
deadlines, and those who did not vote are punished. What is due is asked of the contract by trying
the call at the block looked at. Subjects: a job, `job/operator`, a case as 32 bytes, `case/seat`.
Source: docs/protocol/compute.md#jobs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from offchain.chain.followed import Followed
from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.sender import TransactionSender
from offchain.compute.adapters.chain_audits import AuditClients
from offchain.compute.adapters.chain_juries import jury_draw_call
from offchain.compute.job_terms import JURY_SEATS
from offchain.compute.onchain_job_market import (
    BidSealed,
    CaseState,
    Job,
    JobMarketClient,
    JobState,
    MilestoneDisputed,
)
from offchain.core.errors import InvalidInput
from offchain.core.units import BlockNumber
from offchain.jobs.model import Handlers, JobKind, Outcome
from offchain.jobs.model import Job as DueJob
from offchain.jobs.subjects import parse_id, parse_number
from offchain.jobs.tried_calls import Maker, Sending, TriedCalls

MAX_OPEN: Final = 256  # jobs, bids and cases looked at in one round, each
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MarketParts:
    """The market, what its juries are drawn from, and the worker's account."""

    market: JobMarketClient
    clients: AuditClients
    sender_address: Address
    sending: Sending


class MarketJobs:
    """Finds and does what the market of jobs needs. Finding is one thread's; doing keeps nothing.

    What is over at a settled block is not looked at again; of the rest each round takes a part.
    """

    def __init__(self, parts: MarketParts) -> None:
        self._parts = parts
        self._open: list[int] = []
        self._seen = 0  # jobs
        self._sealed = self._follow(BidSealed)
        self._disputed = self._follow(MilestoneDisputed)
        self._over_bids: set[tuple[int, int]] = set()
        self._over_cases: set[int] = set()
        makers: dict[JobKind, Maker] = {
            JobKind.AWARD_JOB: lambda subject, _: parts.market.award(parse_number(subject)),
            JobKind.SETTLE_MILESTONE: lambda subject, _: parts.market.settle(parse_number(subject)),
            JobKind.EXPIRE_JOB: lambda subject, _: parts.market.expire(parse_number(subject)),
            JobKind.FORFEIT_BID: self._forfeit,
            JobKind.DRAW_JURY: self._draw,
            JobKind.ADVANCE_CASE: lambda subject, _: parts.market.advance(_case(subject)),
            JobKind.PUNISH_JUROR: self._punish,
        }
        self._calls = TriedCalls(
            "jobs", parts.clients.node, parts.sender_address, parts.sending, makers
        )

    def find_due(self, block: Block) -> Iterator[DueJob]:
        """Everything due at a block."""
        for number, job in self._open_jobs(block):
            kind = kind_for(job, block.timestamp)
            if kind is not None:
                yield from self._calls.due(kind, str(number), block)
        yield from self._due_bids(block)
        yield from self._due_cases(block)

    def handlers(self) -> Handlers:
        """One a kind."""
        return self._calls.handlers()

    def do(self, kind: JobKind, subject: str, sender: TransactionSender) -> Outcome:
        """Send what is due, unless the contract refuses it by now."""
        return self._calls.do(kind, subject, sender)

    def _open_jobs(self, block: Block) -> list[tuple[int, Job]]:
        """Some of the jobs that have not ended, in turn."""
        market = self._parts.market
        count = market.job_count(at=block.hash)
        self._open += range(self._seen + 1, count + 1)
        self._seen = max(self._seen, count)
        numbers = self._open[:MAX_OPEN]
        found = list(zip(numbers, market.jobs_of(numbers, at=block.hash), strict=True))
        deep = self._deep(block)
        over = {
            number
            for number, job in found
            if job.state.is_final and market.job(number, at=deep).state.is_final
        }
        looked = [number for number in numbers if number not in over]
        self._open = self._open[MAX_OPEN:] + looked
        return [(number, job) for number, job in found if number not in over]

    def _due_bids(self, block: Block) -> Iterator[DueJob]:
        """Bids that were not opened in time."""
        market = self._parts.market
        sealed = [(one.job, one.operator_id) for one in self._sealed.upto(block)]
        for job, operator_id in [one for one in sealed if one not in self._over_bids][:MAX_OPEN]:
            if any(market.bid_of(job, operator_id, at=block.hash).commitment):
                yield from self._calls.due(JobKind.FORFEIT_BID, f"{job}/{operator_id}", block)
                continue
            settled = market.bid_of(job, operator_id, at=self._deep(block))
            if any(settled.service) and not any(settled.commitment):
                self._over_bids.add((job, operator_id))

    def _due_cases(self, block: Block) -> Iterator[DueJob]:
        """Juries to draw and to move on, and jurors who did not vote."""
        market = self._parts.market
        cases = dict.fromkeys(one.case for one in self._disputed.upto(block))
        for case in [one for one in cases if one not in self._over_cases][:MAX_OPEN]:
            state = market.case(case, at=block.hash).state
            if state is CaseState.WAITING:
                yield from self._calls.due(JobKind.DRAW_JURY, _hex(case), block)
            elif not state.is_final:
                yield from self._calls.due(JobKind.ADVANCE_CASE, _hex(case), block)
            else:
                yield from self._silent(case, block)
                deep = self._parts.clients.node.block(self._deep(block))
                is_settled = market.case(case, at=deep.hash).state.is_final
                if is_settled and not list(self._silent(case, deep)):
                    self._over_cases.add(case)

    def _silent(self, case: int, block: Block) -> Iterator[DueJob]:
        for seat in range(JURY_SEATS):
            yield from self._calls.due(JobKind.PUNISH_JUROR, f"{_hex(case)}/{seat}", block)

    def _deep(self, block: Block) -> BlockNumber:
        return BlockNumber(max(0, block.number - self._parts.clients.depth))

    def _follow(self, kind: type[T]) -> Followed[T]:
        clients = self._parts.clients
        return Followed(
            clients.node,
            self._parts.market,
            kind,
            indexed={},
            first_block=clients.tree.first_block,
            depth=clients.depth,
        )

    def _forfeit(self, subject: str, block: Block) -> TypedCall:
        del block
        job, operator_id = _pair(subject)
        return self._parts.market.forfeit(parse_number(job), operator_id)

    def _draw(self, subject: str, block: Block) -> TypedCall | None:
        return jury_draw_call(self._parts.clients, self._parts.market, _case(subject), block)

    def _punish(self, subject: str, block: Block) -> TypedCall:
        del block
        case, seat = _pair(subject)
        return self._parts.market.punish(_case(case), seat)


def kind_for(job: Job, now: int) -> JobKind | None:
    """What time alone has decided of a job."""
    if job.state is JobState.OPEN and now > job.reveal_until:
        return JobKind.AWARD_JOB
    if job.state is JobState.RUNNING and now > job.until:
        return JobKind.EXPIRE_JOB
    if job.state is JobState.DELIVERED and now > job.until:
        return JobKind.SETTLE_MILESTONE
    return None


def _hex(case: int) -> str:
    return "0x" + case.to_bytes(32, "big").hex()


def _case(subject: str) -> int:
    return int.from_bytes(parse_id(subject), "big")


def _pair(subject: str) -> tuple[str, int]:
    first, _, number = subject.partition("/")
    if not number:
        raise InvalidInput("the subject of this job is two parts", subject=subject[:80])
    return first, parse_number(number)
