# pragma version 0.4.3
"""
@title Both courts of the compute market, as a test needs them
@license AGPL-3.0-only
@author Apogee
@notice For tests only: says what it was told to say, and calls what it is told to call.
"""
from contracts.interfaces import IAuditView

implements: IAuditView

done: HashMap[uint256, bool]
standings: HashMap[bytes32, IAuditView.Standing]


@external
def set_done(batch: uint256, is_done: bool):
    self.done[batch] = is_done


@external
def set_standing(service: bytes32, standing: IAuditView.Standing):
    self.standings[service] = standing


@external
def act(target: address, payload: Bytes[1_024]) -> Bytes[32]:
    """
    @notice Make a call as the court.
    """
    return raw_call(target, payload, max_outsize=32)


@external
@view
def is_done(batch: uint256) -> bool:
    return self.done[batch]


@external
@view
def standing(service: bytes32) -> IAuditView.Standing:
    return self.standings[service]
