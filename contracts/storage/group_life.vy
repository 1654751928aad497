# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Groups from request to the end
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a group opens when its last seat is drawn and never before; it ends with no seat committed to it.
"""
from ..interfaces import IStakeView
from ..interfaces import IStorageMarket
from ..interfaces import IStorageSeats
from . import profiles
from . import seat_book
from . import seat_keys
from . import seat_life
from . import seat_wiring

uses: seat_book
uses: seat_keys
uses: seat_life
uses: seat_wiring

MAX_SEATS: constant(uint256) = 48
MAX_PRICE: constant(uint256) = 2**48 - 1
MAX_REQUESTED: constant(uint256) = 4  # groups of a profile that wait for their draw
MAX_OPEN: constant(uint256) = 64  # groups of a profile that files may go to
AGE_DAYS: constant(uint256) = 7  # then a group may be closed to new files
NEARLY_FULL: constant(uint256) = 2**36 // 16 * 15  # bytes of a seat's 64 GiB
GROUP_SHIFT: constant(uint256) = 16  # group id = epoch of its request << 16 | number

STAKE: immutable(address)
DAY: immutable(uint256)  # seconds

newest_group: reentrant(public(uint256))
requested_count: reentrant(public(HashMap[uint256, uint256]))  # by profile
open_count: reentrant(public(HashMap[uint256, uint256]))


@deploy
def __init__(stake: address, day_seconds: uint256):
    STAKE = stake
    DAY = day_seconds


@external
def request_group(profile: uint256, max_price: uint256) -> uint256:
    """
    @notice Have a group drawn from the next epoch's seed.
    @param max_price The most a seat may ask, wei per 2^30 byte-seconds.
    @return The group's id.
    """
    assert seat_wiring.market != empty(address), "group_life: not wired"
    profiles._check(profile)
    assert max_price > 0 and max_price <= MAX_PRICE, "group_life: no such price"
    requested: uint256 = self.requested_count[profile]
    assert requested < MAX_REQUESTED, "group_life: draw those first"
    assert requested + self.open_count[profile] < MAX_OPEN, "group_life: enough are open"

    epoch: uint256 = self._epoch()
    group: uint256 = max(self.newest_group, epoch << GROUP_SHIFT) + 1
    self.newest_group = group
    self.requested_count[profile] = requested + 1
    record: IStorageSeats.Group = empty(IStorageSeats.Group)
    record.profile = profile
    record.state = IStorageSeats.GroupState.REQUESTED
    record.requested = epoch
    record.max_price = max_price
    seat_book._put_group(group, record)
    log IStorageSeats.GroupRequested(group=group, profile=profile, max_price=max_price)
    return group


@external
def close_group(group: uint256):
    """
    @notice No more files for a group that is 15/16 full, or a week old while another of its profile is open.
    """
    record: IStorageSeats.Group = seat_book._group(group)
    assert record.state == IStorageSeats.GroupState.OPEN, "group_life: not open"
    is_old: bool = block.timestamp > record.opened + AGE_DAYS * DAY and self.open_count[record.profile] > 1
    if not is_old:
        taken: uint256 = (staticcall IStorageMarket(seat_wiring.market).group(group)).taken
        assert taken >= NEARLY_FULL, "group_life: has room"

    record.state = IStorageSeats.GroupState.FULL
    record.filled = block.timestamp
    seat_book._put_group(group, record)
    self.open_count[record.profile] -= 1
    log IStorageSeats.GroupFilled(group=group)
    extcall IStorageMarket(seat_wiring.market).shut_group(group)


@external
def drain_group(group: uint256):
    """
    @notice Free the seats of a full group that keeps nothing any more, when no receipt can be on its way.
    """
    record: IStorageSeats.Group = seat_book._group(group)
    assert record.state == IStorageSeats.GroupState.FULL, "group_life: not full"
    confirm: uint256 = (staticcall IStorageMarket(seat_wiring.market).windows()).confirm
    assert block.timestamp > record.filled + confirm, "group_life: receipts may come"
    assert (staticcall IStorageMarket(seat_wiring.market).group(group)).bytes == 0, "group_life: keeps files"

    record.state = IStorageSeats.GroupState.DRAINED
    seat_book._put_group(group, record)
    seat_life._free_all(seat_wiring.draws, group, record)
    log IStorageSeats.GroupDrained(group=group)


@external
def fill(
    group: uint256,
    seed_epoch: uint256,
    seats: DynArray[uint256, MAX_SEATS],
    longest: uint256,
    key: Bytes[128],
    failed: bool,
) -> IStorageSeats.GroupState:
    """
    @notice Who the next seats of a requested group fell on.
    @param seats Price << 32 | operator id.
    @param longest The least of the longest terms that they bear, epochs.
    @param key The sum of their keys.
    @param failed Nobody fits the seat behind them.
    """
    seat_wiring._check_draws()
    record: IStorageSeats.Group = seat_book._group(group)
    record.seed_epoch = seed_epoch
    rate: uint256 = 0
    if len(seats) != 0:
        rate = seat_book._append(group, record.drawn, seats)
        record.drawn += len(seats)
        seat_keys._add(group, key)
        if record.longest_epochs == 0 or longest < record.longest_epochs:
            record.longest_epochs = longest
    if failed:
        record.state = IStorageSeats.GroupState.FAILED
        self.requested_count[record.profile] -= 1
        seat_life._free_all(seat_wiring.draws, group, record)
        log IStorageSeats.GroupFailed(group=group, seat=record.drawn)
    elif record.drawn == profiles.SEATS[record.profile]:
        record.state = IStorageSeats.GroupState.OPEN
        record.opened = block.timestamp
        self.requested_count[record.profile] -= 1
        self.open_count[record.profile] += 1
        rate += seat_book._price_sum(group, record.drawn - len(seats))
        log IStorageSeats.GroupOpened(group=group, profile=record.profile, price_sum=rate)
    seat_book._put_group(group, record)
    if record.state == IStorageSeats.GroupState.OPEN:
        extcall IStorageMarket(seat_wiring.market).open_group(
            group, record.profile, record.longest_epochs, record.drawn * record.max_price, rate
        )
    return record.state


@internal
@view
def _epoch() -> uint256:
    return staticcall IStakeView(STAKE).current_epoch()


@internal
@view
def _key_at(operator_id: uint256, epoch: uint256) -> Bytes[128]:
    return staticcall IStakeView(STAKE).key_at(operator_id, epoch)
