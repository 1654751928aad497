# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Who keeps which shard
@license AGPL-3.0-only
@author Apogee
@notice Groups are requested here, filled by StorageDraws, and their seats change hands by the same draws. Seats sign
        together under one sum of keys. Holds no money: seats commit stake that StakeManager holds.
@custom:kill No switch. Governance wires once and has no power over seats.
@custom:security What exits take from under a seat's collateral is found by `push_out`; the stake that left stays slashable
                 for what it owed until its unbonding is over, which is longer than a hand-over may last.
"""
from ..interfaces import IOperatorRegistry
from ..interfaces import IStakeView
from ..interfaces import IStorageDraws
from ..interfaces import IStorageMarket
from ..interfaces import IStorageSeats
from ..shared import bls12_381
from ..shared import constants as C
from ..shared import governed
from . import group_life
from . import seat_book
from . import seat_keys
from . import seat_life
from . import seat_views
from . import seat_wiring

implements: IStorageSeats
initializes: governed
initializes: seat_wiring[governed := governed]
initializes: seat_book
initializes: seat_keys[seat_book := seat_book]
initializes: seat_life[seat_book := seat_book]
initializes: group_life[
    seat_book := seat_book, seat_keys := seat_keys, seat_life := seat_life, seat_wiring := seat_wiring
]
initializes: seat_views[seat_book := seat_book, seat_life := seat_life]

exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)
exports: (
    seat_wiring.draws,
    seat_wiring.market,
    seat_wiring.proofs,
    seat_wiring.wire,
)
exports: (
    group_life.newest_group,
    group_life.requested_count,
    group_life.open_count,
    group_life.request_group,
    group_life.fill,
    group_life.close_group,
    group_life.drain_group,
)
exports: (
    seat_views.group,
    seat_views.seat,
    seat_views.holder_at,
    seat_views.paid_price,
    seat_views.operators_of,
    seat_views.held_by,
    seat_views.took_digest,
)

MAX_SEATS: constant(uint256) = 48
HAND_OVER_DAYS: constant(uint256) = 3  # then a leaving operator may go
RESPITE_DAYS: constant(uint256) = 1  # for a successor to take over
LATE_SEGMENTS: constant(uint256) = 1_024  # may come while a successor's signature travels; the most of one file


@deploy
def __init__(registry: address, stake: address, governance: address):
    """
    @param registry OperatorRegistry: owners of keys, how long a day is.
    @param stake StakeManager: stake, keys, epochs.
    @param governance Wires the other contracts of storage, once.
    """
    bls12_381._prove_precompiles()
    governed.__init__(governance)
    seat_keys.__init__(registry)
    group_life.__init__(stake, (staticcall IOperatorRegistry(registry).clock()).day_seconds)


# --- OPERATOR


@external
def leave(group: uint256, seat: uint256):
    """
    @notice Hand a seat over: a successor is drawn from the next epoch's seed. Until he takes over, or three days have
            passed, the seat is owed and paid as before.
    """
    record: IStorageSeats.Group = self._held(group, seat)
    caller: uint256 = staticcall IStakeView(group_life.STAKE).operator_of(msg.sender)
    assert caller != 0 and caller == seat_book._operator(group, seat), "storage_seats: seat of another"

    self._leave(group, record, seat)


# --- PERMISSIONLESS


@external
def take_over(group: uint256, seat: uint256, segments: uint256, signature: Bytes[256]):
    """
    @notice The successor holds what the seat owes, and answers for it from now on.
    @param segments Of the group, as many as the market had counted when he signed; what came later he owes as well.
    @param signature The successor's over `took_digest`, EIP-2537 G2.
    """
    record: IStorageSeats.Group = seat_book._group(group)
    successor: uint256 = seat_book._note(group, seat).successor
    assert seat_life._is_sought(record, seat) and successor != 0, "storage_seats: no successor"
    counted: uint256 = (staticcall IStorageMarket(seat_wiring.market).group(group)).segments
    assert segments <= counted and segments + LATE_SEGMENTS >= counted, "storage_seats: other segments"
    epoch: uint256 = group_life._epoch()
    if self._seats_of(group, record, successor) != 0:
        epoch = seat_keys._key_epoch(group, successor, record.seed_epoch)
    key: Bytes[128] = group_life._key_at(successor, epoch)
    digest: bytes32 = seat_life._took_digest(group, seat, segments)
    valid: bool = bls12_381._verify(key, digest, bls12_381.DST_SIGNATURE, signature)
    assert valid, "storage_seats: wrong signature"

    former: uint256 = 0
    before: uint256 = 0
    former, before = seat_life._paid(group, record, seat)
    if (record.vacant >> seat) & 1 == 0:
        seat_keys._exclude(group, self._key_of(group, former, record.seed_epoch))
    seat_keys._include(group, successor, epoch, key)
    self._tell(group, seat, seat_life._succeed(seat_wiring.draws, group, record, seat), former, before)


@external
def lapse(group: uint256, seat: uint256):
    """
    @notice A successor let his day pass: another is drawn from the next epoch's seed.
    """
    record: IStorageSeats.Group = seat_book._group(group)
    note: seat_book.Note = seat_book._note(group, seat)
    assert seat_life._is_sought(record, seat) and note.successor != 0, "storage_seats: no successor"
    assert block.timestamp > note.respite, "storage_seats: he may still come"

    former: uint256 = note.successor
    price: uint256 = note.successor_price
    note.successor = 0
    note.successor_price = 0
    note.respite = 0
    note.redraw_epoch = group_life._epoch()
    seat_book._put_note(group, seat, note)
    extcall IStorageDraws(seat_wiring.draws).release(former, price, False)
    log IStorageSeats.SuccessorLapsed(group=group, operator_id=former, seat=seat)


@external
def let_go(group: uint256, seat: uint256):
    """
    @notice Nobody came within the hand-over limit: the leaving operator may go.
    """
    record: IStorageSeats.Group = self._held(group, seat)
    assert (record.leaving >> seat) & 1 == 1, "storage_seats: not leaving"
    assert block.timestamp > seat_book._note(group, seat).until, "storage_seats: he has to wait"

    self._vacate(group, record, seat)


@external
def push_out(group: uint256, seat: uint256):
    """
    @notice Make an operator leave that is no member any more, or whose stake covers less than its seats commit.
    """
    record: IStorageSeats.Group = self._held(group, seat)
    operator_id: uint256 = seat_book._operator(group, seat)
    pool: uint256 = operator_id << 8 | C.STORAGE
    if staticcall IStakeView(group_life.STAKE).is_member(pool):
        load: IStorageDraws.Load = staticcall IStorageDraws(seat_wiring.draws).load_of(operator_id)
        epoch: uint256 = group_life._epoch()
        stake: uint256 = staticcall IStakeView(group_life.STAKE).stake_at(pool, epoch)
        assert load.collateral - load.leaving > stake, "storage_seats: stake covers it"

    self._leave(group, record, seat)


@external
def refresh_key(group: uint256, operator_id: uint256):
    """
    @notice The operator's key of this epoch takes the place of an older one in a group's sum.
    """
    record: IStorageSeats.Group = seat_book._group(group)
    times: uint256 = self._seats_of(group, record, operator_id)
    assert times != 0, "storage_seats: holds no seat"
    epoch: uint256 = group_life._epoch()
    key: Bytes[128] = group_life._key_at(operator_id, epoch)
    former: Bytes[128] = self._key_of(group, operator_id, record.seed_epoch)
    assert keccak256(key) != keccak256(former), "storage_seats: same key"

    seat_keys._replace(group, operator_id, epoch, former, key, times)
    log IStorageSeats.KeyRefreshed(group=group, operator_id=operator_id, epoch=epoch)


# --- ROLE-GATED: StorageDraws


@external
def name_successor(group: uint256, seat: uint256, operator_id: uint256, price: uint256):
    """
    @notice Who follows on a vacant or leaving seat; 0 when nobody fits, then the next epoch's seed decides.
    """
    seat_wiring._check_draws()
    record: IStorageSeats.Group = seat_book._group(group)
    assert seat_life._is_sought(record, seat), "storage_seats: nobody is sought"
    note: seat_book.Note = seat_book._note(group, seat)
    if operator_id == 0:
        note.redraw_epoch = group_life._epoch()
    else:
        note.successor = operator_id
        note.successor_price = price
        note.respite = block.timestamp + RESPITE_DAYS * group_life.DAY
    seat_book._put_note(group, seat, note)
    log IStorageSeats.SuccessorNamed(group=group, operator_id=operator_id, seat=seat, price=price)


# --- ROLE-GATED: StorageProofs


@external
def suspect(group: uint256, seat: uint256):
    """
    @notice The seat missed a proof: it is not paid until one is shown.
    """
    self._mark(group, seat, True)


@external
def restore(group: uint256, seat: uint256):
    """
    @notice A suspect seat has shown what it holds.
    """
    self._mark(group, seat, False)


@external
def vacate(group: uint256, seat: uint256):
    """
    @notice The operator has lost the seat.
    """
    seat_wiring._check_proofs()
    record: IStorageSeats.Group = seat_book._group(group)
    if seat_life._is_held(record, seat):
        self._vacate(group, record, seat)


# --- VIEWS


@external
@view
@reentrant
def check_quorum(
    group: uint256,
    absent: uint256,
    digest: bytes32,
    signature: Bytes[256],
    needed: uint256,
    absent_keys: Bytes[seat_keys.MAX_ABSENT_BYTES],
) -> uint256:
    """
    @notice Whether the seats of a group, all but `absent` and the vacant, have signed. An operator signs once a seat.
    @param absent_keys For each bit of `absent`, rising, a key of the seat's operator: x 48, y 48.
    @return Seats that signed.
    """
    state: IStorageSeats.GroupState = empty(IStorageSeats.GroupState)
    seats: uint256 = 0
    vacant: uint256 = 0
    state, seats, vacant = seat_book._standing(group)
    assert state in (IStorageSeats.GroupState.OPEN | IStorageSeats.GroupState.FULL), "storage_seats: not open"
    return seat_keys._check_quorum(
        group,
        seats,
        vacant,
        absent,
        digest,
        signature,
        needed,
        absent_keys,
    )


@external
@view
@reentrant
def operator_count() -> uint256:
    """
    @return Operators that hold a seat, or are drawn for one.
    """
    return staticcall IStorageDraws(seat_wiring.draws).operator_count()


@external
@view
@reentrant
def key_epoch(group: uint256, operator_id: uint256) -> uint256:
    """
    @notice Of which epoch the key is that counts for all seats of an operator in a group.
    """
    return seat_keys._key_epoch(group, operator_id, seat_book._group(group).seed_epoch)


@external
@view
@reentrant
def group_key(group: uint256) -> Bytes[128]:
    """
    @return Sum of the keys of all seats that are not vacant, EIP-2537 G1.
    """
    return seat_keys._sum(group)


# --- INTERNAL


@internal
def _mark(group: uint256, seat: uint256, is_suspect: bool):
    seat_wiring._check_proofs()
    record: IStorageSeats.Group = seat_book._group(group)
    if not seat_life._is_held(record, seat) or ((record.suspect >> seat) & 1 == 1) == is_suspect:
        return
    operator_id: uint256 = 0
    before: uint256 = 0
    operator_id, before = seat_life._paid(group, record, seat)
    record.suspect ^= 1 << seat
    seat_book._put_marks(group, record)
    self._tell(group, seat, record, operator_id, before)


@internal
def _leave(group: uint256, record: IStorageSeats.Group, seat: uint256):
    assert (record.leaving >> seat) & 1 == 0, "storage_seats: leaving already"
    epoch: uint256 = group_life._epoch()
    until: uint256 = block.timestamp + HAND_OVER_DAYS * group_life.DAY
    marked: IStorageSeats.Group = seat_life._leave(seat_wiring.draws, group, record, seat, epoch, until)
    self._log_change(group, seat, marked)


@internal
def _vacate(group: uint256, record: IStorageSeats.Group, seat: uint256):
    operator_id: uint256 = 0
    before: uint256 = 0
    operator_id, before = seat_life._paid(group, record, seat)
    epoch: uint256 = group_life._epoch()
    seat_keys._exclude(group, self._key_of(group, operator_id, record.seed_epoch))
    self._tell(group, seat, seat_life._vacate(seat_wiring.draws, group, record, seat, epoch), operator_id, before)


@internal
def _tell(group: uint256, seat: uint256, record: IStorageSeats.Group, former: uint256, before: uint256):
    """
    @param former Who was paid `before` for the seat up to now.
    """
    operator_id: uint256 = 0
    after: uint256 = 0
    operator_id, after = seat_life._paid(group, record, seat)
    self._log_change(group, seat, record)
    if before != after or former != operator_id:
        extcall IStorageMarket(seat_wiring.market).seat_changed(group, seat, former, before, after)


@internal
def _log_change(group: uint256, seat: uint256, record: IStorageSeats.Group):
    operator_id: uint256 = 0
    price: uint256 = 0
    operator_id, price = seat_book._seat(group, seat)
    log IStorageSeats.SeatChanged(
        group=group, operator_id=operator_id, seat=seat, state=seat_life._state(record, seat), price=price
    )


@internal
@view
def _held(group: uint256, seat: uint256) -> IStorageSeats.Group:
    record: IStorageSeats.Group = seat_book._group(group)
    assert seat_life._is_held(record, seat), "storage_seats: nobody holds it"
    return record


@internal
@view
def _seats_of(group: uint256, record: IStorageSeats.Group, operator_id: uint256) -> uint256:
    """
    @dev Seats of the group that the operator holds.
    """
    if not seat_life._is_live(record):
        return 0
    count: uint256 = 0
    for seat: uint256 in range(record.drawn, bound=MAX_SEATS):
        if (record.vacant >> seat) & 1 == 0 and seat_book._operator(group, seat) == operator_id:
            count += 1
    return count


@internal
@view
def _key_of(group: uint256, operator_id: uint256, seed_epoch: uint256) -> Bytes[128]:
    epoch: uint256 = seat_keys._key_epoch(group, operator_id, seed_epoch)
    return group_life._key_at(operator_id, epoch)
