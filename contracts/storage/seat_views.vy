# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What everybody reads of groups and seats
@license AGPL-3.0-only
@author Apogee
@notice Invariant: reads alone; a caller inside a change of state sees what `seat_book` holds at that moment.
"""
from ..interfaces import IStorageSeats
from . import seat_book
from . import seat_life

uses: seat_book
uses: seat_life

MAX_SEATS: constant(uint256) = 48
MAX_NAMED: constant(uint256) = 32
BARRED: constant(uint256) = 255  # more seats than any limit


@external
@view
@reentrant
def group(group: uint256) -> IStorageSeats.Group:
    return seat_book._group(group)


@external
@view
@reentrant
def seat(group: uint256, seat: uint256) -> IStorageSeats.Seat:
    record: IStorageSeats.Group = seat_book._group(group)
    note: seat_book.Note = seat_book._note(group, seat)
    holder: IStorageSeats.Holder = seat_life._holder(group, record, seat, note)
    state: IStorageSeats.SeatState = seat_life._state(record, seat)
    is_vacant: bool = state == IStorageSeats.SeatState.VACANT
    return IStorageSeats.Seat(
        operator_id=holder.operator_id,
        price=holder.price,
        state=state,
        generation=note.generation,
        since=holder.since,
        leaves_at=0 if is_vacant else note.until,
        vacated_at=note.until if is_vacant else 0,
        successor=note.successor,
        successor_price=note.successor_price,
        successor_until=note.respite,
        redraw_epoch=note.redraw_epoch,
    )


@external
@view
@reentrant
def holder_at(group: uint256, seat: uint256, time: uint256) -> IStorageSeats.Holder:
    return seat_life._holder_at(group, seat_book._group(group), seat, time)


@external
@view
@reentrant
def paid_price(group: uint256, seat: uint256) -> (uint256, uint256):
    """
    @return Operator id, and what the seat is paid now, wei per 2^30 byte-seconds.
    """
    return seat_life._paid(group, seat_book._group(group), seat)


@external
@view
@reentrant
def operators_of(group: uint256) -> DynArray[uint256, MAX_SEATS]:
    """
    @notice Operators seat by seat, those of vacant seats included.
    """
    listed: DynArray[uint256, MAX_SEATS] = []
    for seat: uint256 in range(seat_book._group(group).drawn, bound=MAX_SEATS):
        listed.append(seat_book._operator(group, seat))
    return listed


@external
@view
@reentrant
def held_by(group: uint256, operator_ids: DynArray[uint256, MAX_NAMED]) -> DynArray[uint256, MAX_NAMED]:
    """
    @notice How many seats each operator holds here or was drawn for; a bad or leaving seat counts 255 more.
    """
    record: IStorageSeats.Group = seat_book._group(group)
    marked: uint256 = record.suspect | record.vacant | record.leaving
    held: DynArray[uint256, MAX_NAMED] = []
    for _: uint256 in operator_ids:
        held.append(0)
    for seat: uint256 in range(record.drawn, bound=MAX_SEATS):
        operator_id: uint256 = seat_book._operator(group, seat)
        is_marked: bool = (marked >> seat) & 1 == 1
        successor: uint256 = 0
        if is_marked:
            successor = seat_book._note(group, seat).successor
        for index: uint256 in range(len(operator_ids), bound=MAX_NAMED):
            if operator_ids[index] == operator_id:
                held[index] += BARRED if is_marked else 1
            elif successor != 0 and operator_ids[index] == successor:
                held[index] += 1
    return held


@external
@view
@reentrant
def took_digest(group: uint256, seat: uint256, segments: uint256) -> bytes32:
    return seat_life._took_digest(group, seat, segments)
