# pragma version 0.4.3
"""
@title Numbers of kept bytes, file after file
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what was numbered before an epoch began never changes, however many files are confirmed in it.
@dev A challenge draws one of the bytes numbered before its epoch, so its modulus must stand still. The newest epoch with
     a file and the sum before it lie in one word; the RING epochs with files before it each have a slot that is
     used again.
"""

RING: constant(uint256) = 64  # epochs with files that are remembered
SEARCH_STEPS: constant(uint256) = 7  # halvings of the ring

# --- layout of a head, low bits first
NOW_AT: constant(uint256) = 32
BEFORE_AT: constant(uint256) = 72
OLDER_AT: constant(uint256) = 112
SEGMENTS_AT: constant(uint256) = 144
MASK_32: constant(uint256) = 2**32 - 1
MASK_40: constant(uint256) = 2**40 - 1

heads: HashMap[uint256, uint256]  # group -> epoch 32 | numbered 40 | before it 40 | older 32 | segments 32
older: HashMap[uint256, HashMap[uint256, uint256]]  # group -> index % RING -> before 40 | epoch 32


@internal
def _number(group: uint256, kept: uint256, segments: uint256, epoch: uint256) -> uint256:
    """
    @dev The number of the first of `kept` bytes.
    """
    head: uint256 = self.heads[group]
    newest: uint256 = head & MASK_32
    numbered: uint256 = (head >> NOW_AT) & MASK_40
    before: uint256 = (head >> BEFORE_AT) & MASK_40
    count: uint256 = (head >> OLDER_AT) & MASK_32
    if newest != epoch:
        if head != 0:
            self.older[group][count % RING] = (before << NOW_AT) | newest
            count += 1
        before = numbered
    self.heads[group] = (
        epoch
        | ((numbered + kept) << NOW_AT)
        | (before << BEFORE_AT)
        | (count << OLDER_AT)
        | (((head >> SEGMENTS_AT) + segments) << SEGMENTS_AT)
    )
    return numbered


@internal
@view
def _numbered(group: uint256) -> uint256:
    return (self.heads[group] >> NOW_AT) & MASK_40


@internal
@view
def _segments(group: uint256) -> uint256:
    return self.heads[group] >> SEGMENTS_AT


@internal
@view
def _numbered_at(group: uint256, epoch: uint256) -> uint256:
    """
    @dev Numbered before the epoch: before the first epoch with files that is not earlier.
    """
    head: uint256 = self.heads[group]
    newest: uint256 = head & MASK_32
    if epoch > newest:
        return (head >> NOW_AT) & MASK_40
    if epoch == newest:
        return (head >> BEFORE_AT) & MASK_40

    count: uint256 = (head >> OLDER_AT) & MASK_32
    oldest: uint256 = count - RING if count > RING else 0
    low: uint256 = oldest  # entries below are earlier than `epoch`
    high: uint256 = count  # entries from here on are not
    for _: uint256 in range(SEARCH_STEPS):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self.older[group][middle % RING] & MASK_32 < epoch:
            low = middle + 1
        else:
            high = middle
    if low == count:
        return (head >> BEFORE_AT) & MASK_40
    entry: uint256 = self.older[group][low % RING]
    assert low > oldest or oldest == 0 or entry & MASK_32 == epoch, "byte_numbers: too long ago"
    return entry >> NOW_AT
