# pragma version 0.4.3
"""
@title How much a proven lie costs
@license AGPL-3.0-only
@author Apogee
@notice Invariant: who cheats on a share of a batch loses STAKE_COVER times that share, in expectation.
@dev Points fall on a leaf of price g with rate r = k * g / total, so S = STAKE_COVER * g / (r * p) is the same for any
     leaf of a batch: STAKE_COVER * total / (k * p). No state.
"""
from ..shared import constants as C

RATE_BPS: constant(uint256) = 100  # of a batch's leaves are drawn
MAX_DRAWS: constant(uint256) = 64  # bits of a verdict
DETECTION_BPS: constant(uint256) = 9_900  # a checked cheat is seen; measured, docs/protocol/compute.md
STAKE_COVER: constant(uint256) = 2
DECLARED_DIVISOR: constant(uint256) = 10  # a fault declared before the draw costs a tenth of the price


@internal
@pure
def _draws(leaves: uint256) -> uint256:
    return min((leaves * RATE_BPS + C.BPS - 1) // C.BPS, MAX_DRAWS)


@internal
@pure
def _penalty(total_wei: uint256, draws: uint256) -> uint256:
    """
    @dev Rounded up, never nothing.
    """
    parts: uint256 = draws * DETECTION_BPS
    return max((STAKE_COVER * total_wei * C.BPS + parts - 1) // parts, 1)


@internal
@pure
def _declared(price_wei: uint256, penalty: uint256) -> uint256:
    return max(min(price_wei // DECLARED_DIVISOR, penalty), 1)
