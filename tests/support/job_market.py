"""JobMarket on real stake, beacon and court: three providers, eight auditors, a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boa

from offchain.compute.audit_draw import Ballot, Committee, candidates_of, committee_of, seed_of
from offchain.compute.job_terms import (
    JURY_ROUND,
    JURY_SEATS,
    JobTerms,
    Milestone,
    SealedBid,
    case_id,
)
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.staking.tree import Leaf, StakeTree
from tests.support.compute_chain import (
    MODEL_HASH,
    NATIVE,
    ComputeSite,
    a_service,
    compute_deployer,
    deploy_compute,
    raw,
)
from tests.support.compute_courts import mine_seed
from tests.support.staking import (
    ALIGNMENT,
    COIN,
    COMPUTE,
    DAY,
    AnOperator,
    a_member,
    a_wallet,
    deploy_staking,
    next_epoch,
    staking_deployer,
)

SHORTEST, COMMIT, VOTE = 60, 120, 60
EVIDENCE = 7 * DAY
WINDOWS = (SHORTEST, COMMIT, VOTE, EVIDENCE)
JUROR_PAY = COIN // 1_000
BOND = JURY_SEATS * JUROR_PAY
JOB_SILENT = 33
AUDITORS = 8
BUDGET = 1_000_003  # so that shares round
BOND_BPS = 1_000
BID, REVEAL, REVIEW = 100, 90, 80
PLAN = (Milestone(3_333, 1_000), Milestone(3_333, 2_000), Milestone(3_334, 3_000))
SPEC, RESULT, RECEIPTS = keccak(b"what to do"), keccak(b"result"), keccak(b"receipts")
SALT = keccak(b"salt of bids")


@dataclass(frozen=True, slots=True)
class JobSite:
    """Everything wired; provider 0 stakes in ALIGNMENT too. `services` one for each provider."""

    compute: ComputeSite
    court: Any
    beacon: Any
    jobs: Any
    providers: tuple[AnOperator, ...]
    services: tuple[bytes, ...]
    auditors: tuple[AnOperator, ...]
    buyer: str

    @property
    def token(self) -> Any:
        return self.compute.token

    def provider(self, operator_id: int) -> AnOperator:
        return next(one for one in self.providers if one.operator_id == operator_id)

    @property
    def jurors(self) -> tuple[AnOperator, ...]:
        """Everybody in ALIGNMENT."""
        return (*self.auditors, self.providers[0])

    def auditor(self, operator_id: int) -> AnOperator:
        return next(one for one in self.jurors if one.operator_id == operator_id)

    def tree(self, epoch: int) -> StakeTree:
        """The ALIGNMENT tree of an epoch, read pool by pool."""
        leaves = {}
        for one in self.jurors:
            pool = one.pool(ALIGNMENT)
            seat = self.compute.staking.registry.seat_of(pool)
            if seat:
                weight = self.compute.stake.weight_at(pool, epoch)
                key_hash = keccak(self.compute.stake.key_at(one.operator_id, epoch))
                leaves[seat - 1] = Leaf(one.operator_id, weight, key_hash)
        return StakeTree(leaves)


def deploy_jobs(auditors: int = AUDITORS) -> JobSite:
    """Registry with twin courts, a real SlashingCourt for jurors, three chat services."""
    staking = deploy_staking(court="")
    stake, governance = staking.stake.address, staking.governance
    court = staking_deployer("SlashingCourt").deploy(
        stake, governance, a_wallet("treasury"), 29 * DAY
    )
    staking.stake.wire_court(court.address, sender=governance)
    beacon = staking_deployer("RandomBeacon").deploy(stake, governance, EVIDENCE)
    members = tuple(a_member(staking, 10 + one, service=ALIGNMENT) for one in range(auditors))
    rivals = tuple(a_member(staking, 2 + one, service=COMPUTE) for one in range(2))
    compute = deploy_compute(staking)
    providers = (compute.provider, *rivals)
    if auditors:
        staking.stake.join(ALIGNMENT, 0, value=100 * COIN, sender=providers[0].owner)
        next_epoch(2)
    services = (compute.service, *(a_service(compute.registry, one) for one in rivals))
    jobs = compute_deployer("JobMarket").deploy(
        compute.registry.address,
        staking.registry.address,
        stake,
        beacon.address,
        court.address,
        WINDOWS,
        JUROR_PAY,
    )
    rule = (2, ALIGNMENT, 50, 0, 0, EVIDENCE, False, False, jobs.address)
    court.add_type(JOB_SILENT, rule, sender=governance)
    buyer = a_wallet("buyer")
    return JobSite(compute, court, beacon, jobs, providers, services, members, buyer)


def job_terms(**changes: Any) -> JobTerms:
    """A job of chat work in coins, three milestones."""
    fields: dict[str, Any] = {
        "token": bytes(20),
        "kind": 1,
        "level": 0,
        "model_hash": MODEL_HASH,
        "spec_hash": SPEC,
        "bond_bps": BOND_BPS,
        "bid_seconds": BID,
        "reveal_seconds": REVEAL,
        "review_seconds": REVIEW,
        "milestones": PLAN,
    }
    return JobTerms(**(fields | changes))


def fields_of(terms: JobTerms) -> tuple[object, ...]:
    """As titanoboa takes them: addresses are text."""
    return ("0x" + terms.token.hex(), *terms.fields()[1:])


def post(site: JobSite, budget: int = BUDGET, **changes: Any) -> int:
    """A buyer's job; the token is minted for him."""
    terms = job_terms(**changes)
    is_coin = terms.token == bytes(20)
    if not is_coin:
        site.token.mint(site.buyer, budget)
    value = budget if is_coin else 0
    return int(site.jobs.post(fields_of(terms), budget, value=value, sender=site.buyer))


def token_job(site: JobSite, budget: int = BUDGET, **changes: Any) -> int:
    return post(site, budget, token=raw(site.token.address), **changes)


def sealed(site: JobSite, job: int, provider: int, price: int) -> SealedBid:
    return SealedBid(job, site.providers[provider].operator_id, price, SALT)


def bid(site: JobSite, job: int, provider: int, price: int, amount: int | None = None) -> SealedBid:
    """Seal a provider's bid with the bond it needs."""
    one, owner = sealed(site, job, provider, price), site.providers[provider].owner
    bond = site.jobs.bond_of(job) if amount is None else amount
    is_coin = site.jobs.job(job).token == NATIVE
    if not is_coin:
        site.token.mint(owner, bond)
    value = bond if is_coin else 0
    commitment = one.commitment()
    site.jobs.bid(job, site.services[provider], commitment, bond, value=value, sender=owner)
    return one


def reveal(site: JobSite, one: SealedBid) -> None:
    owner = site.provider(one.operator_id).owner
    site.jobs.reveal(one.job, one.price, one.salt, sender=owner)


def running(site: JobSite, price: int = 900_001, **changes: Any) -> int:
    """A job awarded to provider 0, the only bidder."""
    job = post(site, **changes)
    one = bid(site, job, 0, price)
    pass_(BID + 1)
    reveal(site, one)
    pass_(REVEAL)
    site.jobs.award(job)
    return job


def deliver(site: JobSite, job: int) -> None:
    owner = site.provider(site.jobs.job(job).operator_id).owner
    site.jobs.deliver(job, RESULT, RECEIPTS, sender=owner)


def disputed(site: JobSite, **changes: Any) -> tuple[int, int]:
    """A job under dispute, and the case."""
    job = running(site, **changes)
    deliver(site, job)
    case = int(site.jobs.dispute(job, keccak(b"wrong"), value=BOND, sender=site.buyer))
    return job, case


def jury_of(site: JobSite, case: int) -> tuple[Committee, StakeTree]:
    """Whom the draw of a case falls on, its block mined."""
    record = site.jobs.case(case)
    block_hash = mine_seed(int(record.seed_block))
    random = bytes(site.beacon.randomness(int(record.epoch)))
    seed = seed_of(random, block_hash, audit=case, rnd=JURY_ROUND)
    tree = site.tree(int(record.epoch))
    return committee_of(seed, tree, seats=JURY_SEATS, barred=int(record.barred)), tree


def drawn(site: JobSite, case: int) -> Committee:
    jury, tree = jury_of(site, case)
    site.jobs.draw(case, candidates_of(jury, tree), sender=a_wallet("stranger"))
    return jury


def a_ballot(case: int, member: int, faulty: int) -> Ballot:
    return Ballot(case, JURY_ROUND, member, faulty, keccak(b"found"), keccak(b"s", words(member)))


def seal(site: JobSite, ballot: Ballot) -> None:
    owner = site.auditor(ballot.operator_id).owner
    site.jobs.commit(ballot.audit, ballot.commitment(), sender=owner)


def open_ballot(site: JobSite, ballot: Ballot) -> None:
    owner = site.auditor(ballot.operator_id).owner
    salt = ballot.salt
    site.jobs.vote(ballot.audit, bool(ballot.failed), ballot.statistics, salt, sender=owner)


def judged(site: JobSite, case: int, votes: Sequence[int], silent: int = 0) -> Committee:
    """Everybody seals, all but the last `silent` open, and the case is decided."""
    jury = drawn(site, case)
    ballots = [a_ballot(case, *one) for one in zip(jury.members, votes, strict=True)]
    for one in ballots:
        seal(site, one)
    for one in ballots[: len(ballots) - silent]:
        open_ballot(site, one)
    if silent:
        pass_(VOTE + 1)
    site.jobs.advance(case, sender=a_wallet("stranger"))
    return jury


def pass_(seconds: int) -> None:
    boa.env.timestamp += seconds


def picture(site: JobSite) -> tuple[Any, ...]:
    """All that a refused call must leave as it was."""
    jobs = site.jobs
    count = int(jobs.job_count())
    numbers = range(1, count + 1)
    people = [*site.providers, *site.auditors]
    accounts = [site.buyer, a_wallet("stranger"), *(one.owner for one in people)]
    tokens = (NATIVE, site.token.address)
    ids = [case_id(job, one) for job in numbers for one in range(len(PLAN))]
    known = [case for case in ids if int(jobs.case(case).state)]
    return (
        [jobs.job(number) for number in numbers],
        [jobs.bid_of(number, one.operator_id) for number in numbers for one in site.providers],
        [jobs.record_of(one.operator_id) for one in site.providers],
        [jobs.free_of(one, token) for one in accounts for token in tokens],
        [jobs.case(case) for case in known],
        [jobs.ballot(case, JURY_ROUND, seat) for case in known for seat in range(JURY_SEATS)],
        boa.env.get_balance(jobs.address),
        site.token.balanceOf(jobs.address),
        [int(site.compute.stake.pool_state(one.pool(ALIGNMENT)).own) for one in site.auditors],
    )
