# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a token is, in one word
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a token's epoch rises by one whenever it changes hands, and by nothing else.
@dev word = epoch u48 | since u48 | parent u48 | royalty source u48 | royalty bps u16 | threshold u8 | entries u8 |
     flags u8. Users are kept under (token, epoch), so the rise ends all of them at once.
"""
MASK: constant(uint256) = 2**48 - 1
SINCE: constant(uint256) = 48
PARENT: constant(uint256) = 96
SOURCE: constant(uint256) = 144
BPS_AT: constant(uint256) = 192
THRESHOLD: constant(uint256) = 208
ENTRIES: constant(uint256) = 216
FLAGS: constant(uint256) = 224
CLONABLE: constant(uint256) = 1  # its owner may clone it
PAYS_OWNER: constant(uint256) = 2  # royalty goes to whoever owns the source
MAX_ENTRIES: constant(uint256) = 4
MAX_ORACLES: constant(uint256) = 5

words: HashMap[uint256, uint256]


@external
@view
@reentrant
def epoch_of(token: uint256) -> (uint256, uint256):
    """
    @notice How often a token has changed hands, and when it last did, or was made.
    """
    word: uint256 = self.words[token]
    return word & MASK, (word >> SINCE) & MASK


@external
@view
@reentrant
def traits_of(token: uint256) -> (uint256, uint256, bool):
    """
    @notice How many oracles must sign a delivery, zero: no such token; whose clone it is, zero: nobody's; whether its owner
            may clone it, by the licence that it was cloned under itself.
    """
    word: uint256 = self.words[token]
    return self._threshold(word), (word >> PARENT) & MASK, self._may_clone(word)


@internal
def _open(token: uint256, count: uint256, threshold: uint256):
    """
    @dev A token that is nobody's clone.
    """
    self._check_threshold(threshold)
    stamp: uint256 = block.timestamp << SINCE
    self.words[token] = stamp | (threshold << THRESHOLD) | (count << ENTRIES) | (CLONABLE << FLAGS)


@internal
def _open_clone(token: uint256, parent: uint256, royalty: uint256, may_clone: bool):
    """
    @dev A clone: threshold and number of entries as its parent's.
    @param royalty Source, bps and the flag that says whom it pays, in their places.
    """
    kept: uint256 = self.words[parent] & (65_535 << THRESHOLD)
    flags: uint256 = CLONABLE << FLAGS if may_clone else 0
    self.words[token] = (block.timestamp << SINCE) | (parent << PARENT) | royalty | kept | flags


@internal
def _turn(token: uint256):
    """
    @dev It changed hands.
    """
    word: uint256 = self.words[token]
    kept: uint256 = (word >> PARENT) << PARENT
    self.words[token] = kept | (block.timestamp << SINCE) | ((word & MASK) + 1)


@internal
def _reshape(token: uint256, count: uint256, threshold: uint256):
    """
    @dev An update may change how many entries and oracles there are; a threshold of zero stays.
    """
    word: uint256 = self.words[token]
    oracles: uint256 = threshold if threshold != 0 else self._threshold(word)
    self._check_threshold(oracles)
    self.words[token] = (word & ~(65_535 << THRESHOLD)) | (oracles << THRESHOLD) | (count << ENTRIES)


@internal
@pure
def _check_threshold(threshold: uint256):
    assert threshold != 0 and threshold <= MAX_ORACLES, "agent_nft: 1 to 5 oracles"


@internal
@pure
def _threshold(word: uint256) -> uint256:
    return (word >> THRESHOLD) & 255


@internal
@pure
def _may_clone(word: uint256) -> bool:
    return (word >> FLAGS) & CLONABLE != 0


@internal
@view
def _count(token: uint256) -> uint256:
    """
    @dev Entries of data.
    """
    return (self.words[token] >> ENTRIES) & 255


@internal
@view
def _epoch(token: uint256) -> uint256:
    return self.words[token] & MASK


@internal
@view
def _term(token: uint256) -> uint256:
    """
    @dev The key under which things are kept that end when it changes hands.
    """
    return (token << SINCE) | (self.words[token] & MASK)
