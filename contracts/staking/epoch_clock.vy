# pragma version 0.4.3
"""
@title Epochs, cut-offs and days
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an epoch is final from its cut-off on, and a change made at any time counts first in an
        epoch that is not final yet. All times are seconds of chain time; epochs and days count from 0 at genesis.
"""

GENESIS: immutable(uint256)  # start of epoch 0 and of day 0
EPOCH: immutable(uint256)
CUTOFF: immutable(uint256)  # before the start of an epoch
DAY: immutable(uint256)


@deploy
def __init__(genesis: uint256, epoch_seconds: uint256, cutoff_seconds: uint256, day_seconds: uint256):
    assert cutoff_seconds < epoch_seconds, "epoch_clock: cut-off too early"
    assert day_seconds % epoch_seconds == 0, "epoch_clock: epochs split days"

    GENESIS = genesis
    EPOCH = epoch_seconds
    CUTOFF = cutoff_seconds
    DAY = day_seconds


@internal
@view
def _current_epoch() -> uint256:
    return (block.timestamp - GENESIS) // EPOCH


@internal
@view
def _next_epoch() -> uint256:
    """
    @dev The first epoch whose cut-off has not passed: where a change made now counts first.
    """
    return (block.timestamp - GENESIS + CUTOFF) // EPOCH + 1


@internal
@view
def _check_final(epoch: uint256):
    assert epoch < self._next_epoch(), "epoch_clock: not final"


@internal
@view
def _start_of(epoch: uint256) -> uint256:
    return GENESIS + epoch * EPOCH


@internal
@view
def _cutoff_of(epoch: uint256) -> uint256:
    """
    @dev The cut-off of epoch 0 lies before genesis; its snapshot is the empty one.
    """
    return GENESIS + epoch * EPOCH - CUTOFF


@internal
@view
def _day_of(epoch: uint256) -> uint256:
    return epoch * EPOCH // DAY


@internal
@view
def _end_of_day(day: uint256) -> uint256:
    return GENESIS + (day + 1) * DAY
