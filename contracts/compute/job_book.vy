# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Jobs
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a job's pot and bond leave it once, whole, to its buyer and its provider; a final state is never left.
@dev Callers have checked the state. Amounts that leave are returned: whoever owns the ledger credits them.
"""
from ..interfaces import IJobMarket
from ..shared import constants as C
from . import job_terms

struct Plan:
    shares: uint256
    dues: uint256
    began: uint256  # work's clock: stands while others look at what was delivered
    delivered: uint256
    score: uint256  # of the best opened bid


job_count: reentrant(public(uint256))
jobs: HashMap[uint256, IJobMarket.Job]
plans: HashMap[uint256, Plan]


# --- VIEWS


@external
@view
@reentrant
def job(id: uint256) -> IJobMarket.Job:
    """
    @notice A job; all zero when there is none.
    """
    return self.jobs[id]


@external
@view
@reentrant
def plan_of(job: uint256) -> (uint256, uint256):
    """
    @return Shares of the milestones, 16 bits each, milestone 0 lowest; their times, 32 bits each.
    """
    return self.plans[job].shares, self.plans[job].dues


@external
@view
@reentrant
def bond_of(job: uint256) -> uint256:
    """
    @return What a bid needs, base units.
    """
    return self._bond(job)


# --- INTERNAL


@internal
def _post(terms: IJobMarket.Terms, buyer: address, budget: uint256) -> uint256:
    shares: uint256 = 0
    dues: uint256 = 0
    shares, dues = job_terms._pack(terms.milestones)
    id: uint256 = self.job_count + 1
    bid_until: uint256 = block.timestamp + convert(terms.bid_seconds, uint256)

    self.job_count = id
    self.jobs[id].state = IJobMarket.JobState.OPEN
    self.jobs[id].buyer = buyer
    self.jobs[id].token = terms.token
    self.jobs[id].kind = terms.kind
    self.jobs[id].level = terms.level
    self.jobs[id].bond_bps = convert(terms.bond_bps, uint256)
    self.jobs[id].model_hash = terms.model_hash
    self.jobs[id].spec_hash = terms.spec_hash
    self.plans[id].shares = shares
    self.plans[id].dues = dues
    self.jobs[id].bid_until = bid_until
    self.jobs[id].reveal_until = bid_until + convert(terms.reveal_seconds, uint256)
    self.jobs[id].review_seconds = convert(terms.review_seconds, uint256)
    self.jobs[id].budget = budget
    self.jobs[id].pot = budget
    return id


@internal
@view
def _check_state(id: uint256, state: IJobMarket.JobState):
    assert self.jobs[id].state != empty(IJobMarket.JobState), "job_book: no such job"
    assert self.jobs[id].state == state, "job_book: another state"


@internal
@view
def _bond(id: uint256) -> uint256:
    """
    @dev Rounded up, so never nothing.
    """
    return (self.jobs[id].budget * self.jobs[id].bond_bps + C.BPS - 1) // C.BPS


@internal
def _begin(id: uint256) -> uint256:
    """
    @return Of the budget, what the price leaves.
    """
    rest: uint256 = self.jobs[id].pot - self.jobs[id].price
    self.jobs[id].pot = self.jobs[id].price
    self.jobs[id].state = IJobMarket.JobState.RUNNING
    self.plans[id].began = block.timestamp
    self._expect(id)
    return rest


@internal
def _deliver(id: uint256, result: bytes32, receipts: bytes32):
    self.jobs[id].result = result
    self.jobs[id].receipts = receipts
    self.plans[id].delivered = block.timestamp
    self.jobs[id].state = IJobMarket.JobState.DELIVERED
    self.jobs[id].until = block.timestamp + self.jobs[id].review_seconds


@internal
def _dispute(id: uint256):
    self.jobs[id].state = IJobMarket.JobState.DISPUTED
    self.jobs[id].until = 0


@internal
@view
def _due_amount(id: uint256) -> uint256:
    """
    @return What the milestone under review is worth; the last one takes what rounding left.
    """
    number: uint256 = self.jobs[id].milestone
    if job_terms._is_last(self.plans[id].shares, number):
        return self.jobs[id].pot
    return self.jobs[id].price * job_terms._share(self.plans[id].shares, number) // C.BPS


@internal
def _pay(id: uint256) -> (uint256, bool):
    """
    @dev Time that others took does not count as work.
    @return What the milestone is worth, and whether it was the last.
    """
    amount: uint256 = self._due_amount(id)
    number: uint256 = self.jobs[id].milestone
    self.jobs[id].pot -= amount
    self.jobs[id].milestone = number + 1
    if job_terms._is_last(self.plans[id].shares, number):
        return amount, True

    self.jobs[id].state = IJobMarket.JobState.RUNNING
    self.plans[id].began += block.timestamp - self.plans[id].delivered
    self._expect(id)
    return amount, False


@internal
def _end(id: uint256, state: IJobMarket.JobState) -> (uint256, uint256):
    """
    @return The pot and the bond that were left.
    """
    pot: uint256 = self.jobs[id].pot
    bond: uint256 = self.jobs[id].bond
    self.jobs[id].pot = 0
    self.jobs[id].bond = 0
    self.jobs[id].until = 0
    self.jobs[id].state = state
    return pot, bond


@internal
def _expect(id: uint256):
    """
    @dev By when the next milestone is due.
    """
    due: uint256 = job_terms._due(self.plans[id].dues, self.jobs[id].milestone)
    self.jobs[id].until = self.plans[id].began + due
