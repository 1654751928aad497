# pragma version 0.4.3
"""
@title What the market remembers of a file
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a file goes from nothing to SUBMITTED to PLACED to STORED, each once, from SUBMITTED or PLACED to
        REFUNDED, and from STORED to CLOSED, LOST or VOID; these four are final.
@dev Owner, shape and root are written once. The money word holds what is needed until receipts come, then what is needed
     until the end; the place word comes with the group. So storing a file writes no new slot for it. The place word
     says too whether the file is STORED: a proof does not need its money.
"""
from ..interfaces import IStorageMarket


# --- layout of the shape word, low bits first: owner 160 | length 40 | segments 16 | profile 8
LENGTH_AT: constant(uint256) = 160
SEGMENTS_AT: constant(uint256) = 200
PROFILE_AT: constant(uint256) = 216
# --- money word: state 8 | deposit 88 | block 48, time 40, end epoch 32  or  A at the start 112, absent 48
DEPOSIT_AT: constant(uint256) = 8
BLOCK_AT: constant(uint256) = 96
TIME_AT: constant(uint256) = 144
END_AT: constant(uint256) = 184
COST_AT: constant(uint256) = 96
ABSENT_AT: constant(uint256) = 208
# --- place word: group 48 | bytes 40 | started 40 | end epoch 32 | leave epoch 32 | first byte 40 | is STORED 1 at the top
#                 while PLACED also profile 8 and segments 12, so that receipts need no shape
BYTES_AT: constant(uint256) = 48
STARTED_AT: constant(uint256) = 88
PLACE_END_AT: constant(uint256) = 128
LEAVE_AT: constant(uint256) = 160
FIRST_AT: constant(uint256) = 192
PLACED_PROFILE_AT: constant(uint256) = 232
PLACED_SEGMENTS_AT: constant(uint256) = 240
STORED_AT: constant(uint256) = 255
MASK_8: constant(uint256) = 2**8 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_48: constant(uint256) = 2**48 - 1
MASK_88: constant(uint256) = 2**88 - 1
MASK_112: constant(uint256) = 2**112 - 1
MASK_160: constant(uint256) = 2**160 - 1


struct Shape:
    owner: address
    length: uint256
    segments: uint256
    profile: uint256


struct Entry:
    state: IStorageMarket.FileState
    deposit: uint256
    submitted_block: uint256  # until STORED
    submitted_at: uint256  # until STORED
    end_epoch: uint256
    group: uint256
    bytes: uint256
    started: uint256
    leave_epoch: uint256  # from STORED on
    first_byte: uint256
    cost_before: uint256  # A when it was STORED
    absent: uint256


shapes: HashMap[bytes32, uint256]
roots: HashMap[bytes32, bytes32]
moneys: HashMap[bytes32, uint256]
places: HashMap[bytes32, uint256]


@internal
def _create(id: bytes32, root: bytes32, shape: Shape, entry: Entry):
    assert self.moneys[id] == 0, "file_records: open already"

    self.shapes[id] = (
        convert(shape.owner, uint256)
        | (shape.length << LENGTH_AT)
        | (shape.segments << SEGMENTS_AT)
        | (shape.profile << PROFILE_AT)
    )
    self.roots[id] = root
    self._save_open(id, entry)


@internal
def _save_open(id: bytes32, entry: Entry):
    """
    @dev The money word of a file that is not STORED.
    """
    assert entry.deposit <= MASK_88, "file_records: deposit too large"
    self.moneys[id] = (
        convert(entry.state, uint256)
        | (entry.deposit << DEPOSIT_AT)
        | (entry.submitted_block << BLOCK_AT)
        | (entry.submitted_at << TIME_AT)
        | (entry.end_epoch << END_AT)
    )


@internal
def _save_stored(id: bytes32, entry: Entry):
    """
    @dev The money word from STORED on.
    """
    assert entry.deposit <= MASK_88, "file_records: deposit too large"
    self.moneys[id] = (
        convert(entry.state, uint256)
        | (entry.deposit << DEPOSIT_AT)
        | (entry.cost_before << COST_AT)
        | (entry.absent << ABSENT_AT)
    )


@internal
def _save_placed(id: bytes32, entry: Entry, shape: Shape):
    """
    @dev The place word of a file that waits for receipts.
    """
    self.places[id] = (
        entry.group
        | (entry.bytes << BYTES_AT)
        | (entry.end_epoch << PLACE_END_AT)
        | (shape.profile << PLACED_PROFILE_AT)
        | (shape.segments << PLACED_SEGMENTS_AT)
    )


@internal
@view
def _awaited(id: bytes32) -> (uint256, uint256):
    """
    @return Profile and segments of a file that is PLACED.
    """
    place: uint256 = self.places[id]
    return (place >> PLACED_PROFILE_AT) & MASK_8, place >> PLACED_SEGMENTS_AT


@internal
def _save_place(id: bytes32, entry: Entry):
    self.places[id] = (
        entry.group
        | (entry.bytes << BYTES_AT)
        | (entry.started << STARTED_AT)
        | (entry.end_epoch << PLACE_END_AT)
        | (entry.leave_epoch << LEAVE_AT)
        | (entry.first_byte << FIRST_AT)
        | (convert(entry.state == IStorageMarket.FileState.STORED, uint256) << STORED_AT)
    )


@internal
@view
def _entry(id: bytes32) -> Entry:
    money: uint256 = self.moneys[id]
    entry: Entry = empty(Entry)
    entry.state = convert(money & MASK_8, IStorageMarket.FileState)
    entry.deposit = (money >> DEPOSIT_AT) & MASK_88
    if entry.state == IStorageMarket.FileState.SUBMITTED:
        return self._read_open(entry, money)
    place: uint256 = self.places[id]
    entry.group = place & MASK_48
    entry.bytes = (place >> BYTES_AT) & MASK_40
    if entry.state == IStorageMarket.FileState.PLACED:
        return self._read_open(entry, money)
    entry.cost_before = (money >> COST_AT) & MASK_112
    entry.absent = money >> ABSENT_AT
    entry.started = (place >> STARTED_AT) & MASK_40
    entry.end_epoch = (place >> PLACE_END_AT) & MASK_32
    entry.leave_epoch = (place >> LEAVE_AT) & MASK_32
    entry.first_byte = (place >> FIRST_AT) & MASK_40
    return entry


@internal
@view
def _owed(id: bytes32) -> IStorageMarket.Owed:
    """
    @dev What a prover needs of a file, without its money word. `end` is the epoch with which it leaves, 0 unless it is
         STORED.
    """
    place: uint256 = self.places[id]
    word: uint256 = self.shapes[id]
    return IStorageMarket.Owed(
        root=self.roots[id],
        group=place & MASK_48,
        first_byte=(place >> FIRST_AT) & MASK_40,
        bytes=(place >> BYTES_AT) & MASK_40,
        length=(word >> LENGTH_AT) & MASK_40,
        profile=word >> PROFILE_AT,
        end=((place >> LEAVE_AT) & MASK_32) * (place >> STORED_AT),
        numbered=0,
    )


@internal
@view
def _submitted(id: bytes32) -> Entry:
    entry: Entry = self._entry(id)
    assert entry.state == IStorageMarket.FileState.SUBMITTED, "file_records: not submitted"
    return entry


@internal
@view
def _placed(id: bytes32) -> Entry:
    entry: Entry = self._entry(id)
    assert entry.state == IStorageMarket.FileState.PLACED, "file_records: not placed"
    return entry


@internal
@view
def _stored(id: bytes32) -> Entry:
    entry: Entry = self._entry(id)
    assert entry.state == IStorageMarket.FileState.STORED, "file_records: not stored"
    return entry


@internal
@view
def _shape(id: bytes32) -> Shape:
    word: uint256 = self.shapes[id]
    return Shape(
        owner=convert(word & MASK_160, address),
        length=(word >> LENGTH_AT) & MASK_40,
        segments=(word >> SEGMENTS_AT) & MASK_16,
        profile=word >> PROFILE_AT,
    )


@internal
@pure
def _read_open(entry: Entry, money: uint256) -> Entry:
    opened: Entry = entry
    opened.submitted_block = (money >> BLOCK_AT) & MASK_48
    opened.submitted_at = (money >> TIME_AT) & MASK_40
    opened.end_epoch = (money >> END_AT) & MASK_32
    return opened
