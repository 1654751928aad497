# pragma version 0.4.3
"""
@title A commitment that opens to something else than a row
@license AGPL-3.0-only
@author Apogee
@notice Invariant: no row of an honest encoding passes.
"""
from ..shared import point_evaluation
from ..shared import row_code

OPENING_BYTES: constant(uint256) = 128  # C 48, y 32, proof 48


@internal
@view
def _check_other(commitment_hash: bytes32, row: uint256, combination: uint256, opening: Bytes[OPENING_BYTES]):
    """
    @dev Reverts unless the commitment opens to something else than the row's combination.
    """
    assert len(opening) == OPENING_BYTES, "row_opening: no opening"
    commitment: Bytes[48] = slice(opening, 0, 48)
    assert keccak256(commitment) == commitment_hash, "row_opening: other commitment"
    opened: uint256 = convert(slice(opening, 48, 32), uint256)
    is_open: bool = point_evaluation._opens(commitment, row_code._point(row), opened, slice(opening, 80, 48))
    assert is_open, "row_opening: wrong opening"
    assert opened != combination, "row_opening: row is sound"
