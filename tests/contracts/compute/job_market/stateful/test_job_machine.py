"""Jobs under any order of actions: contract and model agree, no base unit is lost."""

from collections.abc import Iterator

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from offchain.compute.job_terms import JURY_SEATS, Milestone
from offchain.compute.onchain_job_market import CaseState, JobState
from tests.support.compute_chain import NATIVE
from tests.support.job_market import (
    BID,
    BOND,
    BOND_BPS,
    RESULT,
    REVEAL,
    REVIEW,
    JobSite,
    bid,
    deliver,
    judged,
    post,
    reveal,
    sealed,
    token_job,
)
from tests.support.job_model import OTHER_STATE, TOO_LATE, JobBook, ModelJob
from tests.support.native_evm import return_to
from tests.support.staking import a_wallet

PLANS = ((Milestone(10_000, 300),), (Milestone(3_333, 300), Milestone(6_667, 500)))
VOTES = st.sampled_from([0, 2, 3, 4, 5, 7])
PLACES = st.integers(0, 2)
WHICH = st.integers(0, 2)
READY: list[JobSite] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(job_market: JobSite) -> Iterator[None]:
    with boa.env.anchor():
        return_to("job market")
        READY.append(job_market)
        yield
    READY.clear()


class Jobs(RuleBasedStateMachine):
    """One buyer's jobs in two tokens, three providers, juries that say anything; and time."""

    @initialize()
    def begin(self) -> None:
        self.site = READY[0]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.moment = boa.env.timestamp, boa.env.evm.patch.block_number
        owners = {one.operator_id: one.owner for one in self.site.providers}
        self.model = JobBook(owners, self.site.buyer)
        self.stranger = a_wallet("stranger")
        self.tokens = (NATIVE, str(self.site.token.address))
        for number in range(2):
            self.post(1_001, number == 0, PLANS[number])

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            boa.env.timestamp, boa.env.evm.patch.block_number = self.moment
            self.anchor.__exit__(None, None, None)

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def pick(self, which: int) -> tuple[int, ModelJob] | None:
        """One of the newest jobs."""
        numbers = list(self.model.jobs)[-3:]
        if not numbers:
            return None
        number = numbers[which % len(numbers)]
        return number, self.model.jobs[number]

    @rule(budget=st.integers(1, 1_000), is_coin=st.booleans(), plan=st.sampled_from(PLANS))
    def post(self, budget: int, is_coin: bool, plan: tuple[Milestone, ...]) -> None:
        make = post if is_coin else token_job
        number = make(self.site, budget, milestones=plan)
        until = self.now + BID
        self.model.jobs[number] = ModelJob(
            token=self.tokens[0 if is_coin else 1],
            budget=budget,
            bond_bps=BOND_BPS,
            plan=plan,
            bid_until=until,
            reveal_until=until + REVEAL,
            review=REVIEW,
            pot=budget,
        )

    @rule(which=WHICH, place=PLACES, part=st.integers(1, 10))
    def bid(self, which: int, place: int, part: int) -> None:
        if (found := self.pick(which)) is None:
            return
        number, job = found
        operator, price = self.site.providers[place].operator_id, max(job.budget * part // 10, 1)
        if reason := self.model.why_not_bid(job, operator, self.now):
            with boa.reverts(reason):
                bid(self.site, number, place, price)
            return
        bid(self.site, number, place, price)
        self.model.bid(job, operator, price)

    @rule(which=WHICH, place=PLACES)
    def reveal(self, which: int, place: int) -> None:
        if (found := self.pick(which)) is None:
            return
        number, job = found
        operator = self.site.providers[place].operator_id
        price = job.bids[operator].price if operator in job.bids else 1
        one = sealed(self.site, number, place, price)
        if reason := self.model.why_not_reveal(job, operator, self.now):
            with boa.reverts(reason):
                reveal(self.site, one)
            return
        reveal(self.site, one)
        self.model.reveal(job, operator)

    @rule(which=WHICH, parts=st.tuples(st.integers(1, 10), st.integers(1, 10)))
    def auction(self, which: int, parts: tuple[int, int]) -> None:
        """All the way to the award, so that work is reached often."""
        if (found := self.pick(which)) is None or found[1].state != JobState.OPEN:
            return
        job = found[1]
        for place, part in enumerate(parts):
            self.bid(which, place, part)
        boa.env.timestamp = max(self.now, job.bid_until + 1)
        for place in range(3):
            self.reveal(which, place)
        boa.env.timestamp = max(self.now, job.reveal_until + 1)
        self.award(which)

    @rule(which=WHICH)
    def award(self, which: int) -> None:
        if (found := self.pick(which)) is None:
            return
        number, job = found
        if job.state != JobState.OPEN:
            self.refused(OTHER_STATE, "award", number)
        elif self.now <= job.reveal_until:
            self.refused("job_market: bids may open", "award", number)
        else:
            assert self.site.jobs.award(number) == bool(job.best)
            self.model.award(job, self.now)

    @rule(which=WHICH, place=PLACES)
    def forfeit(self, which: int, place: int) -> None:
        if (found := self.pick(which)) is None:
            return
        number, job = found
        operator = self.site.providers[place].operator_id
        if reason := self.model.why_not_forfeit(job, operator, self.now):
            with boa.reverts(reason):
                self.site.jobs.forfeit(number, operator)
            return
        self.site.jobs.forfeit(number, operator)
        self.model.forfeit(job, operator)

    @rule(which=st.integers(0, 7))
    def cancel(self, which: int) -> None:
        if which > 2 or (found := self.pick(which)) is None:
            return
        number, job = found
        if job.state != JobState.OPEN:
            self.refused(OTHER_STATE, "cancel", number)
        elif job.bids:
            self.refused("job_market: bids are sealed", "cancel", number)
        else:
            self.site.jobs.cancel(number, sender=self.site.buyer)
            self.model.cancel(job)

    @rule(which=WHICH)
    def deliver(self, which: int) -> None:
        if (found := self.pick(which)) is None or not found[1].best:
            return
        number, job = found
        reason = OTHER_STATE if job.state != JobState.RUNNING else ""
        if not reason and self.now > job.until:
            reason = TOO_LATE
        if reason:
            with boa.reverts(reason):
                deliver(self.site, number)
            return
        deliver(self.site, number)
        self.model.deliver(job, self.now)

    @rule(which=WHICH, act=st.sampled_from(["accept", "settle", "expire"]))
    def move_on(self, which: int, act: str) -> None:
        if (found := self.pick(which)) is None:
            return
        number, job = found
        awaited = JobState.RUNNING if act == "expire" else JobState.DELIVERED
        if job.state != awaited:
            self.refused(OTHER_STATE, act, number)
        elif act != "accept" and self.now <= job.until:
            reason = "job_market: under review" if act == "settle" else "job_market: not overdue"
            self.refused(reason, act, number)
        else:
            getattr(self.site.jobs, act)(number, sender=self.site.buyer)
            if act == "expire":
                self.model.fail(job, JobState.FAILED)
            else:
                self.model.pay(job, self.now)

    @rule(which=WHICH, faulty=VOTES, silent=st.integers(0, 2))
    def dispute(self, which: int, faulty: int, silent: int) -> None:
        """From the dispute to its end; who votes for the outcome shares the bond."""
        if (found := self.pick(which)) is None:
            return
        number, job = found
        if job.state != JobState.DELIVERED or self.now > job.until:
            reason = OTHER_STATE if job.state != JobState.DELIVERED else TOO_LATE
            with boa.reverts(reason):
                self.site.jobs.dispute(number, RESULT, value=BOND, sender=self.site.buyer)
            return
        case = self.site.jobs.dispute(number, RESULT, value=BOND, sender=self.site.buyer)
        votes = [1] * faulty + [0] * (JURY_SEATS - faulty)
        jury = judged(self.site, case, votes, silent)
        cast = votes[: JURY_SEATS - silent]
        end = CaseState.UNDECIDED
        if sum(cast) >= 5:
            end = CaseState.FAULTY
        elif len(cast) - sum(cast) >= 5:
            end = CaseState.FINE
        assert CaseState(int(self.site.jobs.case(case).state)) == end
        right = [
            member
            for member, vote in zip(jury.members, cast, strict=False)
            if end is CaseState.UNDECIDED or vote == (end is CaseState.FAULTY)
        ]
        pot = BOND
        for place, member in enumerate(right):
            share = pot // (len(right) - place)
            pot -= share
            self.model.free[self.site.auditor(member).owner, NATIVE] += share
        self.model.rule(job, end, self.now)

    @rule(place=st.integers(0, 3), is_coin=st.booleans())
    def withdraw(self, place: int, is_coin: bool) -> None:
        owners = [self.site.buyer, *(one.owner for one in self.site.providers)]
        account, token = owners[place], self.tokens[0 if is_coin else 1]
        amount = self.model.free[account, token]
        if not amount:
            with boa.reverts("free_money: not that much"):
                self.site.jobs.withdraw(token, 1, account, sender=account)
            return
        self.site.jobs.withdraw(token, amount, account, sender=account)
        self.model.free[account, token] = 0

    @rule(which=WHICH, end=st.sampled_from(["accept", "settle", "expire", "dispute", ""]))
    def work(self, which: int, end: str) -> None:
        """A milestone on its way, so that ends are reached often."""
        found = self.pick(which)
        if found is None or found[1].state != JobState.RUNNING:
            self.auction(which, (5, 6))
            return
        if end != "expire" and self.now <= found[1].until:
            self.deliver(which)
        if end in {"settle", "expire"}:
            boa.env.timestamp = max(self.now, found[1].until + 1)
        if end == "dispute":
            self.dispute(which, 5 if self.now % 2 else 2, 0)
        elif end:
            self.move_on(which, end)

    @rule(seconds=st.sampled_from([1, 10, REVIEW + 1, BID + 1, 301]))
    def wait(self, seconds: int) -> None:
        boa.env.timestamp += seconds

    def refused(self, reason: str, function: str, number: int) -> None:
        with boa.reverts(reason):
            getattr(self.site.jobs, function)(number, sender=self.site.buyer)

    @invariant()
    def invariant_job_1_all_money_is_somebodys(self) -> None:
        for token in self.tokens:
            held = (
                boa.env.get_balance(self.site.jobs.address)
                if token == NATIVE
                else self.site.token.balanceOf(self.site.jobs.address)
            )
            assert held == self.model.held(token)
        for (account, token), amount in self.model.free.items():
            assert self.site.jobs.free_of(account, token) == amount

    @invariant()
    def invariant_job_3_jobs_are_those_of_the_model(self) -> None:
        for number, job in list(self.model.jobs.items())[-3:]:
            kept = self.site.jobs.job(number)
            assert int(kept.state) == job.state
            assert (kept.pot, kept.bond, kept.price) == (job.pot, job.bond, job.price)
            assert (kept.operator_id, kept.milestone) == (job.best, job.milestone)
            assert (kept.until, kept.bids) == (job.until, len(job.bids))
            if job.state.is_final:
                assert kept.pot == kept.bond == 0


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=15, stateful_step_count=25)
