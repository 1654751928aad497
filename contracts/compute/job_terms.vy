# pragma version 0.4.3
"""
@title What a job asks for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the shares of a job's milestones are together its price and their times rise.
@dev No state. A plan is two words, milestone 0 lowest: shares of 16 bits each, times of 32.
"""
from ..interfaces import IJobMarket
from ..shared import constants as C

MAX_MILESTONES: constant(uint256) = 8
MAX_KIND: constant(uint8) = 5
MAX_LEVEL: constant(uint8) = 3
LONGEST: constant(uint256) = 366 * 86_400  # seconds, of any window and of all work
SHARE_BITS: constant(uint256) = 16
DUE_BITS: constant(uint256) = 32


@internal
@pure
def _check(terms: IJobMarket.Terms, shortest: uint256):
    """
    @param shortest Seconds of a window.
    """
    assert terms.kind != 0 and terms.kind <= MAX_KIND, "job_terms: unknown kind"
    assert terms.level <= MAX_LEVEL, "job_terms: unknown level"
    assert terms.spec_hash != empty(bytes32), "job_terms: no specification"
    bond: uint256 = convert(terms.bond_bps, uint256)
    assert bond != 0 and bond <= C.BPS, "job_terms: bond out of range"
    for window: uint32 in [terms.bid_seconds, terms.reveal_seconds, terms.review_seconds]:
        seconds: uint256 = convert(window, uint256)
        assert seconds >= shortest and seconds <= LONGEST, "job_terms: window out of range"


@internal
@pure
def _pack(milestones: DynArray[IJobMarket.Milestone, MAX_MILESTONES]) -> (uint256, uint256):
    """
    @return Shares and times.
    """
    shares: uint256 = 0
    dues: uint256 = 0
    total: uint256 = 0
    last: uint256 = 0
    place: uint256 = 0
    for milestone: IJobMarket.Milestone in milestones:
        share: uint256 = convert(milestone.share_bps, uint256)
        due: uint256 = convert(milestone.due, uint256)
        assert share != 0, "job_terms: empty share"
        assert due > last and due <= LONGEST, "job_terms: times do not rise"
        shares |= share << (place * SHARE_BITS)
        dues |= due << (place * DUE_BITS)
        total += share
        last = due
        place += 1
    assert total == C.BPS, "job_terms: shares are not a whole"
    return shares, dues


@internal
@pure
def _share(shares: uint256, number: uint256) -> uint256:
    """
    @dev 0 after the last.
    """
    return (shares >> (number * SHARE_BITS)) & (2**SHARE_BITS - 1)


@internal
@pure
def _due(dues: uint256, number: uint256) -> uint256:
    return (dues >> (number * DUE_BITS)) & (2**DUE_BITS - 1)


@internal
@pure
def _is_last(shares: uint256, number: uint256) -> bool:
    return self._share(shares, number + 1) == 0
