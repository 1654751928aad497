# pragma version 0.4.3
"""
@title Who judges
@license AGPL-3.0-only
@author Apogee
@notice Invariant: seats go to different operators, each drawn by weight of the frozen ALIGNMENT tree, never to the barred
        one; whoever shows the draw chooses nothing.
@dev Attempt a falls on the point that keccak256(seed || a) draws on the whole line; the barred and those already drawn are
     passed over. After MAX_ATTEMPTS those who were found are the committee. No state.
"""
from ..interfaces import IAuditCourt
from ..interfaces import IOperatorRegistry
from ..shared import constants as C

MAX_SEATS: constant(uint256) = 7
MAX_ATTEMPTS: constant(uint256) = 24


@internal
@view
def _draw(
    operators: address,
    epoch: uint256,
    seed: bytes32,
    seats: uint256,
    barred: uint256,
    shown: DynArray[IAuditCourt.Candidate, MAX_ATTEMPTS],
) -> DynArray[uint256, MAX_SEATS]:
    """
    @param barred An operator id.
    @param shown On whom each attempt falls.
    @return Operator ids by seat.
    """
    members: DynArray[uint256, MAX_SEATS] = []
    attempt: uint256 = 0
    for candidate: IAuditCourt.Candidate in shown:
        assert len(members) < seats, "committee: candidate left over"
        is_drawn: bool = staticcall IOperatorRegistry(operators).verify_draw(
            C.ALIGNMENT,
            epoch,
            keccak256(concat(seed, convert(attempt, bytes32))),
            0,
            1,
            candidate.operator_id,
            candidate.weight,
            candidate.key_hash,
            candidate.seat,
            candidate.siblings,
            candidate.sums,
        )
        assert is_drawn, "committee: another is drawn"
        attempt += 1
        if candidate.operator_id != barred and candidate.operator_id not in members:
            members.append(candidate.operator_id)
    if len(members) < seats and attempt < MAX_ATTEMPTS:
        stake: uint256 = 0
        weight: uint256 = 0
        stake, weight = staticcall IOperatorRegistry(operators).totals_at(C.ALIGNMENT, epoch)
        assert weight == 0, "committee: candidate missing"
    return members
