# pragma version 0.4.3
"""
@title What the log was when an epoch ended
@license AGPL-3.0-only
@author Apogee
@notice Invariant: marks rise in epoch and size and are never changed, so neither is any past root.
@dev A mark is made by the first entry of a later epoch, for the newest epoch that had entries. Whoever appends keeps the
     number of marks; idle epochs cost nothing.
"""

MARK_BITS: constant(uint256) = 128  # u64 epoch || u64 size; two marks a word
SIZE_BITS: constant(uint256) = 64
MAX_STEPS: constant(uint256) = 40  # a search over 2**40 marks

marks: HashMap[uint256, uint256]
roots: HashMap[uint256, bytes32]


@internal
def _keep(count: uint256, epoch: uint256, size: uint256, root: bytes32):
    mark: uint256 = epoch << SIZE_BITS | size
    self.marks[count // 2] |= mark << (MARK_BITS * (count % 2))
    self.roots[count] = root


@internal
@view
def _mark(index: uint256) -> uint256:
    return (self.marks[index // 2] >> (MARK_BITS * (index % 2))) & (2**MARK_BITS - 1)


@internal
@view
def _at(count: uint256, epoch: uint256) -> (uint256, bytes32):
    """
    @dev Size and root when `epoch` ended, by the newest mark that is not later; zeros before the first.
    """
    low: uint256 = 0  # marks below `low` are not later
    high: uint256 = count  # marks from `high` on are
    for _: uint256 in range(MAX_STEPS):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._mark(middle) >> SIZE_BITS <= epoch:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return 0, empty(bytes32)
    return self._mark(low - 1) & (2**SIZE_BITS - 1), self.roots[low - 1]
