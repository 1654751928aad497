# pragma version 0.4.3
"""
@title Words that count from an epoch on
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what a key's word was at an epoch never changes once a later word is in force.
@dev A word carries its first epoch in the top 32 bits and 224 bits of meaning. The owner keeps the newest word (the
     head) and the number of older ones; here lie only the older ones. A first deposit so costs one new slot, not two.
"""

EPOCH_SHIFT: constant(uint256) = 224
MAX_STEPS: constant(uint256) = 32  # a search over 2**32 words

past: HashMap[bytes32, HashMap[uint256, uint256]]


@internal
def _keep(key: bytes32, head: uint256, count: uint256, epoch: uint256) -> uint256:
    """
    @dev Call before the head of `key` is replaced by a word of `epoch`; returns the new count.
    """
    if head == 0 or head >> EPOCH_SHIFT == epoch:
        return count
    self.past[key][count] = head
    return count + 1


@internal
@view
def _index_at(key: bytes32, head: uint256, count: uint256, epoch: uint256) -> uint256:
    """
    @dev `count` when the head is in force, else the index of the older word that is, else max_value.
    """
    if head >> EPOCH_SHIFT <= epoch:
        return count
    if count == 0:
        return max_value(uint256)
    if self.past[key][count - 1] >> EPOCH_SHIFT <= epoch:
        return count - 1

    low: uint256 = 0  # words below `low` are in force by `epoch`
    high: uint256 = count - 1  # words from `high` on are not
    for _: uint256 in range(MAX_STEPS):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self.past[key][middle] >> EPOCH_SHIFT <= epoch:
            low = middle + 1
        else:
            high = middle
    return low - 1 if low > 0 else max_value(uint256)


@internal
@view
def _at(key: bytes32, head: uint256, count: uint256, epoch: uint256) -> uint256:
    """
    @dev The word of `key` in force at `epoch`; 0 before the first.
    """
    index: uint256 = self._index_at(key, head, count, epoch)
    if index == count:
        return head
    if index == max_value(uint256):
        return 0
    return self.past[key][index]
