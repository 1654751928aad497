# pragma version 0.4.3
"""
@title Which files are in the log
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an id is entered once and its place never changes.
"""
from ..interfaces import IStorageLog

FIELD_BITS: constant(uint256) = 64
FIELD: constant(uint256) = 2**64 - 1

words: HashMap[bytes32, uint256]  # seq + 1 || block number || time, 64 bits each, lowest first


@internal
def _enter(id: bytes32, seq: uint256):
    self.words[id] = (seq + 1) | block.number << FIELD_BITS | block.timestamp << (2 * FIELD_BITS)


@internal
@view
def _next_of(id: bytes32) -> uint256:
    """
    @dev seq + 1; 0 when the id is unknown.
    """
    return self.words[id] & FIELD


@internal
@view
def _submitted(id: bytes32) -> IStorageLog.Submitted:
    word: uint256 = self.words[id]
    assert word != 0, "submissions: unknown id"
    return IStorageLog.Submitted(
        seq=(word & FIELD) - 1,
        block_number=(word >> FIELD_BITS) & FIELD,
        time=word >> (2 * FIELD_BITS),
    )
