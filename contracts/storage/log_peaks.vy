# pragma version 0.4.3
"""
@title An append-only tree over all entries
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the peaks are the perfect trees over all entries in order; an entry once in them stays under every later
        root.
@dev An entry changes one peak. Peaks whose bit of the size is zero are left over from smaller logs and mean nothing.
"""
from . import log_history
from . import log_path

uses: log_history

FIELD_BITS: constant(uint256) = 64
FIELD: constant(uint256) = 2**64 - 1

head: uint256  # size || newest entry's epoch || marks of log_history, 64 bits each, lowest first
peaks: bytes32[log_path.LEVELS]


@internal
def _append(epoch: uint256, id: bytes32, kind: uint256, entry_hash: bytes32) -> uint256:
    """
    @dev The entry's place.
    """
    head: uint256 = self.head
    seq: uint256 = head & FIELD
    assert seq < log_path.MAX_SIZE, "log_peaks: full"
    newest: uint256 = (head >> FIELD_BITS) & FIELD
    marks: uint256 = head >> (2 * FIELD_BITS)
    if seq > 0 and newest < epoch:
        log_history._keep(marks, newest, seq, self._root_of(seq))
        marks += 1

    node: bytes32 = log_path._leaf(seq, id, kind, entry_hash)
    level: uint256 = 0
    for _: uint256 in range(log_path.LEVELS):
        if (seq >> level) & 1 == 0:
            break
        node = log_path._node(self.peaks[level], node)
        level += 1
    self.peaks[level] = node
    self.head = (seq + 1) | epoch << FIELD_BITS | marks << (2 * FIELD_BITS)
    return seq


@internal
@view
def _size() -> uint256:
    return self.head & FIELD


@internal
@view
def _root() -> bytes32:
    return self._root_of(self.head & FIELD)


@internal
@view
def _at(epoch: uint256) -> (uint256, bytes32):
    """
    @dev Size and root when `epoch` ended; the caller knows that it is over.
    """
    head: uint256 = self.head
    size: uint256 = head & FIELD
    if (head >> FIELD_BITS) & FIELD <= epoch:
        return size, self._root_of(size)
    root: bytes32 = empty(bytes32)
    size, root = log_history._at(head >> (2 * FIELD_BITS), epoch)
    if size == 0:
        root = log_path._root(0, empty(bytes32))
    return size, root


@internal
@view
def _root_of(size: uint256) -> bytes32:
    """
    @dev `size` is the present one.
    """
    folded: bytes32 = empty(bytes32)
    is_first: bool = True
    for level: uint256 in range(log_path.LEVELS):
        if size >> level == 0:
            break
        if (size >> level) & 1 == 0:
            continue
        folded = self.peaks[level] if is_first else log_path._node(self.peaks[level], folded)
        is_first = False
    return log_path._root(size, folded)
