# pragma version 0.4.3
"""
@title Files and seats as a test says they are
@license AGPL-3.0-only
@author Apogee
@notice Speaks to StorageProofs what StorageMarket and StorageSeats would: tests of draws and penalties need files of any size and
        seats in any state at once. The suites of market and seats, and tests/integration, use the real ones.
"""
from contracts.interfaces import IStorageMarket
from contracts.interfaces import IStorageSeats

duties: HashMap[bytes32, IStorageMarket.Duty]
ends: HashMap[uint256, DynArray[uint256[2], 64]]  # group: epoch, bytes kept before it
present: HashMap[uint256, HashMap[uint256, IStorageSeats.Seat]]
former: HashMap[uint256, HashMap[uint256, IStorageSeats.Holder]]
total_kept: public(uint256)
operator_count: public(uint256)


@external
def set_duty(id: bytes32, duty: IStorageMarket.Duty):
    self.duties[id] = duty


@external
def set_kept(group: uint256, epoch: uint256, kept: uint256):
    self.ends[group].append([epoch, kept])


@external
def set_total(total: uint256, operators: uint256):
    self.total_kept = total
    self.operator_count = operators


@external
def set_seat(group: uint256, seat: uint256, operator_id: uint256, price: uint256):
    old: IStorageSeats.Seat = self.present[group][seat]
    self.former[group][seat] = IStorageSeats.Holder(
        operator_id=old.operator_id if old.state != IStorageSeats.SeatState.VACANT else 0,
        price=old.price,
        since=old.since,
    )
    self.present[group][seat] = IStorageSeats.Seat(
        operator_id=operator_id,
        price=price,
        state=IStorageSeats.SeatState.SERVING,
        generation=old.generation + 1,
        since=block.timestamp,
        leaves_at=0,
        vacated_at=0,
        successor=0,
        successor_price=0,
        successor_until=0,
        redraw_epoch=0,
    )


@external
def suspect(group: uint256, seat: uint256):
    if self.present[group][seat].state == IStorageSeats.SeatState.SERVING:
        self.present[group][seat].state = IStorageSeats.SeatState.SUSPECT


@external
def restore(group: uint256, seat: uint256):
    if self.present[group][seat].state == IStorageSeats.SeatState.SUSPECT:
        self.present[group][seat].state = IStorageSeats.SeatState.SERVING


@external
def vacate(group: uint256, seat: uint256):
    self.present[group][seat].state = IStorageSeats.SeatState.VACANT
    self.present[group][seat].vacated_at = block.timestamp


@external
def void(id: bytes32):
    self.duties[id].end = 0


@external
@view
def duty(id: bytes32) -> IStorageMarket.Duty:
    return self.duties[id]


@external
@view
def owed_at(id: bytes32, epoch: uint256) -> IStorageMarket.Owed:
    duty: IStorageMarket.Duty = self.duties[id]
    return IStorageMarket.Owed(
        root=duty.root,
        group=duty.group,
        first_byte=duty.first_byte,
        bytes=duty.bytes,
        length=duty.length,
        profile=duty.profile,
        end=duty.end,
        numbered=self._bytes_at(duty.group, epoch),
    )


@external
@view
def bytes_at(group: uint256, epoch: uint256) -> uint256:
    return self._bytes_at(group, epoch)


@internal
@view
def _bytes_at(group: uint256, epoch: uint256) -> uint256:
    kept: uint256 = 0
    for step: uint256[2] in self.ends[group]:
        if step[0] <= epoch:
            kept = step[1]
    return kept


@external
@view
def seat(group: uint256, seat: uint256) -> IStorageSeats.Seat:
    return self.present[group][seat]


@external
@view
def holder_at(group: uint256, seat: uint256, time: uint256) -> IStorageSeats.Holder:
    held: IStorageSeats.Seat = self.present[group][seat]
    if time >= held.since:
        if held.vacated_at != 0 and time >= held.vacated_at:
            return empty(IStorageSeats.Holder)
        return IStorageSeats.Holder(operator_id=held.operator_id, price=held.price, since=held.since)
    before: IStorageSeats.Holder = self.former[group][seat]
    if time >= before.since:
        return before
    return empty(IStorageSeats.Holder)
