"""Posting, sealed bids, their openings, the award, and tokens that misbehave."""

from typing import Any

import boa
import pytest

from offchain.compute.job_terms import (
    Milestone,
    SealedBid,
    bond_of,
    risk_bps,
    score,
    unpack_plan,
)
from offchain.compute.onchain_job_market import JobState
from offchain.core.hashing import keccak
from tests.contracts.compute.job_market.conftest import Unmoved
from tests.support.compute_chain import NATIVE, compute_deployer, hex_of, raw
from tests.support.job_market import (
    BID,
    BOND_BPS,
    BUDGET,
    JUROR_PAY,
    PLAN,
    REVEAL,
    REVIEW,
    SALT,
    SHORTEST,
    WINDOWS,
    JobSite,
    bid,
    deliver,
    fields_of,
    job_terms,
    pass_,
    post,
    reveal,
    running,
    sealed,
    token_job,
)
from tests.support.staking import COIN, CONTRACTS, DAY

HOSTILE = CONTRACTS.parent / "tests" / "contracts" / "staking" / "hostile_receiver.vy"
FEE, LIE, REVERT, REENTER = 1, 2, 3, 4
LONGEST = 366 * DAY * 100


def state(site: JobSite, job: int) -> JobState:
    return JobState(int(site.jobs.job(job).state))


def free(site: JobSite, account: str, token: str = NATIVE) -> int:
    return int(site.jobs.free_of(account, token))


def test_post__terms_and_money__are_the_jobs(site: JobSite) -> None:
    job = post(site)

    kept = site.jobs.job(job)
    now = boa.env.timestamp
    assert (job, site.jobs.job_count()) == (1, 1)
    assert (kept.buyer, kept.budget, kept.pot, kept.bids) == (site.buyer, BUDGET, BUDGET, 0)
    assert (kept.bid_until, kept.reveal_until) == (now + BID, now + BID + REVEAL)
    assert (kept.review_seconds, kept.bond_bps) == (REVIEW, BOND_BPS)
    assert unpack_plan(*site.jobs.plan_of(job)) == PLAN
    assert site.jobs.bond_of(job) == bond_of(BUDGET, BOND_BPS)
    assert boa.env.get_balance(site.jobs.address) == BUDGET


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": 0}, "job_terms: unknown kind"),
        ({"kind": 6}, "job_terms: unknown kind"),
        ({"level": 4}, "job_terms: unknown level"),
        ({"spec_hash": bytes(32)}, "job_terms: no specification"),
        ({"bond_bps": 0}, "job_terms: bond out of range"),
        ({"bond_bps": 10_001}, "job_terms: bond out of range"),
        ({"bid_seconds": SHORTEST - 1}, "job_terms: window out of range"),
        ({"reveal_seconds": SHORTEST - 1}, "job_terms: window out of range"),
        ({"review_seconds": SHORTEST - 1}, "job_terms: window out of range"),
        ({"bid_seconds": LONGEST + 1}, "job_terms: window out of range"),
        ({"milestones": ()}, "job_terms: shares are not a whole"),
        ({"milestones": (Milestone(9_999, 1),)}, "job_terms: shares are not a whole"),
        (
            {"milestones": (Milestone(5_000, 5), Milestone(5_001, 6))},
            "job_terms: shares are not a whole",
        ),
        ({"milestones": (Milestone(10_000, 5), Milestone(0, 6))}, "job_terms: empty share"),
        ({"milestones": (Milestone(10_000, 0),)}, "job_terms: times do not rise"),
        (
            {"milestones": (Milestone(5_000, 5), Milestone(5_000, 5))},
            "job_terms: times do not rise",
        ),
        ({"milestones": (Milestone(10_000, LONGEST + 1),)}, "job_terms: times do not rise"),
    ],
)
def test_post__terms_that_are_none__refused(
    site: JobSite, unmoved: Unmoved, changes: dict[str, Any], reason: str
) -> None:
    with unmoved(reason):
        post(site, **changes)


def test_post__money_that_is_none__refused(site: JobSite, unmoved: Unmoved) -> None:
    terms = fields_of(job_terms())
    with unmoved("free_money: wrong value"):
        site.jobs.post(terms, 5, value=4, sender=site.buyer)
    with unmoved("job_market: budget out of range"):
        site.jobs.post(terms, 0, sender=site.buyer)
    with unmoved("free_money: wrong value"):
        paid = fields_of(job_terms(token=raw(site.token.address)))
        site.jobs.post(paid, 5, value=5, sender=site.buyer)
    site.token.mint(site.buyer, 2**97)
    with unmoved("job_market: budget out of range"):
        site.jobs.post(paid, 2**96, sender=site.buyer)


def test_cancel__nobody_has_bid__gives_the_money_back(
    site: JobSite, unmoved: Unmoved, stranger: str
) -> None:
    job = post(site)
    with unmoved("job_market: not your job"):
        site.jobs.cancel(job, sender=stranger)
    with unmoved("job_book: no such job"):
        site.jobs.cancel(2, sender=site.buyer)

    site.jobs.cancel(job, sender=site.buyer)

    assert (state(site, job), free(site, site.buyer)) == (JobState.CANCELLED, BUDGET)
    with unmoved("job_book: another state"):
        site.jobs.cancel(job, sender=site.buyer)
    other = post(site)
    bid(site, other, 0, 5)
    with unmoved("job_market: bids are sealed"):
        site.jobs.cancel(other, sender=site.buyer)


def test_bid__who_may_not__refused(site: JobSite, unmoved: Unmoved, stranger: str) -> None:
    job, owner = post(site), site.providers[0].owner
    bond, one = site.jobs.bond_of(job), sealed(site, job, 0, 5).commitment()
    mine, other = site.services[:2]

    with unmoved("job_market: not your service"):
        site.jobs.bid(job, other, one, bond, value=bond, sender=owner)
    with unmoved("job_market: not your service"):
        site.jobs.bid(job, mine, one, bond, value=bond, sender=stranger)
    with unmoved("job_market: not your service"):
        site.jobs.bid(job, bytes(32), one, bond, value=bond, sender=stranger)
    with unmoved("job_bids: bond too low"):
        site.jobs.bid(job, mine, one, bond - 1, value=bond - 1, sender=owner)
    with unmoved("job_bids: no commitment"):
        site.jobs.bid(job, mine, bytes(32), bond, value=bond, sender=owner)
    with unmoved("free_money: wrong value"):
        site.jobs.bid(job, mine, one, bond, value=bond - 1, sender=owner)
    for changes in ({"kind": 2}, {"model_hash": keccak(b"another")}):
        asked = post(site, **changes)
        with unmoved("job_market: other work"):
            site.jobs.bid(asked, mine, one, bond, value=bond, sender=owner)
    audited = post(site, level=1)
    with unmoved("job_market: level too low"):
        site.jobs.bid(audited, mine, one, bond, value=bond, sender=owner)
    site.compute.registry.pause(mine, sender=owner)
    with unmoved("job_market: not serving"):
        site.jobs.bid(job, mine, one, bond, value=bond, sender=owner)


def test_bid__level_and_any_model__is_taken_while_they_hold(
    site: JobSite, unmoved: Unmoved
) -> None:
    job = post(site, level=1, model_hash=bytes(32))
    until = boa.env.timestamp + DAY
    for service in site.services[:1]:
        site.compute.courts.set_standing(service, (30, 0, 0, until))

    one = bid(site, job, 0, 5)

    site.compute.courts.set_standing(site.services[0], (0, 0, 0, 0))
    pass_(BID + 1)
    with unmoved("job_market: level too low"):
        reveal(site, one)


def test_bid__twice_or_late__refused(site: JobSite, unmoved: Unmoved) -> None:
    job = post(site)
    bid(site, job, 0, 5)

    with unmoved("job_bids: bid already"):
        bid(site, job, 0, 6)
    pass_(BID + 1)
    with unmoved("job_market: too late"):
        bid(site, job, 1, 6)


def test_reveal__beaten_bids__have_their_bonds_back_at_once(site: JobSite) -> None:
    job, bond = post(site), bond_of(BUDGET, BOND_BPS)
    bids = [bid(site, job, place, price) for place, price in enumerate((900, 800, 850))]
    assert boa.env.get_balance(site.jobs.address) == BUDGET + 3 * bond
    pass_(BID + 1)

    for one in bids:
        reveal(site, one)

    kept = site.jobs.job(job)
    assert (kept.operator_id, kept.price, kept.bond) == (bids[1].operator_id, 800, bond)
    assert kept.service == site.services[1]
    assert [free(site, one.owner) for one in site.providers] == [bond, 0, bond]


def test_inv_job_2__same_price__the_first_opened_wins(site: JobSite) -> None:
    job = post(site)
    bids = [bid(site, job, place, 700) for place in (0, 1)]
    pass_(BID + 1)

    for one in reversed(bids):
        reveal(site, one)

    assert site.jobs.job(job).operator_id == bids[1].operator_id


def test_inv_job_2__who_failed_before__needs_a_lower_price(site: JobSite) -> None:
    failed = running(site)
    pass_(PLAN[0].due + 1)
    site.jobs.expire(failed)
    loser, rival = site.providers[0].operator_id, site.providers[1].operator_id
    risks = [site.jobs.risk_of(one) for one in (loser, rival)]
    assert risks == [risk_bps(settled=0, failed=1), risk_bps(settled=0, failed=0)]
    job = post(site)
    cheap, fair = bid(site, job, 0, 95_000), bid(site, job, 1, 100_000)
    assert score(95_000, risks[0]) > score(100_000, risks[1])
    pass_(BID + 1)

    reveal(site, cheap)
    reveal(site, fair)

    assert site.jobs.job(job).operator_id == rival


def test_reveal__what_was_not_sealed__refused(
    site: JobSite, unmoved: Unmoved, stranger: str
) -> None:
    job, owner = post(site), site.providers[0].owner
    one = bid(site, job, 0, 5)
    with unmoved("job_market: bids are sealed"):
        reveal(site, one)
    pass_(BID + 1)

    with unmoved("job_bids: another bid"):
        site.jobs.reveal(job, 6, SALT, sender=owner)
    with unmoved("job_bids: nothing sealed"):
        site.jobs.reveal(job, 5, SALT, sender=stranger)
    reveal(site, one)
    with unmoved("job_bids: nothing sealed"):
        reveal(site, one)
    pass_(REVEAL)
    with unmoved("job_market: too late"):
        reveal(site, one)


@pytest.mark.parametrize("price", [0, BUDGET + 1])
def test_reveal__price_outside_the_budget__refused(
    site: JobSite, unmoved: Unmoved, price: int
) -> None:
    job = post(site)
    one = bid(site, job, 0, price)
    pass_(BID + 1)

    with unmoved("job_bids: price out of range"):
        reveal(site, one)


def test_bid__copied_commitment__cannot_be_opened(site: JobSite, unmoved: Unmoved) -> None:
    job, bond = post(site), bond_of(BUDGET, BOND_BPS)
    one, thief = bid(site, job, 0, 5), site.providers[1]
    copied = one.commitment()
    site.jobs.bid(job, site.services[1], copied, bond, value=bond, sender=thief.owner)
    pass_(BID + 1)

    with unmoved("job_bids: another bid"):
        site.jobs.reveal(job, one.price, one.salt, sender=thief.owner)


def test_award__best_bid__runs_and_the_rest_of_the_budget_is_free(
    site: JobSite, unmoved: Unmoved
) -> None:
    job = post(site)
    one = bid(site, job, 0, 900_001)
    pass_(BID + 1)
    reveal(site, one)
    pass_(REVEAL - 1)
    with unmoved("job_market: bids may open"):
        site.jobs.award(job)
    pass_(1)

    assert site.jobs.award(job)

    kept = site.jobs.job(job)
    assert (state(site, job), kept.pot, kept.milestone) == (JobState.RUNNING, 900_001, 0)
    assert kept.until == boa.env.timestamp + PLAN[0].due
    assert free(site, site.buyer) == BUDGET - 900_001
    with unmoved("job_book: another state"):
        site.jobs.award(job)


def test_award__nobody_opened__cancels_and_a_sealed_bid_pays_a_tenth(
    site: JobSite, unmoved: Unmoved
) -> None:
    job = post(site)
    one = bid(site, job, 0, 5)
    bond = site.jobs.bond_of(job)
    with unmoved("job_market: bids may open"):
        site.jobs.forfeit(job, one.operator_id)
    pass_(BID + REVEAL + 1)

    assert not site.jobs.award(job)
    site.jobs.forfeit(job, one.operator_id)

    assert state(site, job) == JobState.CANCELLED
    assert free(site, site.buyer) == BUDGET + bond // 10
    assert free(site, site.providers[0].owner) == bond - bond // 10
    with unmoved("job_bids: nothing sealed"):
        site.jobs.forfeit(job, one.operator_id)
    with unmoved("job_bids: nothing sealed"):
        site.jobs.forfeit(7, one.operator_id)


# Tokens and receivers


def test_token__that_takes_a_fee__counts_what_arrived(site: JobSite, unmoved: Unmoved) -> None:
    site.token.set_mode(FEE, NATIVE, b"")

    job = token_job(site)

    arrived = BUDGET - BUDGET // 100
    assert site.jobs.job(job).budget == arrived == site.token.balanceOf(site.jobs.address)
    bond = site.jobs.bond_of(job)
    with unmoved("job_bids: bond too low"):
        bid(site, job, 0, 5, amount=bond)
    bid(site, job, 0, 5, amount=2 * bond)
    assert site.jobs.bid_of(job, site.providers[0].operator_id).bond == 2 * bond - 2 * bond // 100


@pytest.mark.parametrize("mode", [LIE, REVERT])
def test_token__that_lies_or_reverts__moves_nothing(
    site: JobSite, unmoved: Unmoved, mode: int
) -> None:
    job = token_job(site)
    token_job(site)
    site.jobs.cancel(2, sender=site.buyer)
    site.token.mint(site.buyer, 5)
    site.token.mint(site.providers[0].owner, BUDGET)
    site.token.set_mode(mode, NATIVE, b"")
    reason = "free_money: token refused" if mode == LIE else "token: refused"
    terms = fields_of(job_terms(token=raw(site.token.address)))

    with unmoved(reason):
        site.jobs.post(terms, 5, sender=site.buyer)
    with unmoved(reason):
        bond, one = site.jobs.bond_of(job), sealed(site, job, 0, 5).commitment()
        site.jobs.bid(job, site.services[0], one, bond, sender=site.providers[0].owner)
    with unmoved(reason):
        site.jobs.withdraw(site.token.address, 5, site.buyer, sender=site.buyer)


def test_token__that_calls_back__gets_nothing_twice(site: JobSite) -> None:
    job = token_job(site)
    site.jobs.cancel(job, sender=site.buyer)
    again = site.jobs.withdraw.prepare_calldata(site.token.address, BUDGET, site.buyer)
    site.token.set_mode(REENTER, site.jobs.address, again)

    site.jobs.withdraw(site.token.address, BUDGET, site.buyer, sender=site.buyer)

    assert not site.token.reentered()
    assert site.token.balanceOf(site.jobs.address) == 0


def test_token__whole_job__pays_in_it(site: JobSite) -> None:
    job = running(site, token=raw(site.token.address))

    for _ in PLAN:
        deliver(site, job)
        site.jobs.accept(job, sender=site.buyer)

    owner = site.providers[0].owner
    assert state(site, job) == JobState.SETTLED
    bond = bond_of(BUDGET, BOND_BPS)
    assert free(site, owner, site.token.address) == 900_001 + bond
    assert free(site, owner) == 0


def test_withdraw__what_is_not_ones_own__refused(
    site: JobSite, unmoved: Unmoved, stranger: str
) -> None:
    site.jobs.cancel(post(site), sender=site.buyer)

    for account, amount in ((site.buyer, 0), (site.buyer, BUDGET + 1), (stranger, 1)):
        with unmoved("free_money: not that much"):
            site.jobs.withdraw(NATIVE, amount, account, sender=account)
    with unmoved("free_money: no receiver"):
        site.jobs.withdraw(NATIVE, 1, NATIVE, sender=site.buyer)
    receiver = boa.load(str(HOSTILE))
    receiver.set_mode(1, NATIVE, b"")
    with unmoved("free_money: receiver refused"):
        site.jobs.withdraw(NATIVE, 1, receiver.address, sender=site.buyer)
    site.jobs.withdraw(NATIVE, BUDGET, stranger, sender=site.buyer)
    assert boa.env.get_balance(site.jobs.address) == 0


def test_sealed_bid__commitment__is_the_contracts(site: JobSite) -> None:
    assert SealedBid(1, 2, 3, SALT).commitment() != SealedBid(1, 3, 3, SALT).commitment()
    assert site.jobs.case_id(5, 2) == 1 << 254 | 5 << 8 | 2


def test_constructor__without_contracts_or_windows__refused(site: JobSite) -> None:
    nobody = hex_of(bytes(19) + b"\x09")
    good = [
        site.compute.registry.address,
        site.compute.staking.registry.address,
        site.compute.stake.address,
        site.beacon.address,
        site.court.address,
        WINDOWS,
        JUROR_PAY,
    ]
    cases = [
        (0, nobody, "job_market: no contract"),
        (1, nobody, "job_jury: no contract"),
        (3, nobody, "job_jury: no contract"),
        (4, nobody, "findings: no contract"),
        (5, (0, *WINDOWS[1:]), "job_market: empty window"),
        (5, (LONGEST + 1, *WINDOWS[1:]), "job_market: empty window"),
        (5, (SHORTEST, 0, *WINDOWS[2:]), "job_jury: empty window"),
        (5, (*WINDOWS[:2], 0, WINDOWS[3]), "job_jury: empty window"),
        (6, 0, "job_jury: pay out of range"),
        (6, 2**96, "job_jury: pay out of range"),
    ]

    for place, value, reason in cases:
        arguments: list[Any] = list(good)
        arguments[place] = value
        with boa.reverts(reason):
            compute_deployer("JobMarket").deploy(*arguments)
    assert tuple(site.jobs.windows()) == WINDOWS
    assert site.jobs.jury_bond() == 7 * JUROR_PAY < COIN
