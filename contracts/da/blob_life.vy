# pragma version 0.4.3
"""
@title How long a blob can be answered for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: evidence that is admitted for at least this long after an epoch's start covers every blob paid under
        that epoch's table, with an answer to a last challenge and a proof made of that answer.
"""
from ..interfaces import IDAEntrance
from ..interfaces import IStakeView


@internal
@view
def _longest(entrance: address, stake: address) -> uint256:
    """
    @dev Seconds. A table serves up to two epochs.
    """
    terms: IDAEntrance.Terms = staticcall IDAEntrance(entrance).terms()
    windows: IDAEntrance.Windows = staticcall IDAEntrance(entrance).windows()
    kept: uint256 = terms.max_retention_days * windows.day + 2 * windows.answer
    return kept + 2 * staticcall IStakeView(stake).epoch_length()
