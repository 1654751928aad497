# pragma version 0.4.3
"""
@title What seats have earned
@license AGPL-3.0-only
@author Apogee
@notice Invariant: over any time in which a seat has one price, what is paid out for it is price x bytes x time, less what
        is kept for next time: under one wei.
"""

FRACTION_BITS: constant(uint256) = 30  # prices are per 2^30 byte-seconds
FRACTION: constant(uint256) = 2**30 - 1

marks: HashMap[uint256, HashMap[uint256, uint256]]  # group -> seat -> B it is paid up to << 30 | fraction of a wei


@internal
def _settle(group: uint256, seat: uint256, price: uint256, byte_seconds: uint256) -> uint256:
    """
    @dev Wei earned since the last time at this price; from now on another may hold.
    """
    mark: uint256 = self.marks[group][seat]
    earned: uint256 = price * (byte_seconds - (mark >> FRACTION_BITS)) + (mark & FRACTION)
    self.marks[group][seat] = (byte_seconds << FRACTION_BITS) | (earned & FRACTION)
    return earned >> FRACTION_BITS


@internal
@view
def _due(group: uint256, seat: uint256, price: uint256, byte_seconds: uint256) -> uint256:
    mark: uint256 = self.marks[group][seat]
    return (price * (byte_seconds - (mark >> FRACTION_BITS)) + (mark & FRACTION)) >> FRACTION_BITS
