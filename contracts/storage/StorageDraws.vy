# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who asks what, and whom the beacon draws
@license AGPL-3.0-only
@author Apogee
@notice Operators of the STORAGE pool ask prices here; the beacon draws them into the seats of StorageSeats over their
        stake, and anybody may show a draw. Counts what each operator has committed. Holds no money and has no role but
        one: StorageSeats gives loads back.
@custom:kill No switch. An operator withdraws by an ask without capacity; nothing here can be changed by governance.
@custom:security A seat goes to the first fitting operator of a sequence that is fixed once the epoch's weights, asks and
                 beacon value are. Whether he fits depends on his load when the draw is shown, so whoever shows it
                 chooses the moment, never the name.
"""
from ..interfaces import IOperatorRegistry
from ..interfaces import IRandomBeacon
from ..interfaces import IStakeView
from ..interfaces import IStorageDraws
from ..interfaces import IStorageSeats
from ..shared import checkpoints
from ..shared import constants as C
from ..shared import stake_cover
from . import asks
from . import profiles
from . import seat_draw

implements: IStorageDraws
initializes: checkpoints
initializes: asks[checkpoints := checkpoints]
initializes: seat_draw[asks := asks]

COLLATERAL_DAYS: constant(uint256) = 34  # 30 of the price, and 4 fines of about a day's income

STAKE: immutable(address)
BEACON: immutable(address)
SEATS: immutable(address)

endpoints: HashMap[uint256, String[96]]


@deploy
def __init__(registry: address, stake: address, beacon: address, seats: address):
    """
    @param registry OperatorRegistry: how long a day is.
    @param stake StakeManager: weights, epochs.
    @param beacon RandomBeacon: R_e.
    @param seats StorageSeats.
    """
    assert seats.is_contract, "storage_draws: not a contract"
    day: uint256 = (staticcall IOperatorRegistry(registry).clock()).day_seconds
    asks.__init__(COLLATERAL_DAYS * day)
    STAKE = stake
    BEACON = beacon
    SEATS = seats


# --- OPERATOR


@external
def set_ask(price: uint256, capacity: uint256, longest_epochs: uint256, endpoint: String[96]):
    """
    @notice Offer to keep bytes. Draws whose weights are frozen already see the ask before.
    @param price Wei per 2^30 byte-seconds.
    @param capacity Bytes in all, seats held included; a seat takes 64 GiB. 0 takes no new seat.
    @param longest_epochs The longest term, epochs.
    @param endpoint Where the operator's node answers; counts at once.
    """
    operator_id: uint256 = staticcall IStakeView(STAKE).operator_of(msg.sender)
    assert operator_id != 0, "storage_draws: not an operator"
    is_member: bool = staticcall IStakeView(STAKE).is_member(operator_id << 8 | C.STORAGE)
    assert is_member, "storage_draws: no STORAGE stake"
    assert len(endpoint) > 0, "storage_draws: no endpoint"

    epoch: uint256 = self._next_epoch()
    asks._set(operator_id, epoch, price, capacity, longest_epochs)
    if keccak256(self.endpoints[operator_id]) != keccak256(endpoint):
        self.endpoints[operator_id] = endpoint
    log IStorageDraws.AskSet(
        operator_id=operator_id,
        epoch=epoch,
        price=price,
        capacity=capacity,
        longest_epochs=longest_epochs,
        endpoint=endpoint,
    )


# --- PERMISSIONLESS


@external
def draw(
    group: uint256,
    first_seat: uint256,
    words: DynArray[uint256, stake_cover.MAX_WORDS],
    hashes: DynArray[bytes32, stake_cover.MAX_CLOSED],
    keys: DynArray[bytes32[4], stake_cover.MAX_OPENED],
    picks: Bytes[seat_draw.MAX_PICKS],
) -> IStorageSeats.GroupState:
    """
    @notice Show who holds the next seats of a group; the last seat opens it, a seat that nobody fits ends it.
    @param first_seat Seats drawn so far.
    @param words Cover of the STORAGE tree of the group's seed epoch, as in stake_cover.
    @param hashes Of its closed subtrees.
    @param keys Of its opened leaves, EIP-2537 G1 in four words.
    @param picks Whom each attempt of each seat hits: the index among the opened leaves.
    @return The group's state then.
    """
    record: IStorageSeats.Group = staticcall IStorageSeats(SEATS).group(group)
    assert record.state == IStorageSeats.GroupState.REQUESTED, "storage_draws: nothing to draw"
    assert first_seat == record.drawn, "storage_draws: not the next seat"
    epoch: uint256 = self._seed_epoch(record.requested)
    total: uint256 = 0
    opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED] = []
    total, opened = seat_draw._open(STAKE, epoch, words, hashes, keys)
    drawing: seat_draw.Draw = seat_draw.Draw(
        group=group,
        epoch=epoch,
        randomness=staticcall IRandomBeacon(BEACON).randomness(epoch),
        total=total,
        max_price=record.max_price,
        least_epochs=1,
        strata=profiles.SEATS[record.profile],
        limit=profiles._limit(record.profile),
        is_successor=False,
    )
    held: DynArray[uint256, stake_cover.MAX_OPENED] = self._held(group, first_seat, opened)
    filled: seat_draw.Filled = seat_draw._fill(drawing, record.profile, first_seat, opened, held, keys, picks)
    if total == 0:
        filled.has_failed = True
    return extcall IStorageSeats(SEATS).fill(
        group, epoch, filled.seats, filled.longest, filled.key, filled.has_failed
    )


@external
def draw_successor(
    group: uint256,
    seat: uint256,
    words: DynArray[uint256, stake_cover.MAX_WORDS],
    hashes: DynArray[bytes32, stake_cover.MAX_CLOSED],
    keys: DynArray[bytes32[4], stake_cover.MAX_OPENED],
    picks: Bytes[seat_draw.ATTEMPTS],
) -> uint256:
    """
    @notice Show who follows on a vacant or leaving seat. Nobody fits: the next epoch's seed decides.
    @return The successor's operator id, 0 if nobody fits.
    """
    record: IStorageSeats.Group = staticcall IStorageSeats(SEATS).group(group)
    sought: IStorageSeats.Seat = staticcall IStorageSeats(SEATS).seat(group, seat)
    assert sought.redraw_epoch != 0 and sought.successor == 0, "storage_draws: nobody is sought"
    epoch: uint256 = self._seed_epoch(sought.redraw_epoch)
    total: uint256 = 0
    opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED] = []
    total, opened = seat_draw._open(STAKE, epoch, words, hashes, keys)
    drawing: seat_draw.Draw = seat_draw.Draw(
        group=group,
        epoch=epoch,
        randomness=staticcall IRandomBeacon(BEACON).randomness(epoch),
        total=total,
        max_price=record.max_price,
        least_epochs=record.longest_epochs,
        strata=1,
        limit=profiles._limit(record.profile),
        is_successor=True,
    )
    found: seat_draw.Found = empty(seat_draw.Found)
    if total != 0:
        found = seat_draw._find(drawing, seat, opened, self._held(group, 1, opened), picks, 0)
    assert found.cursor == len(picks), "seat_draw: attempt left over"

    successor: uint256 = 0
    if found.price != 0:
        successor = opened[found.index].operator_id
    extcall IStorageSeats(SEATS).name_successor(group, seat, successor, found.price)
    return successor


# --- ROLE-GATED: StorageSeats


@external
@reentrant
def release(operator_id: uint256, price: uint256, is_leaving: bool):
    """
    @notice The operator has one seat less. StorageSeats calls it inside `draw` as well, when a group fails.
    """
    self._check_seats()
    asks._release(operator_id, price, is_leaving)


@external
@reentrant
def shed(operator_id: uint256, price: uint256):
    """
    @notice One of the operator's seats begins to leave.
    """
    self._check_seats()
    asks._shed(operator_id, price)


# --- VIEWS


@external
@view
@reentrant
def seed_epoch(epoch: uint256) -> uint256:
    """
    @notice Whose weights, asks and beacon value decide what was asked for in `epoch`.
    """
    return self._seed_epoch(epoch)


@external
@view
@reentrant
def profile(profile: uint256) -> IStorageDraws.Profile:
    profiles._check(profile)
    return IStorageDraws.Profile(
        seats=profiles.SEATS[profile],
        threshold=profiles.ENOUGH[profile],
        needed=profiles.RECEIPTS[profile],
        rows=profiles.ROWS[profile],
        limit=profiles._limit(profile),
    )


@external
@view
@reentrant
def operator_count() -> uint256:
    return asks.holders


@external
@view
@reentrant
def ask_at(operator_id: uint256, epoch: uint256) -> IStorageDraws.Ask:
    """
    @notice What draws of an epoch go by.
    """
    return asks._ask(operator_id, epoch)


@external
@view
@reentrant
def load_of(operator_id: uint256) -> IStorageDraws.Load:
    return asks._load(operator_id)


@external
@view
@reentrant
def collateral_for(price: uint256) -> uint256:
    return asks._collateral(price)


@external
@view
@reentrant
def endpoint(operator_id: uint256) -> String[96]:
    return self.endpoints[operator_id]


@external
@view
@reentrant
def seed(group: uint256, seat: uint256, attempt: uint256, epoch: uint256) -> bytes32:
    """
    @notice Of one attempt to fill a seat in a draw of `epoch`.
    """
    return seat_draw._seed(group, seat, attempt, staticcall IRandomBeacon(BEACON).randomness(epoch))


# --- INTERNAL


@internal
@view
def _held(
    group: uint256, drawn: uint256, opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED]
) -> DynArray[uint256, stake_cover.MAX_OPENED]:
    """
    @dev Seats that the opened operators have in the group; nobody has one before the first is drawn.
    """
    named: DynArray[uint256, stake_cover.MAX_OPENED] = []
    for leaf: stake_cover.Opened in opened:
        named.append(leaf.operator_id if drawn != 0 else 0)
    if drawn == 0:
        return named
    return staticcall IStorageSeats(SEATS).held_by(group, named)


@internal
@view
def _seed_epoch(epoch: uint256) -> uint256:
    """
    @dev The epoch behind, or the one after that where the beacon was weak.
    """
    current: uint256 = staticcall IStakeView(STAKE).current_epoch()
    assert current > epoch, "storage_draws: seed not known"
    if not staticcall IRandomBeacon(BEACON).is_weak(epoch + 1):
        return epoch + 1
    assert current > epoch + 1, "storage_draws: weak seed"
    return epoch + 2


@internal
@view
def _check_seats():
    assert msg.sender == SEATS, "storage_draws: not StorageSeats"


@internal
@view
def _next_epoch() -> uint256:
    """
    @dev The first epoch whose cut-off has not passed.
    """
    next: uint256 = staticcall IStakeView(STAKE).current_epoch() + 1
    if block.timestamp >= staticcall IStakeView(STAKE).epoch_cutoff(next):
        return next + 1
    return next
