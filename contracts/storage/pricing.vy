# pragma version 0.4.3
"""
@title What bytes cost
@license AGPL-3.0-only
@author Apogee
@notice Invariant: amounts round up, so what files pay is never below what seats earn by them.
"""

PRICE_UNIT: constant(uint256) = 2**30  # byte-seconds that a price is for


@internal
@pure
def _in_wei(scaled: uint256) -> uint256:
    """
    @dev Of bytes x price x seconds.
    """
    return (scaled + PRICE_UNIT - 1) // PRICE_UNIT
