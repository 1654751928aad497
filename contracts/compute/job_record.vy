# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title How jobs of an operator ended
@license AGPL-3.0-only
@author Apogee
@notice Invariant: every job that ran and was settled, overdue or refunded counts once, for its operator.
@dev risk = 10,000 x (failed + 1) / (settled + failed + 8): an eighth for newcomers, so that a new name hides little and
     settling jobs of one's own gains no more than an eighth of a price.
"""
from ..interfaces import IJobMarket
from ..shared import constants as C

PRIOR_FAILED: constant(uint256) = 1
PRIOR: constant(uint256) = 8

records: HashMap[uint256, IJobMarket.Record]


@external
@view
@reentrant
def record_of(operator_id: uint256) -> IJobMarket.Record:
    return self.records[operator_id]


@external
@view
@reentrant
def risk_of(operator_id: uint256) -> uint256:
    """
    @return Ten-thousandths that a price counts more in an auction.
    """
    return self._risk(operator_id)


@internal
def _settle(operator_id: uint256):
    self.records[operator_id].settled += 1


@internal
def _fail(operator_id: uint256):
    self.records[operator_id].failed += 1


@internal
@view
def _risk(operator_id: uint256) -> uint256:
    record: IJobMarket.Record = self.records[operator_id]
    return C.BPS * (record.failed + PRIOR_FAILED) // (record.settled + record.failed + PRIOR)
