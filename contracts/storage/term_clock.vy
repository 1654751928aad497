# pragma version 0.4.3
"""
@title Epochs as terms count them
@license AGPL-3.0-only
@author Apogee
@notice Invariant: every term, GRACE included, ends at the start of an epoch of the stake's clock.
"""
from ..interfaces import IStakeView
from ..interfaces import IStorageMarket

GENESIS: immutable(uint256)  # start of epoch 0
EPOCH: immutable(uint256)  # seconds
GRACE_EPOCHS: immutable(uint256)
WINDOWS: immutable(IStorageMarket.Windows)

MAX_WINDOW: constant(uint256) = 2**32  # seconds; keeps every sum of times far from overflow


@deploy
def __init__(stake: address, windows: IStorageMarket.Windows):
    epoch_seconds: uint256 = staticcall IStakeView(stake).epoch_length()
    assert windows.confirm > 0 and windows.repair > 0, "term_clock: bad window"
    assert windows.grace < MAX_WINDOW and windows.repair < MAX_WINDOW, "term_clock: bad window"
    # whole epochs, so that a file leaves when one starts; a late receipt still comes before that
    assert windows.grace % epoch_seconds == 0, "term_clock: grace splits epochs"
    assert windows.confirm < windows.grace, "term_clock: bad window"

    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = epoch_seconds
    GRACE_EPOCHS = windows.grace // epoch_seconds
    WINDOWS = windows


@external
@view
def windows() -> IStorageMarket.Windows:
    """
    @notice Windows of every file, seconds.
    """
    return WINDOWS


@internal
@view
def _epoch_of(time: uint256) -> uint256:
    return (time - GENESIS) // EPOCH


@internal
@view
def _start_of(epoch: uint256) -> uint256:
    return GENESIS + epoch * EPOCH


@internal
@view
def _seconds_to_leave(end_epoch: uint256) -> uint256:
    """
    @dev From now until a file whose term ends there has left, GRACE included.
    """
    return self._start_of(end_epoch + GRACE_EPOCHS) - block.timestamp
