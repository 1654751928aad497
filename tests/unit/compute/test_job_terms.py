"""Plans, scores and amounts of jobs; the client's calls, events and refusals."""

import re
from dataclasses import fields
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.model import TypedCall
from offchain.compute import onchain_job_market as jobs
from offchain.compute.job_terms import (
    BPS,
    LONGEST_SECONDS,
    MAX_MILESTONES,
    JobTerms,
    Milestone,
    PlanInvalid,
    SealedBid,
    bond_of,
    case_id,
    check_plan,
    milestone_amounts,
    parse_plan,
    risk_bps,
    score,
    unpack_plan,
)
from offchain.compute.reverts_jobs import JOBS
from tests.unit.compute.test_court_clients import NoReader, deployed

CONTRACTS = Path(__file__).parents[3] / "contracts" / "compute"
MODULES = ("JobMarket", "job_terms", "job_book", "job_bids", "job_jury", "findings", "ballots")
SHARED = ("committee", "free_money")


@st.composite
def plans(draw: st.DrawFn) -> tuple[Milestone, ...]:
    """1 to 8 milestones whose shares are a whole and whose times rise."""
    count = draw(st.integers(1, MAX_MILESTONES))
    cuts = draw(
        st.lists(st.integers(1, BPS - 1), min_size=count - 1, max_size=count - 1, unique=True)
    )
    edges = [0, *sorted(cuts), BPS]
    steps = draw(st.lists(st.integers(1, 86_400), min_size=count, max_size=count))
    shares = (high - low for low, high in pairwise(edges))
    return tuple(map(Milestone, shares, accumulate(steps)))


@given(plan=plans(), price=st.integers(1, 2**96 - 1))
def test_inv_job_4__any_plan_and_price__amounts_are_the_price(
    plan: tuple[Milestone, ...], price: int
) -> None:
    amounts = milestone_amounts(price, plan)

    assert sum(amounts) == price
    assert all(amount >= 0 for amount in amounts)
    check_plan(plan)


@given(plan=plans())
def test_plan__in_two_words__comes_out_as_it_went_in(plan: tuple[Milestone, ...]) -> None:
    shares = sum(one.share_bps << 16 * place for place, one in enumerate(plan))
    dues = sum(one.due << 32 * place for place, one in enumerate(plan))

    assert unpack_plan(shares, dues) == plan


def test_plan__text__is_read() -> None:
    assert parse_plan("33.33:60, 66.67:3600") == (Milestone(3_333, 60), Milestone(6_667, 3_600))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "100",
        "100:x",
        "nan:5",
        "inf:5",
        "50:5",
        "50:5,50:5",
        "100:0",
        "-1:5,101:6",
        "0:5,100:6",
        f"100:{LONGEST_SECONDS + 1}",
        ",".join(f"12.5:{one}" for one in range(1, 10)),
    ],
)
def test_plan__text_that_is_none__is_refused(text: str) -> None:
    with pytest.raises(PlanInvalid):
        parse_plan(text)


def test_score__newcomer_and_veteran__the_veteran_may_ask_more() -> None:
    fresh, proven = risk_bps(settled=0, failed=0), risk_bps(settled=50, failed=0)

    assert (fresh, risk_bps(settled=0, failed=10**6)) == (1_250, 9_999)
    assert score(1_050, proven) < score(1_000, fresh)
    assert bond_of(1_001, 1_000) == 101


def test_case_id__next_to_audits__is_no_audit() -> None:
    assert case_id(1, 0) >> 254 == 1
    assert len({case_id(job, number) for job in (1, 2, 256) for number in range(8)}) == 24


def test_client__every_call__encodes() -> None:
    # a client that only builds calls never touches its reader
    client = jobs.JobMarketClient(deployed("JobMarket"), NoReader())  # type: ignore[arg-type]
    terms = JobTerms(bytes(20), 1, 0, bytes(32), b"s" * 32, 100, 60, 60, 60, parse_plan("100:9"))
    bid = SealedBid(1, 2, 3, bytes(32))
    token = b"\x01" * 20

    calls = [
        client.post(terms, 5),
        client.bid(bid, bytes(32), token=bytes(20), amount=7),
        client.bid(bid, bytes(32), token=token, amount=7),
        client.expire(1),
        client.forfeit(1, 2),
        client.punish(case_id(1, 0), 3),
    ]

    assert all(isinstance(call, TypedCall) and call.reverts is JOBS for call in calls)
    assert [call.value_wei for call in calls[:3]] == [5, 7, 0]


@pytest.mark.parametrize(
    "kind",
    [
        jobs.JobPosted,
        jobs.BidSealed,
        jobs.BidOpened,
        jobs.MilestonePaid,
        jobs.MilestoneDisputed,
        jobs.StateChanged,
        jobs.JuryDrawn,
    ],
)
def test_events__fields__are_the_contracts(kind: type) -> None:
    event = jobs.JobMarketClient.interface().event(kind.__name__)

    assert [one.name for one in event.inputs] == [one.name for one in fields(kind)]


def test_reverts__every_reason__leads_to_an_error() -> None:
    wanted: set[str] = set()
    for name in (*MODULES, *SHARED):
        wanted |= set(re.findall(r'"([a-z_]+: [^"]+)"', (CONTRACTS / f"{name}.vy").read_text()))

    assert wanted <= set(JOBS)
