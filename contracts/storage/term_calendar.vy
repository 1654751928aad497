# pragma version 0.4.3
"""
@title Epochs at which something ends, a bit each
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the bit of an epoch is set while a file of the group leaves it there, and the next set bit is found
        in two reads however far it lies ahead.
@dev A word holds 256 epochs. The summary, kept by the caller, has a bit for each of 64 words in a ring: all marks of a
     group lie within SPAN epochs after the one it was advanced to, so no two words share a bit.
"""

WORD_SHIFT: constant(uint256) = 8
WORD_BITS: constant(uint256) = 256
RING: constant(uint256) = 64  # words, bits of a summary
RING_MASK: constant(uint256) = 2**64 - 1
SPAN: constant(uint256) = 62 * 256  # epochs; 7 years of 4 hours

words: HashMap[uint256, HashMap[uint256, uint256]]  # group -> epoch // 256 -> bit by epoch % 256


@internal
def _mark(group: uint256, summary: uint256, epoch: uint256) -> uint256:
    """
    @dev The new summary.
    """
    index: uint256 = epoch >> WORD_SHIFT
    self.words[group][index] |= 1 << (epoch % WORD_BITS)
    return summary | (1 << (index % RING))


@internal
def _clear(group: uint256, summary: uint256, epoch: uint256) -> uint256:
    """
    @dev The new summary.
    """
    index: uint256 = epoch >> WORD_SHIFT
    word: uint256 = self.words[group][index] & ~(1 << (epoch % WORD_BITS))
    self.words[group][index] = word
    if word != 0:
        return summary
    return summary & ~(1 << (index % RING))


@internal
@view
def _next(group: uint256, summary: uint256, after: uint256) -> uint256:
    """
    @dev The first marked epoch later than `after`; 0 when there is none.
    """
    if summary == 0:
        return 0
    first: uint256 = after + 1
    index: uint256 = first >> WORD_SHIFT
    if (summary >> (index % RING)) & 1 == 1:
        rest: uint256 = self.words[group][index] >> (first % WORD_BITS)
        if rest != 0:
            return first + self._lowest(rest)
    turn: uint256 = (index + 1) % RING
    ahead: uint256 = ((summary >> turn) | (summary << (RING - turn))) & RING_MASK
    index += 1 + self._lowest(ahead)
    return (index << WORD_SHIFT) + self._lowest(self.words[group][index])


@internal
@pure
def _lowest(word: uint256) -> uint256:
    """
    @dev Index of the lowest set bit of a word that is not 0.
    """
    rest: uint256 = word
    index: uint256 = 0
    for width: uint256 in [128, 64, 32, 16, 8, 4, 2, 1]:
        if rest & ((1 << width) - 1) == 0:
            rest >>= width
            index += width
    return index
