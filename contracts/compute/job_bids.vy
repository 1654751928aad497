# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Sealed bids
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an operator bids once for a job, and its bond is in one place: with the sealed bid, with the job as its
        best one, or its owner's again.
@dev Commitment: keccak256(abi_encode(TAG_JOB_BID, job, operator id, price, salt)). It names the operator, so copying it is
     no bid. Score: price x (10,000 + risk); of equal ones the first opened is the best.
"""
from ..interfaces import IJobMarket
from ..shared import constants as C
from . import job_book
from . import job_record

uses: job_book
uses: job_record

FINE_BPS: constant(uint256) = 1_000  # of the bond, for a bid that is not opened

bids: HashMap[uint256, HashMap[uint256, IJobMarket.Bid]]  # job, operator


@external
@view
@reentrant
def bid_of(job: uint256, operator_id: uint256) -> IJobMarket.Bid:
    """
    @notice What an operator has sealed; service zero when nothing.
    """
    return self.bids[job][operator_id]


@internal
def _seal(job: uint256, operator_id: uint256, service: bytes32, commitment: bytes32, bond: uint256):
    """
    @param bond What has arrived.
    """
    assert commitment != empty(bytes32), "job_bids: no commitment"
    assert self.bids[job][operator_id].service == empty(bytes32), "job_bids: bid already"
    assert bond >= job_book._bond(job), "job_bids: bond too low"

    self.bids[job][operator_id] = IJobMarket.Bid(service=service, commitment=commitment, bond=bond)
    job_book.jobs[job].bids += 1
    log IJobMarket.BidSealed(job=job, operator_id=operator_id, service=service, bond=bond)


@internal
def _open(job: uint256, operator_id: uint256, price: uint256, salt: bytes32) -> (uint256, uint256):
    """
    @return Whose bond is free again, and how much it is: the beaten best's, or this one's. Operator 0: nobody's.
    """
    bid: IJobMarket.Bid = self.bids[job][operator_id]
    assert bid.commitment != empty(bytes32), "job_bids: nothing sealed"
    sealed: bytes32 = keccak256(abi_encode(C.TAG_JOB_BID, job, operator_id, price, salt))
    assert sealed == bid.commitment, "job_bids: another bid"
    assert price != 0 and price <= job_book.jobs[job].budget, "job_bids: price out of range"

    self.bids[job][operator_id].commitment = empty(bytes32)
    self.bids[job][operator_id].bond = 0
    score: uint256 = price * (C.BPS + job_record._risk(operator_id))
    former: uint256 = job_book.jobs[job].operator_id
    is_best: bool = former == 0 or score < job_book.plans[job].score
    log IJobMarket.BidOpened(
        job=job, operator_id=operator_id, price=price, score=score, is_best=is_best
    )
    if not is_best:
        return operator_id, bid.bond
    freed: uint256 = job_book.jobs[job].bond
    job_book.jobs[job].bond = bid.bond
    job_book.jobs[job].service = bid.service
    job_book.jobs[job].operator_id = operator_id
    job_book.jobs[job].price = price
    job_book.plans[job].score = score
    return former, freed


@internal
def _forfeit(job: uint256, operator_id: uint256) -> (uint256, uint256):
    """
    @return The buyer's fine and the rest, which is the bidder's.
    """
    bid: IJobMarket.Bid = self.bids[job][operator_id]
    assert bid.commitment != empty(bytes32), "job_bids: nothing sealed"

    self.bids[job][operator_id].commitment = empty(bytes32)
    self.bids[job][operator_id].bond = 0
    fine: uint256 = bid.bond * FINE_BPS // C.BPS
    log IJobMarket.BidForfeited(job=job, operator_id=operator_id, fine=fine)
    return fine, bid.bond - fine
