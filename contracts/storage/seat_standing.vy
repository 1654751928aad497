# pragma version 0.4.3
"""
@title What the challenges of the last epochs showed of a seat
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an epoch is proven or missed at most once each, for ever while it is remembered (64 epochs); a
        seat is suspect from a miss until its next proof.
@dev One slot a seat, so that a proof changes one. Bit i of a bitmap stands for epoch last_seen - i.
"""
from ..interfaces import IStorageProofs

HISTORY: constant(uint256) = 64  # epochs
STILL: constant(uint256) = 2**32 - 1  # end of a stretch that has not ended

# --- layout of the word, low bits first: proven 64, missed 64, last seen 32, suspect since 32, suspect until 32
MISSED_AT: constant(uint256) = 64
SEEN_AT: constant(uint256) = 128
SINCE_AT: constant(uint256) = 160
UNTIL_AT: constant(uint256) = 192
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1

words: HashMap[uint256, HashMap[uint256, uint256]]  # group, seat


@internal
@view
def _read(group: uint256, seat: uint256) -> IStorageProofs.Standing:
    word: uint256 = self.words[group][seat]
    return IStorageProofs.Standing(
        suspect_since=(word >> SINCE_AT) & MASK_32,
        suspect_until=word >> UNTIL_AT,
        last_seen=(word >> SEEN_AT) & MASK_32,
        proven=word & MASK_64,
        missed=(word >> MISSED_AT) & MASK_64,
    )


@internal
def _write(group: uint256, seat: uint256, standing: IStorageProofs.Standing):
    self.words[group][seat] = (
        standing.proven
        | (standing.missed << MISSED_AT)
        | (standing.last_seen << SEEN_AT)
        | (standing.suspect_since << SINCE_AT)
        | (standing.suspect_until << UNTIL_AT)
    )


@internal
@pure
def _is_suspect(standing: IStorageProofs.Standing) -> bool:
    return standing.suspect_until == STILL


@internal
@pure
def _bit(standing: IStorageProofs.Standing, epoch: uint256) -> uint256:
    """
    @dev The bit of an epoch that is not later than the last seen; 0 for one that is forgotten.
    """
    return (1 << (standing.last_seen - epoch)) & MASK_64


@internal
@pure
def _is_proven(standing: IStorageProofs.Standing, epoch: uint256) -> bool:
    return epoch <= standing.last_seen and standing.proven & self._bit(standing, epoch) != 0


@internal
@pure
def _is_missed(standing: IStorageProofs.Standing, epoch: uint256) -> bool:
    return epoch <= standing.last_seen and standing.missed & self._bit(standing, epoch) != 0


@internal
@pure
def _seen(standing: IStorageProofs.Standing, epoch: uint256) -> IStorageProofs.Standing:
    """
    @dev The same, moved on so that `epoch` has a bit.
    """
    if epoch <= standing.last_seen:
        assert standing.last_seen - epoch < HISTORY, "seat_standing: too old"
        return standing
    steps: uint256 = epoch - standing.last_seen
    standing.proven = (standing.proven << steps) & MASK_64
    standing.missed = (standing.missed << steps) & MASK_64
    standing.last_seen = epoch
    return standing


@internal
@pure
def _misses(standing: IStorageProofs.Standing, epoch: uint256, first: uint256) -> uint256:
    """
    @dev Punished misses around `epoch`, itself counted once, up to the next proof on both sides, from epoch `first` on.
         Whatever the order in which a run of misses is shown, its n-th costs the same.
    """
    count: uint256 = 1
    at: uint256 = epoch
    for _: uint256 in range(HISTORY):
        if at <= first:
            break
        at -= 1
        if self._is_proven(standing, at):
            break
        if self._is_missed(standing, at):
            count += 1
    at = epoch
    for _: uint256 in range(HISTORY):
        at += 1
        if at > standing.last_seen or self._is_proven(standing, at):
            break
        if self._is_missed(standing, at):
            count += 1
    return count
