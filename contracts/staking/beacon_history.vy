# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Values of the beacon, epoch by epoch
@license AGPL-3.0-only
@author Apogee
@notice Invariant: every epoch has exactly one value, a function of the contributions up to its start; an epoch
        nobody contributed to takes the last contributed value before it, so nothing loops over idle time.
"""
from ..shared import constants as C

SEATS: constant(uint256) = 32
ALL_SEATS: constant(uint256) = 2**SEATS - 1
STRONG_SEATS: constant(uint256) = 16
MAX_STEPS: constant(uint256) = 40  # a search over 2**40 contributed epochs

count: uint256
entries: HashMap[uint256, uint256]  # ascending: epoch << 32 | bitmap of seats
values: HashMap[uint256, bytes32]  # epoch -> value, contributed epochs only


@internal
def _put(epoch: uint256, prior: bytes32, sum_hash: bytes32, bitmap: uint256) -> bytes32:
    """@dev Epochs come in ascending order; the last one may be put again with more seats."""
    index: uint256 = self.count
    if index == 0 or self.entries[index - 1] >> 32 != epoch:
        self.count = index + 1
    else:
        index -= 1
    self.entries[index] = epoch << 32 | bitmap
    value: bytes32 = self._value(epoch, prior, sum_hash, bitmap)
    self.values[epoch] = value
    return value


@internal
@view
def _value(epoch: uint256, prior: bytes32, sum_hash: bytes32, bitmap: uint256) -> bytes32:
    return keccak256(abi_encode(C.TAG_BEACON_OUT, chain.id, self, epoch, prior, sum_hash, bitmap))


@internal
@view
def _value_at(epoch: uint256) -> bytes32:
    entry: uint256 = self._entry_at(epoch)
    last: bytes32 = empty(bytes32)
    if entry != 0:
        last = self.values[entry >> 32]
        if entry >> 32 == epoch:
            return last
    return self._value(epoch, last, empty(bytes32), 0)


@internal
@view
def _bitmap_at(epoch: uint256) -> uint256:
    entry: uint256 = self._entry_at(epoch)
    if entry >> 32 != epoch:
        return 0
    return entry & ALL_SEATS


@internal
@view
def _entry_at(epoch: uint256) -> uint256:
    """@dev The last entry of `epoch` or before; 0 if there is none. No entry is 0: a contribution has a seat."""
    high: uint256 = self.count
    if high == 0:
        return 0
    newest: uint256 = self.entries[high - 1]
    if newest >> 32 <= epoch:
        return newest
    low: uint256 = 0  # entries below `low` are of `epoch` or before, those from `high` on are later
    for _: uint256 in range(MAX_STEPS):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self.entries[middle] >> 32 <= epoch:
            low = middle + 1
        else:
            high = middle
    return self.entries[low - 1] if low != 0 else 0


@internal
@pure
def _count_seats(bitmap: uint256) -> uint256:
    total: uint256 = 0
    for seat: uint256 in range(SEATS):
        total += (bitmap >> seat) & 1
    return total
