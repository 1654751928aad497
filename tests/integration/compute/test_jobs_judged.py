"""Bought work whose people are silent or at odds: the worker's jobs move it on, a jury judges it.

Every job done twice does nothing the second time, and the money ends where the contract says.
"""

import pytest

from offchain.apps import job_market
from offchain.compute.model import NATIVE_COIN
from offchain.compute.onchain_job_market import CaseState, JobState
from offchain.core.units import WEI_PER_COIN
from offchain.jobs.model import JobKind
from tests.support.audit_market import PAYER, AuditMarket
from tests.support.judged_work import Bench, auditor_roles

PLAN = "40:600,60:1200"
PRICE, BOND, BUDGET = WEI_PER_COIN // 2, WEI_PER_COIN // 10, WEI_PER_COIN
JURORS_NEEDED = 3


@pytest.fixture(scope="module")
def bench(market: AuditMarket) -> Bench:
    return Bench.of(market, "artisan")


def test_jobs__nobody_moves_them_on__the_worker_does_once(
    market: AuditMarket, bench: Bench
) -> None:
    jobs, owner = market.network.jobs, bench.actor("artisan").address
    buyer = bench.actor(PAYER)

    number = bench.posted(PLAN)
    market.do_due(JobKind.AWARD_JOB, str(number))
    market.require_idle(JobKind.SETTLE_MILESTONE, str(number))
    bench.deliver(number)
    market.require_idle(JobKind.SETTLE_MILESTONE, str(number))
    market.pass_until(jobs.job(number, at=buyer.at).until)
    market.do_due(JobKind.SETTLE_MILESTONE, str(number))
    assert bench.free(owner) == PRICE * 4 // 10
    owed = bench.free(buyer.address)
    market.require_idle(JobKind.EXPIRE_JOB, str(number))
    market.pass_until(jobs.job(number, at=buyer.at).until)
    market.do_due(JobKind.EXPIRE_JOB, str(number))
    assert jobs.job(number, at=buyer.at).state is JobState.FAILED
    assert bench.free(buyer.address) == owed + PRICE * 6 // 10 + BOND

    sealed = bench.posted(PLAN, is_opened=False)
    owed = bench.free(buyer.address)
    operator_id = market.network.services.operator_of(bench.service, at=buyer.at)
    market.do_due(JobKind.AWARD_JOB, str(sealed))
    market.do_due(JobKind.FORFEIT_BID, f"{sealed}/{operator_id}")
    assert jobs.job(sealed, at=buyer.at).state is JobState.CANCELLED
    assert bench.free(buyer.address) == owed + BUDGET + BOND // 10
    assert bench.free(owner) == PRICE * 4 // 10 + BOND * 9 // 10


def test_jobs__disputed__a_jury_finds_it_faulty_and_is_paid_in_coins(
    market: AuditMarket, bench: Bench
) -> None:
    roles = auditor_roles(market)
    jobs, node, buyer = market.network.jobs, market.network.node, bench.actor(PAYER)
    number = bench.posted("100:600")
    market.do_due(JobKind.AWARD_JOB, str(number))
    bench.deliver(number)
    case = bench.disputed(number)
    subject = "0x" + case.to_bytes(32, "big").hex()

    market.do_due(JobKind.DRAW_JURY, subject)
    jurors = bench.jurors(case)
    assert len(jurors) >= JURORS_NEEDED
    voting, silent = jurors[:JURORS_NEEDED], jurors[JURORS_NEEDED:]
    for one in voting:
        job_market.judge(bench.actor(roles[one]), number, "faulty")
    if silent:
        with pytest.raises(job_market.NothingToDecide):
            job_market.judge(bench.actor("stranger"), number + 100, "fine")
        market.require_idle(JobKind.ADVANCE_CASE, subject)
        market.pass_until(jobs.case(case, at=buyer.at).deadline)
        market.do_due(JobKind.ADVANCE_CASE, subject)
    for one in voting:
        job_market.judge(bench.actor(roles[one]), number, "faulty")
    owed = bench.free(buyer.address)
    if silent:
        market.pass_until(jobs.case(case, at=buyer.at).deadline)
    market.do_due(JobKind.ADVANCE_CASE, subject)

    assert jobs.case(case, at=buyer.at).state is CaseState.FAULTY
    assert jobs.job(number, at=buyer.at).state is JobState.REFUNDED
    assert bench.free(buyer.address) == owed + PRICE + BOND
    paid = [bench.free(market.chain.signers[one - 1].address) for one in voting]
    assert sum(paid) == jobs.jury_bond(at=buyer.at)
    for seat in range(len(jurors)):
        judged = f"{subject}/{seat}"
        if jurors[seat] in silent:
            market.do_due(JobKind.PUNISH_JUROR, judged)
        else:
            market.require_idle(JobKind.PUNISH_JUROR, judged)
    for one, wei in zip(voting, paid, strict=True):
        account = market.chain.signers[one - 1].address
        taking = jobs.withdraw(NATIVE_COIN, wei, account)
        market.chain.senders[one - 1].execute(taking, key=f"juror:{case}")
    held, owed = node.balance(jobs.address, at=buyer.at), bench.free(buyer.address)
    job_market.withdraw(buyer)
    assert node.balance(jobs.address, at=buyer.at) == held - owed
    assert bench.free(buyer.address) == 0
