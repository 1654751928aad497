# pragma version 0.4.3
"""
@title Which table and which seed an epoch has
@license AGPL-3.0-only
@author Apogee
@notice Invariant: table and seed of an epoch are set together, once.
"""
from ..interfaces import IDASigners

FIELD_BITS: constant(uint256) = 64  # of each part of a packed word
FIELD_MASK: constant(uint256) = 2**64 - 1

packed: HashMap[uint256, uint256]  # epoch -> table << 128 | epoch drawn for << 64 | quorum count
seeds: HashMap[uint256, bytes32]  # epoch -> seed
drawn: uint256  # newest epoch that a table was drawn for
roots: HashMap[uint256, bytes32]  # epoch drawn for -> root of the stake tree its table shows


@internal
def _open_drawn(epoch: uint256, table: uint256, quorum_count: uint256, seed: bytes32, root: bytes32):
    self.drawn = epoch
    self.roots[epoch] = root
    self._open(epoch, (table << (2 * FIELD_BITS)) | (epoch << FIELD_BITS) | quorum_count, seed, False)


@internal
def _carry(epoch: uint256, seed: bytes32):
    """
    @dev The newest drawn table with another epoch's seed.
    """
    self._open(epoch, self.packed[self.drawn], seed, True)


@internal
def _open(epoch: uint256, word: uint256, seed: bytes32, is_carried: bool):
    assert self.packed[epoch] == 0, "epoch_tables: already drawn"

    self.packed[epoch] = word
    self.seeds[epoch] = seed
    log IDASigners.EpochOpened(epoch=epoch, table=word >> (2 * FIELD_BITS), seed=seed, is_carried=is_carried)


@internal
@view
def _is_open(epoch: uint256) -> bool:
    return self.packed[epoch] != 0


@internal
@view
def _table(epoch: uint256) -> uint256:
    return self.packed[epoch] >> (2 * FIELD_BITS)


@internal
@view
def _drawn_epoch(epoch: uint256) -> uint256:
    return (self.packed[epoch] >> FIELD_BITS) & FIELD_MASK


@internal
@view
def _quorum_count(epoch: uint256) -> uint256:
    return self.packed[epoch] & FIELD_MASK


@internal
@view
def _seed(epoch: uint256) -> bytes32:
    seed: bytes32 = self.seeds[epoch]
    assert seed != empty(bytes32), "epoch_tables: not drawn"
    return seed


@internal
@view
def _serving(current: uint256) -> uint256:
    """
    @dev The current epoch, or the one before while nobody has drawn the current one.
    """
    if self._is_open(current):
        return current
    assert current > 0 and self._is_open(current - 1), "epoch_tables: not drawn"
    return current - 1
