# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who was guilty at about the same time
@license AGPL-3.0-only
@author Apogee
@notice Invariant: `_others(type, pool, w)` is the sum, over all other pools, of the largest stake with which each
        was guilty of that type in windows w - 1, w, w + 1; it depends on the set of cases, not on their order.
@dev No loop over pools: with a, b, c the largest stakes of one pool in three windows,
     max(a, b, c) = a + b + c - min(a, b) - min(b, c) - (min(a, c) - min(a, b, c)),
     so three sums per window are kept: singles (a), pairs (min of neighbours) and gaps (the last bracket).
     Windows are stored from 2 on, so that two windows before the first exist.
"""

FIRST: constant(uint256) = 2

guilty: HashMap[uint256, HashMap[uint256, HashMap[uint256, uint256]]]  # type, pool, window: wei
singles: HashMap[uint256, HashMap[uint256, uint256]]  # type, window
pairs: HashMap[uint256, HashMap[uint256, uint256]]  # type, window and the next
gaps: HashMap[uint256, HashMap[uint256, uint256]]  # type, window in the middle


@internal
def _add(offence: uint256, pool: uint256, window: uint256, stake: uint256):
    w: uint256 = window + FIRST
    before: uint256 = self.guilty[offence][pool][w]
    if stake <= before:
        return

    left_2: uint256 = self.guilty[offence][pool][w - 2]
    left: uint256 = self.guilty[offence][pool][w - 1]
    right: uint256 = self.guilty[offence][pool][w + 1]
    right_2: uint256 = self.guilty[offence][pool][w + 2]

    self.guilty[offence][pool][w] = stake
    self.singles[offence][w] += stake - before
    if left != 0:
        self.pairs[offence][w - 1] += min(left, stake) - min(left, before)
    if right != 0:
        self.pairs[offence][w] += min(right, stake) - min(right, before)
    if left != 0 and right != 0:
        # this window now fills (part of) the gap between its neighbours
        self.gaps[offence][w] -= min(min(left, right), stake) - min(min(left, right), before)
    if left_2 != 0:
        self.gaps[offence][w - 1] += self._gap(left_2, left, stake) - self._gap(left_2, left, before)
    if right_2 != 0:
        self.gaps[offence][w + 1] += self._gap(stake, right, right_2) - self._gap(before, right, right_2)


@internal
@view
def _others(offence: uint256, pool: uint256, window: uint256) -> uint256:
    w: uint256 = window + FIRST
    plus: uint256 = self.singles[offence][w - 1] + self.singles[offence][w] + self.singles[offence][w + 1]
    minus: uint256 = self.pairs[offence][w - 1] + self.pairs[offence][w] + self.gaps[offence][w]
    own: uint256 = max(
        max(self.guilty[offence][pool][w - 1], self.guilty[offence][pool][w]),
        self.guilty[offence][pool][w + 1],
    )
    return plus - minus - own


@internal
@pure
def _gap(left: uint256, middle: uint256, right: uint256) -> uint256:
    ends: uint256 = min(left, right)
    return ends - min(ends, middle)
