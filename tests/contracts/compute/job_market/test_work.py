"""Milestones delivered, accepted, overdue, met with silence, disputed; and who judges them."""

import boa
import pytest

from offchain.compute.audit_draw import candidates_of
from offchain.compute.job_terms import JURY_SEATS, bond_of, milestone_amounts
from offchain.compute.onchain_job_market import CaseState, JobState
from offchain.core.hashing import keccak
from tests.contracts.compute.job_market.conftest import Unmoved
from tests.support.compute_chain import NATIVE
from tests.support.job_market import (
    BOND,
    BOND_BPS,
    BUDGET,
    COMMIT,
    EVIDENCE,
    JOB_SILENT,
    JUROR_PAY,
    PLAN,
    RECEIPTS,
    RESULT,
    REVIEW,
    VOTE,
    JobSite,
    a_ballot,
    deliver,
    deploy_jobs,
    disputed,
    drawn,
    judged,
    jury_of,
    open_ballot,
    pass_,
    running,
    seal,
)
from tests.support.native_evm import return_to
from tests.support.staking import ALIGNMENT, next_epoch

PRICE = 900_001
STAKED = bond_of(BUDGET, BOND_BPS)
AMOUNTS = milestone_amounts(PRICE, PLAN)
CHANGE = BUDGET - PRICE  # of the budget, free since the award


def state(site: JobSite, job: int) -> JobState:
    return JobState(int(site.jobs.job(job).state))


def free(site: JobSite, account: str) -> int:
    return int(site.jobs.free_of(account, NATIVE))


def worker(site: JobSite) -> str:
    return site.providers[0].owner


def test_deliver__milestone__waits_for_the_buyer(
    site: JobSite, unmoved: Unmoved, stranger: str
) -> None:
    job = running(site)
    with unmoved("job_market: not your service"):
        site.jobs.deliver(job, RESULT, RECEIPTS, sender=stranger)
    with unmoved("job_market: no result"):
        site.jobs.deliver(job, bytes(32), RECEIPTS, sender=worker(site))

    deliver(site, job)

    kept = site.jobs.job(job)
    assert (state(site, job), kept.result, kept.receipts) == (JobState.DELIVERED, RESULT, RECEIPTS)
    assert kept.until == boa.env.timestamp + REVIEW
    with unmoved("job_book: another state"):
        deliver(site, job)


def test_deliver__without_the_level_or_late__refused(site: JobSite, unmoved: Unmoved) -> None:
    courts, service = site.compute.courts, site.services[0]
    courts.set_standing(service, (30, 0, 0, boa.env.timestamp + 10**6))
    job = running(site, level=1)
    courts.set_standing(service, (30, 1, 0, boa.env.timestamp + 10**6))

    with unmoved("job_market: level too low"):
        deliver(site, job)
    courts.set_standing(service, (30, 0, 0, boa.env.timestamp + 10**6))
    pass_(PLAN[0].due + 1)
    with unmoved("job_market: too late"):
        deliver(site, job)


def test_deliver__service_that_serves_no_more__refused(site: JobSite, unmoved: Unmoved) -> None:
    job = running(site)
    site.compute.registry.retire(site.services[0], sender=worker(site))

    with unmoved("job_market: not serving"):
        deliver(site, job)


def test_inv_job_4__accepted_milestones__are_together_the_price(
    site: JobSite, unmoved: Unmoved, stranger: str
) -> None:
    job = running(site)

    for number, amount in enumerate(AMOUNTS):
        before = free(site, worker(site))
        deliver(site, job)
        with unmoved("job_market: not your job"):
            site.jobs.accept(job, sender=stranger)
        site.jobs.accept(job, sender=site.buyer)
        bond = STAKED if number == len(AMOUNTS) - 1 else 0
        assert free(site, worker(site)) - before == amount + bond
        with unmoved("job_book: another state"):
            site.jobs.accept(job, sender=site.buyer)

    assert sum(AMOUNTS) == PRICE
    assert state(site, job) == JobState.SETTLED
    assert tuple(site.jobs.record_of(site.providers[0].operator_id)) == (1, 0)
    assert free(site, site.buyer) == CHANGE


def test_settle__buyer_is_silent__pays_after_the_review(site: JobSite, unmoved: Unmoved) -> None:
    job = running(site)
    with unmoved("job_book: another state"):
        site.jobs.settle(job)
    deliver(site, job)
    pass_(REVIEW)
    with unmoved("job_market: under review"):
        site.jobs.settle(job)
    pass_(1)
    with unmoved("job_market: too late"):
        site.jobs.dispute(job, keccak(b"late"), value=BOND, sender=site.buyer)

    site.jobs.settle(job)

    assert (state(site, job), free(site, worker(site))) == (JobState.RUNNING, AMOUNTS[0])


def test_inv_job_5__review__is_no_time_of_work(site: JobSite) -> None:
    job = running(site)
    began = site.jobs.job(job).until - PLAN[0].due
    pass_(400)
    deliver(site, job)
    pass_(REVIEW + 1_000)

    site.jobs.settle(job)

    assert site.jobs.job(job).until == began + REVIEW + 1_000 + PLAN[1].due


def test_expire__overdue__gives_the_rest_and_the_bond_to_the_buyer(
    site: JobSite, unmoved: Unmoved
) -> None:
    job = running(site)
    deliver(site, job)
    with unmoved("job_book: another state"):
        site.jobs.expire(job)
    site.jobs.accept(job, sender=site.buyer)
    pass_(PLAN[1].due)
    with unmoved("job_market: not overdue"):
        site.jobs.expire(job)
    pass_(1)

    site.jobs.expire(job)

    assert state(site, job) == JobState.FAILED
    assert free(site, worker(site)) == AMOUNTS[0]
    assert free(site, site.buyer) == CHANGE + PRICE - AMOUNTS[0] + STAKED
    assert tuple(site.jobs.record_of(site.providers[0].operator_id)) == (0, 1)


# Disputes


def test_dispute__who_may_not__refused(site: JobSite, unmoved: Unmoved, stranger: str) -> None:
    job = running(site)
    with unmoved("job_book: another state"):
        site.jobs.dispute(job, RESULT, value=BOND, sender=site.buyer)
    deliver(site, job)

    with unmoved("job_market: not your job"):
        site.jobs.dispute(job, RESULT, value=BOND, sender=stranger)
    with unmoved("job_market: bond too low"):
        site.jobs.dispute(job, RESULT, value=BOND - 1, sender=site.buyer)
    case = site.jobs.dispute(job, RESULT, value=BOND + 7, sender=site.buyer)

    kept = site.jobs.case(case)
    assert case == site.jobs.case_id(job, 0)
    assert CaseState(int(kept.state)) == CaseState.WAITING
    assert (kept.pot, kept.barred) == (BOND, site.providers[0].operator_id)
    assert free(site, site.buyer) == CHANGE + 7
    for call in (site.jobs.accept, site.jobs.settle, site.jobs.expire):
        with unmoved("job_book: another state"):
            call(job, sender=site.buyer)


def test_dispute__faulty__refunds_and_takes_the_bond(site: JobSite) -> None:
    job, case = disputed(site)

    jury = judged(site, case, [1, 1, 1, 1, 1, 0, 0])

    assert site.providers[0].operator_id not in jury.members
    assert state(site, job) == JobState.REFUNDED
    assert CaseState(int(site.jobs.case(case).state)) == CaseState.FAULTY
    assert free(site, site.buyer) == CHANGE + PRICE + STAKED
    assert free(site, worker(site)) == 0
    earned = [free(site, site.auditor(one).owner) for one in jury.members]
    assert (sum(earned), earned[5:]) == (BOND, [0, 0])
    assert min(earned[:5]) >= JUROR_PAY
    assert tuple(site.jobs.record_of(site.providers[0].operator_id)) == (0, 1)


def test_dispute__fine__pays_and_goes_on(site: JobSite) -> None:
    job, case = disputed(site)
    began = site.jobs.job(job).until

    judged(site, case, [0, 0, 0, 0, 0, 0, 1])

    assert began == 0
    assert (state(site, job), free(site, worker(site))) == (JobState.RUNNING, AMOUNTS[0])
    deliver(site, job)
    again = site.jobs.dispute(job, keccak(b"again"), value=BOND, sender=site.buyer)
    assert again == site.jobs.case_id(job, 1)
    judged(site, again, [1] * JURY_SEATS)
    assert free(site, site.buyer) == CHANGE + PRICE - AMOUNTS[0] + STAKED


def test_dispute__fine_at_the_last__settles(site: JobSite) -> None:
    job = running(site)
    for _ in PLAN[:-1]:
        deliver(site, job)
        site.jobs.accept(job, sender=site.buyer)
    deliver(site, job)
    case = site.jobs.dispute(job, RESULT, value=BOND, sender=site.buyer)

    judged(site, case, [0] * JURY_SEATS)

    assert state(site, job) == JobState.SETTLED
    assert free(site, worker(site)) == PRICE + STAKED


def test_dispute__seven_do_not_agree__splits_the_milestone_and_pays_all_who_voted(
    site: JobSite,
) -> None:
    job, case = disputed(site)

    jury = judged(site, case, [1, 1, 1, 1, 0, 0, 0])

    half = AMOUNTS[0] // 2
    assert state(site, job) == JobState.SPLIT
    assert CaseState(int(site.jobs.case(case).state)) == CaseState.UNDECIDED
    assert free(site, worker(site)) == half + STAKED
    assert free(site, site.buyer) == CHANGE + PRICE - half
    assert [free(site, site.auditor(one).owner) for one in jury.members] == [JUROR_PAY] * 7
    assert tuple(site.jobs.record_of(site.providers[0].operator_id)) == (0, 0)


def test_dispute__jurors_who_sleep__earn_nothing_and_pay(site: JobSite, unmoved: Unmoved) -> None:
    job, case = disputed(site)
    with unmoved("job_jury: not decided"):
        site.jobs.punish(case, 0)

    jury = judged(site, case, [1] * JURY_SEATS, silent=3)

    assert state(site, job) == JobState.SPLIT  # four of seven are not five
    sleeper = site.auditor(jury.members[6])
    pool = sleeper.pool(ALIGNMENT)
    before = site.compute.stake.pool_state(pool).own
    site.jobs.punish(case, 6)
    assert site.compute.stake.pool_state(pool).own == before - before // 200
    assert free(site, sleeper.owner) == 0
    with unmoved("ballots: punished already"):
        site.jobs.punish(case, 6)
    with unmoved("job_jury: nothing is wrong"):
        site.jobs.punish(case, 0)
    with unmoved("job_jury: nobody was asked"):
        site.jobs.punish(case, 7)


def test_dispute__nobody_votes__gives_the_bond_back(site: JobSite) -> None:
    job, case = disputed(site)
    drawn(site, case)
    pass_(COMMIT + 1)
    site.jobs.advance(case)

    site.jobs.advance(case)  # nobody sealed, so nobody is waited for

    assert state(site, job) == JobState.SPLIT
    assert free(site, site.buyer) == CHANGE + PRICE - AMOUNTS[0] // 2 + BOND


def test_draw__numbers_and_who_shows_them__are_the_programs(
    site: JobSite, unmoved: Unmoved
) -> None:
    job, case = disputed(site)
    with unmoved("job_jury: seed not known"):
        site.jobs.draw(case, [])
    jury, tree = jury_of(site, case)
    shown = candidates_of(jury, tree)
    with unmoved("committee: candidate missing"):
        site.jobs.draw(case, shown[:-1])
    with unmoved("committee: candidate left over"):
        site.jobs.draw(case, [*shown, shown[0]])
    with unmoved("committee: another is drawn"):
        site.jobs.draw(case, [*shown[1:], shown[0]])
    with unmoved("job_jury: not to be drawn"):
        site.jobs.draw(site.jobs.case_id(job, 1), shown)

    site.jobs.draw(case, shown)

    seats = [site.jobs.ballot(case, 2, seat).operator_id for seat in range(JURY_SEATS)]
    assert seats == list(jury.members)
    assert site.jobs.case(case).deadline == boa.env.timestamp + COMMIT
    with unmoved("job_jury: not to be drawn"):
        site.jobs.draw(case, shown)


def test_draw__block_that_nobody_remembers__draws_by_the_beacon_of_now(site: JobSite) -> None:
    _, case = disputed(site)
    boa.env.evm.patch.block_number += 9_000
    next_epoch()

    with boa.reverts("committee: candidate missing"):
        site.jobs.draw(case, [])


def test_draw__no_auditors__splits() -> None:
    with boa.env.anchor():
        lone = deploy_jobs(auditors=0)
        job, case = disputed(lone)
        boa.env.evm.patch.block_number += 3

        lone.jobs.draw(case, [])

        assert state(lone, job) == JobState.SPLIT
        assert free(lone, lone.buyer) == CHANGE + PRICE - AMOUNTS[0] // 2 + BOND
        with boa.reverts("job_jury: nobody was asked"):
            lone.jobs.punish(case, 0)
    return_to("job market")


def test_ballots__out_of_turn__refused(site: JobSite, unmoved: Unmoved, stranger: str) -> None:
    _, case = disputed(site)
    with unmoved("job_jury: not awaited"):
        site.jobs.commit(case, RESULT, sender=site.auditors[0].owner)
    with unmoved("job_jury: nothing to wait for"):
        site.jobs.advance(case)
    first, *rest = (a_ballot(case, one, 1) for one in drawn(site, case).members)
    with unmoved("job_jury: too early"):
        site.jobs.advance(case)
    with unmoved("job_jury: too early"):
        open_ballot(site, first)
    with unmoved("ballots: not drawn"):
        site.jobs.commit(case, RESULT, sender=stranger)
    seal(site, first)
    with unmoved("ballots: sealed already"):
        seal(site, first)
    pass_(COMMIT + 1)
    with unmoved("job_jury: too late"):
        seal(site, rest[0])

    open_ballot(site, first)

    with unmoved("ballots: opened already"):
        open_ballot(site, first)
    with unmoved("ballots: another ballot"):
        open_ballot(site, rest[0])
    site.jobs.advance(case)
    with unmoved("job_jury: not awaited"):
        open_ballot(site, rest[0])


def test_vote__late_or_not_counted_yet__refused(site: JobSite, unmoved: Unmoved) -> None:
    _, case = disputed(site)
    first, second, *_ = (a_ballot(case, one, 1) for one in drawn(site, case).members)
    seal(site, first)
    seal(site, second)
    pass_(COMMIT + 1)
    open_ballot(site, first)
    with unmoved("job_jury: too early"):
        site.jobs.advance(case)
    pass_(VOTE + 1)

    with unmoved("job_jury: too late"):
        open_ballot(site, second)


@pytest.mark.parametrize("offence", [24, JOB_SILENT + 1])
def test_evidence_seconds__own_offence_only(site: JobSite, offence: int) -> None:
    assert site.jobs.evidence_seconds(JOB_SILENT) == EVIDENCE
    with boa.reverts("job_market: unknown offence"):
        site.jobs.evidence_seconds(offence)
