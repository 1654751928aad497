# pragma version 0.4.3
"""
@title Groups and seats as they lie in storage
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is read back of a group, a seat or a note is what was last written of it, and of nothing else.
@dev group   opened 40 | filled 40 | seed epoch 32 | requested 32 | max price 48 | longest 16 | drawn 8 | state 8 |
             profile 8
     marks   leaving 48 | vacant 48 | suspect 48, bitmaps by seat
     seats   four a word: price in steps of 256 wei 36 | operator 28 each; drawing 32 seats so writes 8 slots
     note    of a seat that changed: until 40 | since 40 | respite 40 | successor's price 48 | successor 32 |
             redraw 32 | generation 16. `until`: a leaving operator may go, or when a vacant one went
     former  who held the seat before: until 40 | since 40 | price 48 | operator 32
"""
from ..interfaces import IStorageSeats

MAX_SEATS: constant(uint256) = 48
PER_WORD: constant(uint256) = 4
SEAT_BITS: constant(uint256) = 64
SEAT_MASK: constant(uint256) = 2**64 - 1
ID_BITS: constant(uint256) = 28
LOW_ID: constant(uint256) = 2**ID_BITS - 1
STEP_BITS: constant(uint256) = 8  # of a price
LOW_8: constant(uint256) = 2**8 - 1
LOW_16: constant(uint256) = 2**16 - 1
LOW_32: constant(uint256) = 2**32 - 1
LOW_40: constant(uint256) = 2**40 - 1
LOW_48: constant(uint256) = 2**48 - 1


struct Note:
    generation: uint256
    redraw_epoch: uint256
    successor: uint256
    successor_price: uint256
    respite: uint256
    since: uint256
    until: uint256


groups: HashMap[uint256, uint256]
marks: HashMap[uint256, uint256]
words: HashMap[uint256, uint256]  # group << 8 | index
notes: HashMap[uint256, uint256]  # group << 8 | seat
formers: HashMap[uint256, uint256]  # group << 8 | seat


@internal
@view
def _group(group: uint256) -> IStorageSeats.Group:
    word: uint256 = self.groups[group]
    bits: uint256 = self.marks[group]
    return IStorageSeats.Group(
        profile=word & LOW_8,
        state=convert((word >> 8) & LOW_8, IStorageSeats.GroupState),
        requested=(word >> 88) & LOW_32,
        seed_epoch=(word >> 120) & LOW_32,
        drawn=(word >> 16) & LOW_8,
        max_price=(word >> 40) & LOW_48,
        longest_epochs=(word >> 24) & LOW_16,
        opened=word >> 192,
        filled=(word >> 152) & LOW_40,
        suspect=bits & LOW_48,
        vacant=(bits >> 48) & LOW_48,
        leaving=bits >> 96,
    )


@internal
@view
def _standing(group: uint256) -> (IStorageSeats.GroupState, uint256, uint256):
    """
    @return What a quorum needs of a group: its state, its seats, a bitmap of the vacant ones.
    """
    word: uint256 = self.groups[group]
    state: IStorageSeats.GroupState = convert((word >> 8) & LOW_8, IStorageSeats.GroupState)
    return state, (word >> 16) & LOW_8, (self.marks[group] >> 48) & LOW_48


@internal
def _put_group(group: uint256, record: IStorageSeats.Group):
    """
    @dev All but its bitmaps.
    """
    self.groups[group] = (
        record.opened << 192
        | record.filled << 152
        | record.seed_epoch << 120
        | record.requested << 88
        | record.max_price << 40
        | record.longest_epochs << 24
        | record.drawn << 16
        | convert(record.state, uint256) << 8
        | record.profile
    )


@internal
def _put_marks(group: uint256, record: IStorageSeats.Group):
    self.marks[group] = record.leaving << 96 | record.vacant << 48 | record.suspect


@internal
@view
def _seat(group: uint256, seat: uint256) -> (uint256, uint256):
    """
    @return Operator id and price.
    """
    word: uint256 = self.words[group << 8 | seat // PER_WORD] >> (seat % PER_WORD * SEAT_BITS)
    return word & LOW_ID, ((word & SEAT_MASK) >> ID_BITS) << STEP_BITS


@internal
@view
def _operator(group: uint256, seat: uint256) -> uint256:
    return (self.words[group << 8 | seat >> 2] >> ((seat & 3) << 6)) & LOW_ID


@internal
def _put_seat(group: uint256, seat: uint256, operator_id: uint256, price: uint256):
    key: uint256 = group << 8 | seat // PER_WORD
    offset: uint256 = seat % PER_WORD * SEAT_BITS
    rest: uint256 = self.words[key] & ~(SEAT_MASK << offset)
    self.words[key] = rest | ((price >> STEP_BITS) << ID_BITS | operator_id) << offset


@internal
def _append(group: uint256, first: uint256, seats: DynArray[uint256, MAX_SEATS]) -> uint256:
    """
    @param seats Price << 32 | operator id, from seat `first` on; nothing was written there before.
    @return Sum of their prices.
    """
    price_sum: uint256 = 0
    index: uint256 = first // PER_WORD
    place: uint256 = first % PER_WORD
    word: uint256 = 0 if place == 0 else self.words[group << 8 | index]
    for packed: uint256 in seats:
        price_sum += packed >> 32
        seat: uint256 = (packed >> (32 + STEP_BITS)) << ID_BITS | (packed & LOW_ID)
        word |= seat << (place * SEAT_BITS)
        place += 1
        if place == PER_WORD:
            self.words[group << 8 | index] = word
            index += 1
            place = 0
            word = 0
    if place != 0:
        self.words[group << 8 | index] = word
    return price_sum


@internal
@view
def _price_sum(group: uint256, seats: uint256) -> uint256:
    """
    @return Of the first `seats`.
    """
    sum: uint256 = 0
    operator_id: uint256 = 0
    price: uint256 = 0
    for seat: uint256 in range(seats, bound=MAX_SEATS):
        operator_id, price = self._seat(group, seat)
        sum += price
    return sum


@internal
@view
def _note(group: uint256, seat: uint256) -> Note:
    word: uint256 = self.notes[group << 8 | seat]
    return Note(
        generation=word & LOW_16,
        redraw_epoch=(word >> 16) & LOW_32,
        successor=(word >> 48) & LOW_32,
        successor_price=(word >> 80) & LOW_48,
        respite=(word >> 128) & LOW_40,
        since=(word >> 168) & LOW_40,
        until=word >> 208,
    )


@internal
def _put_note(group: uint256, seat: uint256, note: Note):
    self.notes[group << 8 | seat] = (
        note.until << 208
        | note.since << 168
        | note.respite << 128
        | note.successor_price << 80
        | note.successor << 48
        | note.redraw_epoch << 16
        | note.generation & LOW_16
    )


@internal
@view
def _former(group: uint256, seat: uint256) -> (IStorageSeats.Holder, uint256):
    """
    @return Who held the seat before its present operator, and until when.
    """
    word: uint256 = self.formers[group << 8 | seat]
    holder: IStorageSeats.Holder = IStorageSeats.Holder(
        operator_id=word & LOW_32, price=(word >> 32) & LOW_48, since=(word >> 80) & LOW_40
    )
    return holder, word >> 120


@internal
def _put_former(group: uint256, seat: uint256, holder: IStorageSeats.Holder, until: uint256):
    self.formers[group << 8 | seat] = until << 120 | holder.since << 80 | holder.price << 32 | holder.operator_id
