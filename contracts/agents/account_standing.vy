# pragma version 0.4.3
"""
@title Whether an account may act
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing is spent, signed or changed while the token is locked; nothing signed or spent while paused.
@dev Each act of the owner or a session begins here, which brings the memory into the token's epoch first.
"""
from . import bound_token
from . import memory_stream

uses: memory_stream

acts: uint256
is_paused: public(bool)


@external
@view
def state() -> uint256:
    """
    @notice Rises with every act of the owner or a session.
    """
    return self.acts


@internal
def _begin() -> uint256:
    """
    @dev The token's epoch.
    """
    assert not bound_token._is_locked(), "agent_account: token is locked"
    epoch: uint256 = bound_token._epoch()[0]
    memory_stream._follow(epoch)
    self.acts += 1
    return epoch


@internal
def _begin_owners() -> uint256:
    assert msg.sender == bound_token._owner(), "agent_account: not the owner"
    return self._begin()


@internal
def _set_paused(is_paused: bool):
    assert is_paused != self.is_paused, "agent_account: nothing new"

    self.is_paused = is_paused


@internal
@view
def _may_act() -> bool:
    chain_id: uint256 = bound_token._token()[0]
    return chain_id == chain.id and not self.is_paused and not bound_token._is_locked()
