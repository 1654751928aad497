# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a blob is, what it costs and under which rules
@license AGPL-3.0-only
@author Apogee
@notice Invariant: terms in force always satisfy all of `_check` together.
"""
from ..interfaces import IDAEntrance
from . import assignment

K: constant(uint256) = 1_024  # rows that rebuild a matrix
STEP_BYTES: constant(uint256) = 253_952  # payload in 8 columns; also the least that is billed
COLUMN_STEP: constant(uint256) = 8
MAX_COLUMNS: constant(uint256) = 1_024


struct StakeTimes:
    epoch: uint256  # seconds, all of them
    cutoff: uint256  # before an epoch's start
    unbonding: uint256  # of DA
    evidence: uint256  # of DA


terms: public(IDAEntrance.Terms)
number: uint256  # of the terms in force; the first are number 1
prices: HashMap[uint256, uint256]  # number -> price, so that a fee can be told later


@external
@view
def quote(length: uint256, retention_days: uint256) -> uint256:
    """
    @notice The exact fee in wei at present terms.
    """
    return self._fee(length, retention_days)


@internal
def _set(
    terms: IDAEntrance.Terms,
    windows: IDAEntrance.Windows,
    stake: StakeTimes,
):
    self._check(terms, windows, stake)
    self.terms = terms
    self.number += 1
    self.prices[self.number] = terms.price
    log IDAEntrance.TermsSet(
        price=terms.price,
        confirm_slices=terms.confirm_slices,
        safety_slices=terms.safety_slices,
        max_retention_days=terms.max_retention_days,
    )


@internal
@pure
def _check(
    terms: IDAEntrance.Terms,
    windows: IDAEntrance.Windows,
    stake: StakeTimes,
):
    """
    @dev A table is fixed at the cut-off and serves up to two epochs, so a signer may leave that long before the last blob
         it answers for is paid. What cannot be shown to the court any more is not answered for, whatever stake is left.
    """
    assert terms.price > 0 and terms.price < 2**128, "blob_terms: price out of range"
    assert terms.confirm_slices <= assignment.N, "blob_terms: confirm > N"
    assert 3 * terms.confirm_slices >= 2 * assignment.N, "blob_terms: confirm < 2/3 N"
    assert terms.confirm_slices >= K + terms.safety_slices, "blob_terms: confirm - safety < K"
    assert terms.max_retention_days > 0, "blob_terms: no retention"
    assert terms.max_retention_days < 2**16, "blob_terms: retention too long"
    liable: uint256 = terms.max_retention_days * windows.day + 2 * stake.epoch + 2 * windows.answer
    assert stake.cutoff + liable + windows.veto <= stake.unbonding, "blob_terms: unbonding too short"
    assert liable <= stake.evidence, "blob_terms: evidence window too short"


@internal
@view
def _fee(length: uint256, retention_days: uint256) -> uint256:
    """
    @dev Exact: integer bytes, integer days, wei per byte and day.
    """
    assert length > 0, "blob_terms: empty payload"
    assert self._columns_for(length) <= MAX_COLUMNS, "blob_terms: payload too large"
    assert retention_days > 0, "blob_terms: no retention"
    assert retention_days <= self.terms.max_retention_days, "blob_terms: retention too long"
    return max(length, STEP_BYTES) * self.terms.price * retention_days


@internal
@view
def _fee_under(number: uint256, length: uint256, retention_days: uint256) -> uint256:
    """
    @dev What a blob has paid under those terms; 0 under none.
    """
    return max(length, STEP_BYTES) * self.prices[number] * retention_days


@internal
@pure
def _columns_for(length: uint256) -> uint256:
    return COLUMN_STEP * ((length + STEP_BYTES - 1) // STEP_BYTES)
