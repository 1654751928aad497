# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Is it still there
@license AGPL-3.0-only
@author Apogee
@notice The beacon value of an epoch decides which seats show which 256 bytes within the answer window; who does not
        pays a fine that makes dropping any byte dearer than keeping it. Anyone may also demand one leaf against a
        bond. A file that is proven to be no codeword is void: nobody owes it, nobody is punished for it.
        Invariant: balance = bonds of open demands + credits.
@custom:kill No switch. A demand about a file that is void, over or too old for the court only gives the bond back.
@custom:security A seat that never signed for a file is not fined for it: an uploader who withholds shards burns
                 nobody. A bond goes to the operator in the first half of the window, whoever sends the answer, so
                 copying it from the mempool earns nothing while the operator is in time.
"""
from ..interfaces import IStakeView
from ..interfaces import IStorageMarket
from ..interfaces import IStorageProofs
from ..interfaces import IStorageSeats
from ..shared import point_evaluation
from ..shared import row_code
from ..shared import row_path
from ..shared import row_tree
from ..shared import segment_path
from . import challenge_draw
from . import challenge_rate
from . import leaf_demands
from . import penalties
from . import profiles
from . import row_opening
from . import seat_standing

implements: IStorageProofs
initializes: penalties
initializes: leaf_demands[penalties := penalties, seat_standing := seat_standing]
uses: seat_standing
uses: challenge_rate

exports: (
    penalties.MARKET,
    penalties.SEATS,
    penalties.STAKE,
    penalties.BEACON,
    penalties.COURT,
    penalties.answer_seconds,
    penalties.evidence_seconds,
    penalties.bytes_per_challenge,
    penalties.standing,
    penalties.fine,
)
exports: (
    leaf_demands.demand,
    leaf_demands.answer,
    leaf_demands.close,
    leaf_demands.credits.withdraw,
    leaf_demands.demand_of,
    leaf_demands.demands_open,
    leaf_demands.bond,
    leaf_demands.credits.credit_of,
)


@deploy
def __init__(
    market: address,
    seats: address,
    stake: address,
    beacon: address,
    court: address,
    answer_seconds: uint256,
    evidence_seconds: uint256,
    min_bond: uint256,
):
    """
    @param market StorageMarket: what is kept.
    @param seats StorageSeats: who keeps it.
    @param stake StakeManager: operators, epochs.
    @param beacon RandomBeacon.
    @param court SlashingCourt, which punishes.
    @param answer_seconds From the start of an epoch, or a demand, to the last answer.
    @param evidence_seconds How long after an epoch's end its misses can be shown.
    @param min_bond What an answerer earns at least, wei.
    """
    point_evaluation._prove_precompile()
    penalties.__init__(market, seats, stake, beacon, court, answer_seconds, evidence_seconds)
    leaf_demands.__init__(min_bond)


# --- PERMISSIONLESS


@external
def prove(
    epoch: uint256,
    group: uint256,
    seat: uint256,
    skipped: DynArray[bytes32, challenge_draw.MAX_ATTEMPTS],
    id: bytes32,
    data_root: bytes32,
    commitment_hash: bytes32,
    path: Bytes[segment_path.PATH_BYTES],
    frame: Bytes[row_path.FRAME_BYTES],
):
    """
    @notice Show the leaf that the beacon asks a seat for. The first right one settles the epoch; a suspect seat is
            restored.
    @param skipped For every earlier attempt the file it fell on, which nobody owed when the epoch began.
    @param id The file that the next attempt falls on.
    @param data_root Of the segment.
    @param commitment_hash Of the segment.
    @param path Siblings of the segment, lowest first.
    @param frame u32 row, u32 leaf, 256 bytes, siblings of leaf and row, b0, b1, b2.
    """
    start: uint256 = penalties._start(epoch)
    assert block.timestamp >= start, "storage_proofs: not begun"
    assert block.timestamp <= start + penalties.WINDOW, "storage_proofs: too late"
    standing: IStorageProofs.Standing = seat_standing._seen(seat_standing._read(group, seat), epoch)
    bit: uint256 = seat_standing._bit(standing, epoch)
    assert standing.proven & bit == 0, "storage_proofs: proven already"
    is_suspect: bool = standing.suspect_until == seat_standing.STILL
    owed: IStorageMarket.Owed = staticcall IStorageMarket(penalties.MARKET).owed_at(id, epoch)
    offset: uint256 = self._find(epoch, group, seat, skipped, owed, is_suspect)
    assert seat < profiles.SEATS[owed.profile], "storage_proofs: no such seat"
    place: challenge_draw.Place = challenge_draw._place(offset, owed.length, owed.profile, seat)
    segment_path._check(owed.root, owed.length, place.segment, data_root, commitment_hash, path)
    row: uint256 = 0
    leaf: uint256 = 0
    row, leaf = row_path._check_leaf(frame, place.columns, data_root)
    assert row == place.row and leaf == place.leaf, "storage_proofs: another leaf"

    standing.proven |= bit
    if is_suspect:
        standing.suspect_until = epoch
    seat_standing._write(group, seat, standing)
    log IStorageProofs.Proven(epoch=epoch, group=group, seat=seat, id=id, is_restored=is_suspect)

    if is_suspect:
        extcall IStorageSeats(penalties.SEATS).restore(group, seat)


@external
def default_(
    epoch: uint256,
    group: uint256,
    seat: uint256,
    skipped: DynArray[bytes32, challenge_draw.MAX_ATTEMPTS],
    id: bytes32,
) -> uint256:
    """
    @notice Punish a challenge that nobody answered in time, with the caller as reporter: the fine doubles with every
            miss in a row, the seat is suspect, and lost after six. A seat that never signed for the file only
            becomes suspect.
    @param skipped As in `prove`; only a suspect seat is drawn more than once.
    @param id The file that the challenge fell on.
    @return Misses in a row; 0 when it only became suspect.
    """
    start: uint256 = penalties._start(epoch)
    assert block.timestamp > start + penalties.WINDOW, "storage_proofs: answer may come"
    holder: IStorageSeats.Holder = penalties._holder(group, seat, start)
    assert holder.operator_id != 0, "storage_proofs: nobody's seat"
    standing: IStorageProofs.Standing = seat_standing._seen(seat_standing._read(group, seat), epoch)
    assert not seat_standing._is_proven(standing, epoch), "storage_proofs: proven already"
    assert not seat_standing._is_missed(standing, epoch), "storage_proofs: punished already"
    is_tracked: bool = penalties._is_tracked(standing, epoch, holder.since)
    if not is_tracked:
        assert penalties._is_drawn(epoch, group, seat), "storage_proofs: not challenged"
        assert len(skipped) == 0, "storage_proofs: drawn once"
    owed: IStorageMarket.Owed = staticcall IStorageMarket(penalties.MARKET).owed_at(id, epoch)
    self._find(epoch, group, seat, skipped, owed, is_tracked)
    has_signed: bool = (penalties._duty(id).absent >> seat) & 1 == 0
    assert has_signed or not penalties._is_suspect(standing, holder.since), "storage_proofs: suspect already"

    if has_signed:
        return penalties._punish(epoch, group, seat, holder, standing)
    penalties._suspect(group, seat, holder, standing, 0)
    log IStorageProofs.Defaulted(
        epoch=epoch,
        group=group,
        seat=seat,
        operator_id=holder.operator_id,
        misses=0,
        amount=0,
        reporter=msg.sender,
    )
    return 0


@external
def measure() -> uint256:
    """
    @notice Set from what is kept now how many bytes go to one challenge, from the next epoch whose beacon value
            nobody knows.
    @return Bytes.
    """
    epoch: uint256 = penalties._current() + 1
    if block.timestamp >= staticcall IStakeView(penalties.STAKE).epoch_cutoff(epoch):
        epoch += 1
    total: uint256 = staticcall IStorageMarket(penalties.MARKET).total_kept()
    rate: uint256 = challenge_rate._rate(total, staticcall IStorageSeats(penalties.SEATS).operator_count())

    challenge_rate._put(epoch, rate)
    log IStorageProofs.Measured(epoch=epoch, bytes_per_challenge=rate)
    return rate


@external
def prove_bad_row(
    id: bytes32,
    shown: IStorageProofs.Shown,
    row: uint256,
    data: Bytes[row_tree.ROW_BYTES],
    path: Bytes[row_path.ROW_PATH_BYTES],
    opening: Bytes[row_opening.OPENING_BYTES],
):
    """
    @notice Void a file with a row that is of no encoding: nobody can rebuild it, so nobody owes it.
    @param shown The row's segment.
    @param data The row, 32 bytes a column.
    @param path Ten siblings, lowest first, b0, b1, b2.
    @param opening C 48, the value of the committed polynomial at the row's point 32, proof 48; empty when an element
           of the row is no field element.
    """
    duty: IStorageMarket.Duty = penalties._duty(id)
    self._check_segment(duty, shown)
    columns: uint256 = segment_path._columns_of(shown.segment, duty.length)
    length: uint256 = segment_path._length_of(shown.segment, duty.length)
    leaves: uint256 = row_tree._leaves_of(len(data), columns)
    rho: uint256 = row_code._challenge(shown.data_root, columns, length)
    digests: bytes32[row_tree.MAX_LEAVES] = empty(bytes32[row_tree.MAX_LEAVES])
    largest: uint256 = 0
    combination: uint256 = 0
    for step: uint256 in range(leaves, bound=row_tree.MAX_LEAVES):
        leaf: uint256 = leaves - 1 - step
        part: Bytes[row_tree.LEAF_BYTES] = slice(data, row_tree.LEAF_BYTES * leaf, row_tree.LEAF_BYTES)
        largest_here: uint256 = 0
        digests[leaf] = keccak256(part)
        largest_here, combination = row_code._absorb(part, rho, combination)
        largest = max(largest, largest_here)
    row_path._check_row(row_tree._fold(digests, leaves), row, path, shown.data_root)
    if largest < point_evaluation.SCALAR_FIELD:
        row_opening._check_other(shown.commitment_hash, row, combination, opening)

    log IStorageProofs.FileVoided(id=id, segment=shown.segment, row=row, reporter=msg.sender)
    extcall IStorageMarket(penalties.MARKET).void(id)


# --- OPERATOR


@external
def declare_loss(group: uint256, seat: uint256):
    """
    @notice Give up a seat whose bytes are gone, for a quarter of the fine. What was missed before stays due.
    """
    penalties._declare(group, seat, msg.sender)


# --- VIEWS


@external
@view
@reentrant
def position(epoch: uint256, group: uint256, seat: uint256, attempt: uint256) -> uint256:
    """
    @return The byte, of all that a seat of the group ever kept, that an attempt falls on.
    """
    kept: uint256 = penalties._kept(group, epoch)
    return challenge_draw._position(penalties._chance(epoch, group, seat), attempt, kept)


@external
@view
@reentrant
def is_challenged(epoch: uint256, group: uint256, seat: uint256) -> bool:
    """
    @return Whether a seat has to show a leaf in this epoch, if a file that it owes is drawn.
    """
    holder: IStorageSeats.Holder = penalties._holder(group, seat, penalties._start(epoch))
    if holder.operator_id == 0 or penalties._kept(group, epoch) == 0:
        return False
    standing: IStorageProofs.Standing = seat_standing._read(group, seat)
    return penalties._is_tracked(standing, epoch, holder.since) or penalties._is_drawn(epoch, group, seat)


@external
@view
@reentrant
def is_proven(epoch: uint256, group: uint256, seat: uint256) -> bool:
    return seat_standing._is_proven(seat_standing._read(group, seat), epoch)


# --- INTERNAL


@internal
@view
def _find(
    epoch: uint256,
    group: uint256,
    seat: uint256,
    skipped: DynArray[bytes32, challenge_draw.MAX_ATTEMPTS],
    owed: IStorageMarket.Owed,
    is_lenient: bool,
) -> uint256:
    """
    @dev Offset in the file that the first attempt falls on which is not skipped. A file may be skipped when nobody
         owed it, and by a suspect seat also when the seat never signed for it.
    """
    assert len(skipped) < challenge_draw.MAX_ATTEMPTS, "storage_proofs: too many attempts"
    kept: uint256 = owed.numbered if owed.group == group else penalties._kept(group, epoch)
    chance: bytes32 = penalties._chance(epoch, group, seat)
    owed_until: uint256 = penalties._start(epoch) + penalties.WINDOW
    attempt: uint256 = 0
    for passed: bytes32 in skipped:
        other: IStorageMarket.Duty = penalties._duty(passed)
        passing: uint256 = challenge_draw._position(chance, attempt, kept)
        self._offset(passing, group, other.group, other.first_byte, other.bytes)
        is_unsigned: bool = is_lenient and (other.absent >> seat) & 1 == 1
        assert other.end <= owed_until or is_unsigned, "storage_proofs: skipped is owed"
        attempt += 1

    assert owed.end > owed_until, "storage_proofs: not owed"
    position: uint256 = challenge_draw._position(chance, attempt, kept)
    return self._offset(position, group, owed.group, owed.first_byte, owed.bytes)


@internal
@pure
def _offset(position: uint256, group: uint256, its_group: uint256, first: uint256, size: uint256) -> uint256:
    is_inside: bool = position >= first and position < first + size
    assert its_group == group and is_inside, "storage_proofs: another file"
    return position - first


@internal
@view
def _check_segment(duty: IStorageMarket.Duty, shown: IStorageProofs.Shown):
    segment_path._check(
        duty.root, duty.length, shown.segment, shown.data_root, shown.commitment_hash, shown.path
    )
