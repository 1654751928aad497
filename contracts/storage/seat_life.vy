# pragma version 0.4.3
"""
@title What becomes of a seat once its group is open
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a seat is paid if and only if its operator answers for it: neither vacant nor suspect. Vacant ends
        suspect and leaving; only a successor ends vacant.
"""
from ..interfaces import IStorageDraws
from ..interfaces import IStorageSeats
from ..shared import typed_data
from . import profiles
from . import seat_book

uses: seat_book

NAME: constant(bytes32) = keccak256("Apogee Storage")
VERSION: constant(bytes32) = keccak256("1")
TOOK_TYPE: constant(bytes32) = keccak256("Took(uint64 group,uint32 seat,uint64 segments)")
MAX_SEATS: constant(uint256) = 48


@internal
@view
def _took_digest(group: uint256, seat: uint256, segments: uint256) -> bytes32:
    domain: bytes32 = typed_data._domain(NAME, VERSION, self)
    return typed_data._digest(domain, keccak256(abi_encode(TOOK_TYPE, group, seat, segments)))


@internal
@view
def _is_live(record: IStorageSeats.Group) -> bool:
    return record.state == IStorageSeats.GroupState.OPEN or record.state == IStorageSeats.GroupState.FULL


@internal
@view
def _is_held(record: IStorageSeats.Group, seat: uint256) -> bool:
    """
    @dev Whether an operator answers for the seat.
    """
    return self._is_live(record) and seat < profiles.SEATS[record.profile] and (record.vacant >> seat) & 1 == 0


@internal
@view
def _is_sought(record: IStorageSeats.Group, seat: uint256) -> bool:
    """
    @dev Whether a successor is wanted.
    """
    return self._is_live(record) and ((record.vacant | record.leaving) >> seat) & 1 == 1


@internal
@view
def _state(record: IStorageSeats.Group, seat: uint256) -> IStorageSeats.SeatState:
    if seat >= record.drawn:
        return convert(convert(0, uint256), IStorageSeats.SeatState)
    if record.opened == 0:
        return IStorageSeats.SeatState.DRAWN
    if (record.vacant >> seat) & 1 == 1:
        return IStorageSeats.SeatState.VACANT
    if (record.suspect >> seat) & 1 == 1:
        return IStorageSeats.SeatState.SUSPECT
    if (record.leaving >> seat) & 1 == 1:
        return IStorageSeats.SeatState.LEAVING
    return IStorageSeats.SeatState.SERVING


@internal
@view
def _paid(group: uint256, record: IStorageSeats.Group, seat: uint256) -> (uint256, uint256):
    """
    @return Operator id and what the seat is paid. A drained group keeps nothing, so this is for what it earned before.
    """
    operator_id: uint256 = 0
    price: uint256 = 0
    operator_id, price = seat_book._seat(group, seat)
    if record.opened == 0 or seat >= record.drawn or ((record.vacant | record.suspect) >> seat) & 1 == 1:
        return operator_id, 0
    return operator_id, price


@internal
def _leave(
    draws: address, group: uint256, record: IStorageSeats.Group, seat: uint256, epoch: uint256, until: uint256
) -> IStorageSeats.Group:
    operator_id: uint256 = 0
    price: uint256 = 0
    operator_id, price = seat_book._seat(group, seat)
    marked: IStorageSeats.Group = record
    marked.leaving |= 1 << seat
    note: seat_book.Note = seat_book._note(group, seat)
    note.until = until
    note.redraw_epoch = epoch

    seat_book._put_marks(group, marked)
    seat_book._put_note(group, seat, note)
    extcall IStorageDraws(draws).shed(operator_id, price)
    return marked


@internal
def _vacate(
    draws: address, group: uint256, record: IStorageSeats.Group, seat: uint256, epoch: uint256
) -> IStorageSeats.Group:
    """
    @dev The operator goes. A successor that was drawn already stays drawn. Its key is for the caller to take out.
    """
    operator_id: uint256 = 0
    price: uint256 = 0
    operator_id, price = seat_book._seat(group, seat)
    note: seat_book.Note = seat_book._note(group, seat)
    was_leaving: bool = (record.leaving >> seat) & 1 == 1
    marked: IStorageSeats.Group = self._unmarked(record, seat)
    marked.vacant |= 1 << seat
    note.until = block.timestamp
    if not was_leaving:
        note.redraw_epoch = epoch

    seat_book._put_marks(group, marked)
    seat_book._put_note(group, seat, note)
    extcall IStorageDraws(draws).release(operator_id, price, was_leaving)
    return marked


@internal
def _succeed(
    draws: address, group: uint256, record: IStorageSeats.Group, seat: uint256
) -> IStorageSeats.Group:
    """
    @dev The successor takes the seat; keys are for the caller.
    """
    note: seat_book.Note = seat_book._note(group, seat)
    former: IStorageSeats.Holder = self._holder(group, record, seat, note)
    until: uint256 = note.until
    if (record.vacant >> seat) & 1 == 0:
        until = block.timestamp
        extcall IStorageDraws(draws).release(former.operator_id, former.price, True)

    marked: IStorageSeats.Group = self._unmarked(record, seat)
    seat_book._put_former(group, seat, former, until)
    seat_book._put_seat(group, seat, note.successor, note.successor_price)
    seat_book._put_marks(group, marked)
    taken: seat_book.Note = empty(seat_book.Note)
    taken.generation = note.generation + 1
    taken.since = block.timestamp
    seat_book._put_note(group, seat, taken)
    return marked


@internal
def _free_all(draws: address, group: uint256, record: IStorageSeats.Group):
    """
    @dev The group ends: whoever holds or was drawn for one of its seats has that much less committed.
    """
    operator_id: uint256 = 0
    price: uint256 = 0
    for seat: uint256 in range(record.drawn, bound=MAX_SEATS):
        operator_id, price = seat_book._seat(group, seat)
        is_leaving: bool = (record.leaving >> seat) & 1 == 1
        if (record.vacant >> seat) & 1 == 0:
            extcall IStorageDraws(draws).release(operator_id, price, is_leaving)
        if ((record.vacant | record.leaving) >> seat) & 1 == 1:
            note: seat_book.Note = seat_book._note(group, seat)
            if note.successor != 0:
                extcall IStorageDraws(draws).release(note.successor, note.successor_price, False)


@internal
@pure
def _unmarked(record: IStorageSeats.Group, seat: uint256) -> IStorageSeats.Group:
    cleared: IStorageSeats.Group = record
    cleared.suspect &= ~(1 << seat)
    cleared.vacant &= ~(1 << seat)
    cleared.leaving &= ~(1 << seat)
    return cleared


@internal
@view
def _holder(
    group: uint256, record: IStorageSeats.Group, seat: uint256, note: seat_book.Note
) -> IStorageSeats.Holder:
    """
    @dev Who holds the seat; of a vacant one who lost it.
    """
    operator_id: uint256 = 0
    price: uint256 = 0
    operator_id, price = seat_book._seat(group, seat)
    since: uint256 = record.opened if note.generation == 0 else note.since
    return IStorageSeats.Holder(operator_id=operator_id, price=price, since=since)


@internal
@view
def _holder_at(group: uint256, record: IStorageSeats.Group, seat: uint256, time: uint256) -> IStorageSeats.Holder:
    note: seat_book.Note = seat_book._note(group, seat)
    present: IStorageSeats.Holder = self._holder(group, record, seat, note)
    if record.opened == 0 or seat >= record.drawn:
        return empty(IStorageSeats.Holder)
    if time >= present.since:
        if (record.vacant >> seat) & 1 == 1 and time >= note.until:
            return empty(IStorageSeats.Holder)
        return present
    former: IStorageSeats.Holder = empty(IStorageSeats.Holder)
    until: uint256 = 0
    former, until = seat_book._former(group, seat)
    if former.operator_id == 0 or time < former.since or time >= until:
        return empty(IStorageSeats.Holder)
    return former
