# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a miss costs, and whom
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a seat's miss of an epoch is punished at most once, with who held the seat when the epoch began,
        and the n-th in a row costs 2^(n-1) fines, in whatever order they are shown.
"""
from ..interfaces import IAdjudicator
from ..interfaces import IRandomBeacon
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeView
from ..interfaces import IStorageMarket
from ..interfaces import IStorageProofs
from ..interfaces import IStorageSeats
from ..shared import constants as C
from . import challenge_draw
from . import challenge_rate
from . import seat_standing

initializes: challenge_rate
initializes: seat_standing

SERVICE_BITS: constant(uint256) = 8
FINE_EPOCHS: constant(uint256) = 12  # a byte missed costs twelve epochs of its price, two days of production time
DECLARED_DIVISOR: constant(uint256) = 4
PRICE_SHIFT: constant(uint256) = 30  # prices are for 2^30 byte-seconds
MAX_MISSES: constant(uint256) = 6  # in a row: the seat is lost

MARKET: public(immutable(address))
SEATS: public(immutable(address))
STAKE: public(immutable(address))
BEACON: public(immutable(address))
COURT: public(immutable(address))
WINDOW: immutable(uint256)  # seconds from a challenge to the last answer
EVIDENCE: immutable(uint256)  # seconds
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)  # seconds


@deploy
def __init__(
    market: address,
    seats: address,
    stake: address,
    beacon: address,
    court: address,
    answer_seconds: uint256,
    evidence_seconds: uint256,
):
    assert market.is_contract and seats.is_contract and court.is_contract, "penalties: no contract"
    epoch: uint256 = staticcall IStakeView(stake).epoch_length()
    assert answer_seconds != 0 and answer_seconds < epoch, "penalties: window out of range"
    assert evidence_seconds >= epoch + answer_seconds, "penalties: evidence too short"
    assert evidence_seconds <= (seat_standing.HISTORY - 2) * epoch, "penalties: evidence too long"

    MARKET = market
    SEATS = seats
    STAKE = stake
    BEACON = beacon
    COURT = court
    WINDOW = answer_seconds
    EVIDENCE = evidence_seconds
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = epoch


# --- VIEWS


@external
@view
@reentrant
def answer_seconds() -> uint256:
    return WINDOW


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    is_ours: bool = offence == C.STO_NO_PROOF or offence == C.STO_DECLARED_LOSS
    assert is_ours, "penalties: unknown offence"
    return EVIDENCE


@external
@view
@reentrant
def bytes_per_challenge(epoch: uint256) -> uint256:
    return challenge_rate._at(epoch)


@external
@view
@reentrant
def standing(group: uint256, seat: uint256) -> IStorageProofs.Standing:
    return seat_standing._read(group, seat)


@external
@view
@reentrant
def fine(epoch: uint256, group: uint256, seat: uint256) -> uint256:
    """
    @return What a first miss of an epoch costs the seat's operator of then, wei.
    """
    holder: IStorageSeats.Holder = self._holder(group, seat, self._start(epoch))
    return self._fine(epoch, group, holder.price)


# --- INTERNAL


@internal
def _declare(group: uint256, seat: uint256, caller: address):
    held: IStorageSeats.Seat = staticcall IStorageSeats(SEATS).seat(group, seat)
    is_held: bool = held.operator_id != 0 and held.state != IStorageSeats.SeatState.VACANT
    assert is_held, "penalties: nobody's seat"
    is_his: bool = staticcall IStakeView(STAKE).operator_of(caller) == held.operator_id
    assert is_his, "penalties: not your seat"
    epoch: uint256 = self._current()
    amount: uint256 = max(self._fine(epoch, group, held.price) // DECLARED_DIVISOR, 1)
    finding: IAdjudicator.Finding = self._finding(C.STO_DECLARED_LOSS, held.operator_id, epoch, amount)
    finding.subject = keccak256(abi_encode(group, seat, held.since, held.generation))
    has_stake: bool = staticcall IStakeView(STAKE).stake_at(finding.pool, epoch) != 0

    log IStorageProofs.LossDeclared(
        group=group, seat=seat, operator_id=held.operator_id, amount=amount if has_stake else 0
    )
    extcall IStorageSeats(SEATS).vacate(group, seat)
    if has_stake:
        extcall ISlashingCourt(COURT).convict(finding, empty(address))


@internal
def _punish(
    epoch: uint256,
    group: uint256,
    seat: uint256,
    holder: IStorageSeats.Holder,
    standing: IStorageProofs.Standing,
) -> uint256:
    """
    @param standing Moved on to `epoch`, which is not missed yet.
    @return Misses in a row.
    """
    first: uint256 = (holder.since - GENESIS + EPOCH - 1) // EPOCH  # that began while he held the seat
    misses: uint256 = seat_standing._misses(standing, epoch, first)
    doublings: uint256 = min(misses, MAX_MISSES) - 1
    finding: IAdjudicator.Finding = self._finding(
        C.STO_NO_PROOF, holder.operator_id, epoch, self._fine(epoch, group, holder.price) << doublings
    )
    finding.subject = keccak256(abi_encode(epoch, group, seat))
    has_stake: bool = staticcall IStakeView(STAKE).stake_at(finding.pool, epoch) != 0

    standing.missed |= seat_standing._bit(standing, epoch)
    self._suspect(group, seat, holder, standing, misses)
    log IStorageProofs.Defaulted(
        epoch=epoch,
        group=group,
        seat=seat,
        operator_id=holder.operator_id,
        misses=misses,
        amount=finding.amount if has_stake else 0,
        reporter=msg.sender,
    )
    if has_stake:
        extcall ISlashingCourt(COURT).convict(finding, msg.sender)
    return misses


@internal
def _suspect(
    group: uint256,
    seat: uint256,
    holder: IStorageSeats.Holder,
    standing: IStorageProofs.Standing,
    misses: uint256,
):
    """
    @dev Who holds the seat now is left alone when it is somebody else than who missed.
    """
    held: IStorageSeats.Seat = staticcall IStorageSeats(SEATS).seat(group, seat)
    is_his: bool = held.since == holder.since and held.operator_id == holder.operator_id
    if is_his and not self._is_suspect(standing, holder.since):
        standing.suspect_since = self._current()
        standing.suspect_until = seat_standing.STILL
    seat_standing._write(group, seat, standing)
    if not is_his:
        return
    if misses >= MAX_MISSES:
        extcall IStorageSeats(SEATS).vacate(group, seat)
    else:
        extcall IStorageSeats(SEATS).suspect(group, seat)


@internal
@pure
def _finding(
    offence: uint256, operator_id: uint256, epoch: uint256, amount: uint256
) -> IAdjudicator.Finding:
    return IAdjudicator.Finding(
        offence=offence,
        pool=(operator_id << SERVICE_BITS) | C.STORAGE,
        epoch=epoch,
        subject=empty(bytes32),
        amount=amount,
        victim=empty(address),
        loss=0,
    )


@internal
@view
def _fine(epoch: uint256, group: uint256, price: uint256) -> uint256:
    """
    @dev A byte is asked for with probability 1 / max(bytes per challenge, bytes ever kept).
    """
    kept: uint256 = self._kept(group, epoch)
    span: uint256 = max(kept, challenge_rate._at(epoch))
    return max((price * span * FINE_EPOCHS * EPOCH) >> PRICE_SHIFT, 1)


@internal
@view
def _is_tracked(standing: IStorageProofs.Standing, epoch: uint256, since: uint256) -> bool:
    """
    @dev Whether the holder since then was suspect when the epoch began.
    """
    is_within: bool = epoch > standing.suspect_since and epoch <= standing.suspect_until
    return is_within and since <= self._start(standing.suspect_since)


@internal
@view
def _is_suspect(standing: IStorageProofs.Standing, since: uint256) -> bool:
    """
    @dev Whether the holder since then is suspect; one before him may have left the mark.
    """
    return seat_standing._is_suspect(standing) and since <= self._start(standing.suspect_since)


@internal
@view
def _is_drawn(epoch: uint256, group: uint256, seat: uint256) -> bool:
    kept: uint256 = self._kept(group, epoch)
    return challenge_draw._is_drawn(self._chance(epoch, group, seat), kept, challenge_rate._at(epoch))


@internal
@view
def _chance(epoch: uint256, group: uint256, seat: uint256) -> bytes32:
    return challenge_draw._chance(staticcall IRandomBeacon(BEACON).randomness(epoch), group, seat)


@internal
@view
def _current() -> uint256:
    return (block.timestamp - GENESIS) // EPOCH


@internal
@view
def _start(epoch: uint256) -> uint256:
    return GENESIS + epoch * EPOCH


@internal
@view
def _duty(id: bytes32) -> IStorageMarket.Duty:
    return staticcall IStorageMarket(MARKET).duty(id)


@internal
@view
def _kept(group: uint256, epoch: uint256) -> uint256:
    """
    @dev Bytes that a seat of the group had ever kept when the epoch began.
    """
    return staticcall IStorageMarket(MARKET).bytes_at(group, epoch)


@internal
@view
def _holder(group: uint256, seat: uint256, time: uint256) -> IStorageSeats.Holder:
    return staticcall IStorageSeats(SEATS).holder_at(group, seat, time)
