# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who may use a token's agent, and until when
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a user is listed once; a right ends at its time and when the token changes hands, and a lease by nobody's
        hand before.
@dev 32 words under (token, epoch): what changes hands has no users. word = user | by the owner u48 << 160 | by a lease
     u48 << 208. Words are filled from the first on and never emptied; one whose time is over is taken by the next user.
"""
from ..interfaces import IAgentNFT
from . import token_sheets

uses: token_sheets

MAX_USERS: constant(uint256) = 32
EVER: constant(uint256) = 2**48 - 1
OWNED: constant(uint256) = 160
LEASED: constant(uint256) = 208

words: HashMap[uint256, uint256[MAX_USERS]]


@external
@view
@reentrant
def authorizedUsersOf(_tokenId: uint256) -> DynArray[address, MAX_USERS]:
    """
    @notice Users whose time is not over.
    """
    term: uint256 = token_sheets._term(_tokenId)
    found: DynArray[address, MAX_USERS] = []
    for i: uint256 in range(MAX_USERS):
        word: uint256 = self.words[term][i]
        if word == 0:
            break
        if not self._is_over(word):
            found.append(self._user(word))
    return found


@external
@view
@reentrant
def authorised_until(token: uint256, user: address) -> (uint256, uint256):
    """
    @notice Until when by the owner's word, and until when by a lease; the later counts.
    """
    term: uint256 = token_sheets._term(token)
    word: uint256 = self.words[term][self._place(term, user) % MAX_USERS]
    if self._user(word) != user:
        return 0, 0
    return (word >> OWNED) & EVER, word >> LEASED


@internal
def _grant(token: uint256, user: address, until: uint256, is_leased: bool):
    """
    @dev An owner's word and a lease stand beside each other; one that is past ends it.
    """
    assert user != empty(address), "agent_nft: no user"
    term: uint256 = token_sheets._term(token)
    place: uint256 = self._place(term, user)
    assert place != MAX_USERS, "agent_nft: 32 users"
    word: uint256 = self.words[term][place]
    if self._user(word) != user:
        word = convert(user, uint256)

    end: uint256 = min(until, EVER)
    if is_leased:
        word = (word & (2**LEASED - 1)) | (end << LEASED)
    else:
        word = (word & ~(EVER << OWNED)) | (end << OWNED)
    self.words[term][place] = word
    log IAgentNFT.Authorization(sender=msg.sender, user=user, token=token)
    log IAgentNFT.UsageGranted(token=token, user=user, until=end, is_leased=is_leased)


@internal
def _revoke(token: uint256, user: address):
    term: uint256 = token_sheets._term(token)
    place: uint256 = self._place(term, user) % MAX_USERS
    word: uint256 = self.words[term][place]
    assert self._user(word) == user and not self._is_over(word), "agent_nft: not authorised"
    assert block.timestamp >= word >> LEASED, "agent_nft: leased"

    self.words[term][place] = convert(user, uint256)
    log IAgentNFT.AuthorizationRevoked(sender=msg.sender, user=user, token=token)


@internal
@view
def _place(term: uint256, user: address) -> uint256:
    """
    @dev Where a user is, or would be; MAX_USERS: nowhere.
    """
    free: uint256 = MAX_USERS
    for i: uint256 in range(MAX_USERS):
        word: uint256 = self.words[term][i]
        if self._user(word) == user:
            return i
        if free == MAX_USERS and self._is_over(word):
            free = i
        if word == 0:
            break
    return free


@internal
@view
def _is_over(word: uint256) -> bool:
    return block.timestamp >= max((word >> OWNED) & EVER, word >> LEASED)


@internal
@pure
def _user(word: uint256) -> address:
    return convert(word & (2**OWNED - 1), address)
