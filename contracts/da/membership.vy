# pragma version 0.4.3
"""
@title Who has joined DA, epoch by epoch
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the count of members at an epoch equals the number of operators that are members at it, and
        neither changes once the epoch is final.
@dev A word of `checkpoints`: 1 or 0 for an operator, the count under the key 0. Operator ids start at 1.
"""
from ..shared import checkpoints

initializes: checkpoints

COUNT_KEY: constant(uint256) = 0

heads: HashMap[uint256, uint256]  # operator id, or COUNT_KEY -> newest word
steps: HashMap[uint256, uint256]  # -> older words kept


@internal
def _enter(operator_id: uint256, epoch: uint256, max_members: uint256):
    assert not self._is_member(operator_id), "membership: already a member"
    count: uint256 = self._newest(COUNT_KEY)
    assert count < max_members, "membership: full"

    self._write(operator_id, 1, epoch)
    self._write(COUNT_KEY, count + 1, epoch)


@internal
def _leave(operator_id: uint256, epoch: uint256):
    assert self._is_member(operator_id), "membership: not a member"
    count: uint256 = self._newest(COUNT_KEY)

    self._write(operator_id, 0, epoch)
    self._write(COUNT_KEY, count - 1, epoch)


@internal
def _write(key: uint256, meaning: uint256, epoch: uint256):
    head: uint256 = self.heads[key]
    steps: uint256 = self.steps[key]
    kept: uint256 = checkpoints._keep(convert(key, bytes32), head, steps, epoch)
    if kept != steps:
        self.steps[key] = kept
    self.heads[key] = (epoch << checkpoints.EPOCH_SHIFT) | meaning


@internal
@view
def _newest(key: uint256) -> uint256:
    return self._value(self.heads[key])


@internal
@view
def _is_member(operator_id: uint256) -> bool:
    """
    @dev As of the newest change, whatever epoch it counts from.
    """
    return operator_id != COUNT_KEY and self._newest(operator_id) == 1


@internal
@view
def _was_member(operator_id: uint256, epoch: uint256) -> bool:
    return operator_id != COUNT_KEY and self._value(self._word_at(operator_id, epoch)) == 1


@internal
@view
def _count_at(epoch: uint256) -> uint256:
    return self._value(self._word_at(COUNT_KEY, epoch))


@internal
@view
def _changed_at(epoch: uint256) -> uint256:
    """
    @dev The epoch from which the members of `epoch` have been the same.
    """
    return self._word_at(COUNT_KEY, epoch) >> checkpoints.EPOCH_SHIFT


@internal
@view
def _word_at(key: uint256, epoch: uint256) -> uint256:
    return checkpoints._at(convert(key, bytes32), self.heads[key], self.steps[key], epoch)


@internal
@pure
def _value(word: uint256) -> uint256:
    return word & (max_value(uint256) >> 32)
