"""JobMarket in Python: states, bids and money of all jobs; each act says why it is refused."""

from collections import Counter
from dataclasses import dataclass, field

from offchain.compute.job_terms import (
    BPS,
    FINE_BPS,
    Milestone,
    bond_of,
    milestone_amounts,
    risk_bps,
    score,
)
from offchain.compute.onchain_job_market import CaseState
from offchain.compute.onchain_job_market import JobState as S

OTHER_STATE = "job_book: another state"
TOO_LATE = "job_market: too late"


@dataclass(slots=True)
class ModelBid:
    """One operator's bid."""

    price: int
    bond: int
    is_sealed: bool = True


@dataclass(slots=True)
class ModelJob:
    """One job as the contract should have it."""

    token: str
    budget: int
    bond_bps: int
    plan: tuple[Milestone, ...]
    bid_until: int
    reveal_until: int
    review: int
    state: S = S.OPEN
    pot: int = 0
    bond: int = 0
    best: int = 0
    price: int = 0
    score: int = 0
    milestone: int = 0
    began: int = 0
    delivered: int = 0
    until: int = 0
    bids: dict[int, ModelBid] = field(default_factory=dict)

    def amount(self) -> int:
        """What the milestone under review is worth."""
        return milestone_amounts(self.price, self.plan)[self.milestone]


class JobBook:
    """All jobs of one buyer, and what everybody may take: (account, token) -> amount."""

    def __init__(self, owners: dict[int, str], buyer: str) -> None:
        self.owners, self.buyer = owners, buyer
        self.jobs: dict[int, ModelJob] = {}
        self.free: Counter[tuple[str, str]] = Counter()
        self.settled: Counter[int] = Counter()
        self.failed: Counter[int] = Counter()

    def held(self, token: str) -> int:
        """What the contract has of a token, no jury sitting."""
        jobs = [one for one in self.jobs.values() if one.token == token]
        sealed = sum(bid.bond for one in jobs for bid in one.bids.values() if bid.is_sealed)
        free = sum(amount for (_, held), amount in self.free.items() if held == token)
        return sealed + free + sum(one.pot + one.bond for one in jobs)

    def why_not_bid(self, job: ModelJob, operator: int, now: int) -> str:
        if job.state != S.OPEN:
            return OTHER_STATE
        if now > job.bid_until:
            return TOO_LATE
        return "job_bids: bid already" if operator in job.bids else ""

    def bid(self, job: ModelJob, operator: int, price: int) -> None:
        job.bids[operator] = ModelBid(price, bond_of(job.budget, job.bond_bps))

    def why_not_reveal(self, job: ModelJob, operator: int, now: int) -> str:
        if job.state != S.OPEN:
            return OTHER_STATE
        if now <= job.bid_until:
            return "job_market: bids are sealed"
        if now > job.reveal_until:
            return TOO_LATE
        if operator not in job.bids or not job.bids[operator].is_sealed:
            return "job_bids: nothing sealed"
        return ""

    def reveal(self, job: ModelJob, operator: int) -> None:
        bid = job.bids[operator]
        bid.is_sealed = False
        risk = risk_bps(settled=self.settled[operator], failed=self.failed[operator])
        found = score(bid.price, risk)
        if job.best and found >= job.score:
            self._credit(job, operator, bid.bond)
            return
        if job.best:
            self._credit(job, job.best, job.bond)
        job.best, job.price, job.score, job.bond = operator, bid.price, found, bid.bond

    def award(self, job: ModelJob, now: int) -> None:
        if not job.best:
            self._end(job, S.CANCELLED, to_buyer=job.pot)
            return
        self.free[self.buyer, job.token] += job.pot - job.price
        job.pot, job.state, job.began = job.price, S.RUNNING, now
        job.until = now + job.plan[0].due

    def why_not_forfeit(self, job: ModelJob, operator: int, now: int) -> str:
        if now <= job.reveal_until:
            return "job_market: bids may open"
        if operator not in job.bids or not job.bids[operator].is_sealed:
            return "job_bids: nothing sealed"
        return ""

    def forfeit(self, job: ModelJob, operator: int) -> None:
        bid = job.bids[operator]
        bid.is_sealed = False
        fine = bid.bond * FINE_BPS // BPS
        self.free[self.buyer, job.token] += fine
        self._credit(job, operator, bid.bond - fine)

    def cancel(self, job: ModelJob) -> None:
        self._end(job, S.CANCELLED, to_buyer=job.pot)

    def deliver(self, job: ModelJob, now: int) -> None:
        job.state, job.delivered, job.until = S.DELIVERED, now, now + job.review

    def pay(self, job: ModelJob, now: int) -> None:
        amount = job.amount()
        self._credit(job, job.best, amount)
        job.pot -= amount
        job.milestone += 1
        if job.milestone == len(job.plan):
            self.settled[job.best] += 1
            self._end(job, S.SETTLED, to_provider=job.bond)
            return
        job.state = S.RUNNING
        job.began += now - job.delivered
        job.until = job.began + job.plan[job.milestone].due

    def fail(self, job: ModelJob, state: S) -> None:
        self.failed[job.best] += 1
        self._end(job, state, to_buyer=job.pot + job.bond)

    def rule(self, job: ModelJob, case: CaseState, now: int) -> None:
        if case is CaseState.FINE:
            self.pay(job, now)
        elif case is CaseState.FAULTY:
            self.fail(job, S.REFUNDED)
        else:
            half = job.amount() // 2
            self._end(job, S.SPLIT, to_provider=half + job.bond, to_buyer=job.pot - half)

    def _credit(self, job: ModelJob, operator: int, amount: int) -> None:
        self.free[self.owners[operator], job.token] += amount

    def _end(self, job: ModelJob, state: S, *, to_provider: int = 0, to_buyer: int = 0) -> None:
        assert to_provider + to_buyer == job.pot + job.bond
        if to_provider:
            self._credit(job, job.best, to_provider)
        self.free[self.buyer, job.token] += to_buyer
        job.pot = job.bond = job.until = 0
        job.state = state
