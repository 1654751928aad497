# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title How much a provider may hold
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is posted anew never makes a provider hold more than stake / STAKE_COVER.
@dev In wei of stake. The stake is that of the running epoch: what answers for an offence of now, also when it is on
     its way out.
"""
from ..interfaces import IStakeView
from ..shared import constants as C
from . import batch_book

uses: batch_book

STAKE_COVER: constant(uint256) = 2  # what is held twice over

STAKE: public(immutable(IStakeView))


@deploy
def __init__(stake: address):
    assert stake.is_contract, "stake_room: no contract"

    STAKE = IStakeView(stake)


@external
@view
def held_of(operator_id: uint256) -> uint256:
    """
    @notice Wei of stake that an operator's unreleased batches stand for.
    """
    return batch_book.values[operator_id]


@external
@view
def room_of(operator_id: uint256) -> uint256:
    """
    @notice Wei of stake that further batches may stand for now.
    """
    return self._room(operator_id)


@external
@view
def is_covered(operator_id: uint256) -> bool:
    """
    @notice Whether an operator's stake still covers what it holds.
    """
    return batch_book.values[operator_id] * STAKE_COVER <= self._stake(operator_id)


@external
@view
def open_cases_of(operator_id: uint256) -> uint256:
    """
    @notice Open cases of all of an operator's batches.
    """
    return batch_book.cases[operator_id]


@internal
@view
def _room(operator_id: uint256) -> uint256:
    limit: uint256 = self._stake(operator_id) // STAKE_COVER
    held: uint256 = batch_book.values[operator_id]
    return limit - held if held < limit else 0


@internal
@view
def _stake(operator_id: uint256) -> uint256:
    """
    @dev What answers for an offence of this epoch.
    """
    epoch: uint256 = staticcall STAKE.current_epoch()
    return staticcall STAKE.stake_at(operator_id << 8 | C.COMPUTE, epoch)
