# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who holds a token still, and what it has prepared
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a lock ends by its holder's hand or by itself, two days later at most; what was prepared ends with it.
"""
from ..interfaces import IAgentNFT
from . import token_sheets

LONGEST: constant(uint256) = 48 * 3_600
UNTIL: constant(uint256) = 160

words: HashMap[uint256, uint256]  # until u64 | locker
pending: HashMap[uint256, bytes32]


@external
@view
@reentrant
def is_locked(token: uint256) -> bool:
    """
    @notice Whether somebody holds it still now.
    """
    return self._is_locked(token)


@external
@view
@reentrant
def lock_of(token: uint256) -> (address, uint256):
    """
    @notice Who holds it still, and until when; zero: nobody.
    """
    if not self._is_locked(token):
        return empty(address), 0
    word: uint256 = self.words[token]
    return self._locker(word), word >> UNTIL


@internal
def _lock(token: uint256, until: uint256):
    """
    @dev For whoever calls.
    """
    self._check_free(token)
    assert until > block.timestamp and until <= block.timestamp + LONGEST, "agent_nft: 48 hours at most"

    if self.pending[token] != empty(bytes32):  # left by a lock that lapsed
        self.pending[token] = empty(bytes32)
    self.words[token] = (until << UNTIL) | convert(msg.sender, uint256)
    log IAgentNFT.Locked(token=token, locker=msg.sender, until=until)


@internal
def _keep(token: uint256, to: address, outputs: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]):
    self.pending[token] = self._hash(to, outputs)
    log IAgentNFT.Prepared(token=token, receiver=to, outputs=outputs)


@internal
def _take(token: uint256, to: address, outputs: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]):
    assert self.pending[token] == self._hash(to, outputs), "agent_nft: not prepared"
    self._release(token)


@internal
def _release(token: uint256):
    self.words[token] = 0
    self.pending[token] = empty(bytes32)
    log IAgentNFT.Unlocked(token=token, locker=msg.sender)


@internal
@pure
def _hash(to: address, outputs: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]) -> bytes32:
    return keccak256(abi_encode(to, outputs))


@internal
@view
def _check_free(token: uint256):
    assert not self._is_locked(token), "agent_nft: locked"


@internal
@view
def _check_holder(token: uint256):
    """
    @dev Whoever calls holds it still now.
    """
    is_holder: bool = self._is_locked(token) and self._locker(self.words[token]) == msg.sender
    assert is_holder, "agent_nft: not the locker"


@internal
@view
def _is_locked(token: uint256) -> bool:
    return block.timestamp < self.words[token] >> UNTIL


@internal
@pure
def _locker(word: uint256) -> address:
    return convert(word & (2**UNTIL - 1), address)
