# pragma version 0.4.3
"""
@title Profiles: how a file is spread over seats
@license AGPL-3.0-only
@author Apogee
@notice Invariant: k seats of a profile keep 1,024 different rows of each segment, or all of them: they rebuild it.
"""
from ..shared import segment_path

COUNT: constant(uint256) = 6  # solo, local, standard, durable, hot, replica
ROW_UNIT: constant(uint256) = 32  # bytes of a row, a column
SEGMENT_BYTES: constant(uint256) = segment_path.SEGMENT_BYTES  # payload of a full segment
SEGMENT_COLUMNS: constant(uint256) = 1_024  # m of a full segment
STEP_BYTES: constant(uint256) = segment_path.STEP_BYTES  # payload of 8 columns
STEP_COLUMNS: constant(uint256) = segment_path.STEP_COLUMNS
MAX_SEGMENTS: constant(uint256) = segment_path.MAX_SEGMENTS

SEATS: constant(uint256[6]) = [1, 3, 24, 32, 48, 5]  # n
ENOUGH: constant(uint256[6]) = [1, 2, 16, 16, 16, 1]  # k of them rebuild everything
RECEIPTS: constant(uint256[6]) = [1, 3, 22, 28, 40, 4]  # signatures for STORED
ROWS: constant(uint256[6]) = [1_024, 512, 64, 64, 64, 1_024]  # of each segment, kept by a seat


@internal
@pure
def _check(profile: uint256):
    assert profile < COUNT, "profiles: no such profile"


@internal
@pure
def _kept_bytes(length: uint256, profile: uint256) -> uint256:
    """
    @dev What a seat keeps of a file of `length` payload bytes.
    """
    self._check(profile)
    assert length > 0 and length <= MAX_SEGMENTS * SEGMENT_BYTES, "profiles: wrong length"
    last: uint256 = length % SEGMENT_BYTES
    steps: uint256 = (last + STEP_BYTES - 1) // STEP_BYTES
    columns: uint256 = (length // SEGMENT_BYTES) * SEGMENT_COLUMNS + steps * STEP_COLUMNS
    return ROWS[profile] * ROW_UNIT * columns


@internal
@pure
def _limit(profile: uint256) -> uint256:
    """
    @dev Seats of one operator in a group.
    """
    return max(1, (SEATS[profile] - ENOUGH[profile]) // 4)
