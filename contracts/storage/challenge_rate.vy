# pragma version 0.4.3
"""
@title How many bytes go to one challenge
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what counts in an epoch was measured before anybody could know that epoch's beacon value, and
        never changes.
@dev Twice as many bytes to a challenge make challenges half as likely and fines twice as high, so whoever moves the
     measure changes nobody's expected loss. Zero, before the first measurement, challenges every seat.
"""
from ..shared import checkpoints

initializes: checkpoints

CHALLENGES: constant(uint256) = 2  # an operator and epoch, on average
MAX_CHALLENGES: constant(uint256) = 4_096  # an epoch
KEY: constant(bytes32) = empty(bytes32)
MASK: constant(uint256) = 2**checkpoints.EPOCH_SHIFT - 1

head: uint256
count: uint256


@internal
@pure
def _rate(total_kept: uint256, operators: uint256) -> uint256:
    return total_kept // max(min(CHALLENGES * operators, MAX_CHALLENGES), 1)


@internal
def _put(epoch: uint256, bytes_per_challenge: uint256):
    """
    @param epoch From which it counts; never earlier than that of the last call.
    """
    head: uint256 = self.head
    count: uint256 = self.count
    kept: uint256 = checkpoints._keep(KEY, head, count, epoch)
    if kept != count:
        self.count = kept
    self.head = (epoch << checkpoints.EPOCH_SHIFT) | bytes_per_challenge


@internal
@view
def _at(epoch: uint256) -> uint256:
    return checkpoints._at(KEY, self.head, self.count, epoch) & MASK
