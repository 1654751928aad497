# pragma version 0.4.3
"""
@title The stream in which an agent remembers
@license AGPL-3.0-only
@author Apogee
@notice Invariant: once followed into an epoch of the token, no right to write that was given in an earlier one is left.
@dev Replicas know writers from the log alone. Handing the stream over, to the account itself, is an entry after which
     every right given before is of an ended generation.
"""
from ..interfaces import IAgentAccount
from ..interfaces import IKVStreams

MEMORY: constant(bytes32) = keccak256("apogee.agents.memory.v1")

STREAMS: immutable(IKVStreams)

followed: uint256  # epoch


@deploy
def __init__(streams: address):
    assert streams.is_contract, "memory_stream: no contract"

    STREAMS = IKVStreams(streams)


@external
@view
def memory() -> bytes32:
    """
    @notice The agent's stream in KVStreams, made or not: the account makes it with salt keccak("apogee.agents.memory.v1").
    """
    return self._memory()


@internal
@view
def _memory() -> bytes32:
    return staticcall STREAMS.stream_id(self, MEMORY)


@internal
def _follow(epoch: uint256) -> bool:
    """
    @dev Whether there was a right to end.
    """
    if self.followed == epoch:
        return False
    self.followed = epoch
    stream: bytes32 = self._memory()
    if (staticcall STREAMS.stream(stream)).owner != self:
        return False
    extcall STREAMS.transfer_owner(stream, self)
    log IAgentAccount.MemoryFollowed(stream=stream, epoch=epoch)
    return True
