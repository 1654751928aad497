# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Demanding one leaf of a seat
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a demand ends once: answered, its bond is the answerer's; unanswered, it is the demander's again.
@dev The remedy for a file that matters more than its share of bytes. The bond pays for the answer, so whoever
     demands of honest seats pays them.
"""
from ..interfaces import IStakeView
from ..interfaces import IStorageMarket
from ..interfaces import IStorageProofs
from ..interfaces import IStorageSeats
from ..shared import row_path
from ..shared import segment_path
from . import answer_bonds
from . import challenge_draw
from . import credits
from . import open_demands
from . import penalties
from . import profiles
from . import seat_standing

uses: penalties
uses: seat_standing
initializes: answer_bonds
initializes: credits
initializes: open_demands


@deploy
def __init__(min_bond: uint256):
    answer_bonds.__init__(min_bond)


# --- PERMISSIONLESS


@external
@payable
def demand(wanted: IStorageProofs.Wanted) -> bytes32:
    """
    @notice Ask a seat for a leaf that it signed for. What exceeds the bond is credited back.
    @return The demand's id.
    """
    duty: IStorageMarket.Duty = penalties._duty(wanted.id)
    assert duty.end > block.timestamp + penalties.WINDOW, "leaf_demands: not owed"
    assert wanted.seat < profiles.SEATS[duty.profile], "leaf_demands: no such seat"
    assert (duty.absent >> wanted.seat) & 1 == 0, "leaf_demands: never signed"
    columns: uint256 = segment_path._columns_of(wanted.segment, duty.length)
    first: uint256 = challenge_draw._first_row(profiles.ROWS[duty.profile], wanted.seat)
    is_kept: bool = wanted.row >= first and wanted.row < first + profiles.ROWS[duty.profile]
    assert is_kept and wanted.leaf < columns // row_path.COLUMNS_PER_LEAF, "leaf_demands: no such leaf"
    holder: IStorageSeats.Holder = penalties._holder(duty.group, wanted.seat, block.timestamp)
    assert holder.operator_id != 0, "leaf_demands: nobody's seat"
    bond: uint256 = answer_bonds._bond(open_demands.waiting[holder.operator_id])
    assert msg.value >= bond, "leaf_demands: bond too low"

    demand_id: bytes32 = open_demands._id(wanted)
    opened: IStorageProofs.Demand = IStorageProofs.Demand(
        demander=msg.sender,
        operator_id=holder.operator_id,
        epoch=penalties._current(),
        opened_at=block.timestamp,
        deadline=block.timestamp + penalties.WINDOW,
        bond=bond,
    )
    open_demands._open(demand_id, opened)
    credits._credit(msg.sender, msg.value - bond)
    log IStorageProofs.Demanded(
        demand_id=demand_id,
        id=wanted.id,
        operator_id=holder.operator_id,
        segment=wanted.segment,
        group=duty.group,
        seat=wanted.seat,
        row=wanted.row,
        leaf=wanted.leaf,
        demander=msg.sender,
        bond=bond,
        deadline=opened.deadline,
    )
    return demand_id


@external
def answer(id: bytes32, seat: uint256, shown: IStorageProofs.Shown, frame: Bytes[row_path.FRAME_BYTES]):
    """
    @notice Show the leaf that a demand wants.
    @param shown The leaf's segment.
    @param frame As in `prove`.
    """
    duty: IStorageMarket.Duty = penalties._duty(id)
    segment_path._check(
        duty.root, duty.length, shown.segment, shown.data_root, shown.commitment_hash, shown.path
    )
    row: uint256 = 0
    leaf: uint256 = 0
    columns: uint256 = segment_path._columns_of(shown.segment, duty.length)
    row, leaf = row_path._check_leaf(frame, columns, shown.data_root)
    demand_id: bytes32 = open_demands._id(
        IStorageProofs.Wanted(id=id, segment=shown.segment, seat=seat, row=row, leaf=leaf)
    )
    opened: IStorageProofs.Demand = open_demands._read_open(demand_id, penalties.WINDOW)
    assert block.timestamp <= opened.deadline, "leaf_demands: too late"
    answerer: address = msg.sender
    if block.timestamp <= opened.opened_at + penalties.WINDOW // 2:
        if staticcall IStakeView(penalties.STAKE).operator_of(msg.sender) != opened.operator_id:
            answerer = (staticcall IStakeView(penalties.STAKE).operator(opened.operator_id)).owner

    open_demands._end(demand_id, opened)
    credits._credit(answerer, opened.bond)
    log IStorageProofs.Answered(
        demand_id=demand_id, operator_id=opened.operator_id, answerer=answerer, bond=opened.bond
    )


@external
def close(wanted: IStorageProofs.Wanted) -> bool:
    """
    @notice End a demand that nobody answered in time: the bond goes back, and the seat's operator is fined with the
            demander as reporter, unless this seat was fined for the epoch before, the file is over or void, or the
            court is barred.
    @return Whether the operator was fined.
    """
    demand_id: bytes32 = open_demands._id(wanted)
    opened: IStorageProofs.Demand = open_demands._read_open(demand_id, penalties.WINDOW)
    assert block.timestamp > opened.deadline, "leaf_demands: answer may come"
    duty: IStorageMarket.Duty = penalties._duty(wanted.id)
    holder: IStorageSeats.Holder = penalties._holder(duty.group, wanted.seat, opened.opened_at)
    is_barred: bool = block.timestamp > penalties._start(opened.epoch + 1) + penalties.EVIDENCE
    is_convicted: bool = duty.end > opened.deadline and holder.operator_id == opened.operator_id and not is_barred
    standing: IStorageProofs.Standing = seat_standing._read(duty.group, wanted.seat)
    if is_convicted:
        standing = seat_standing._seen(standing, opened.epoch)
        is_convicted = not seat_standing._is_missed(standing, opened.epoch)

    open_demands._end(demand_id, opened)
    credits._credit(opened.demander, opened.bond)
    log IStorageProofs.Closed(demand_id=demand_id, operator_id=opened.operator_id, is_convicted=is_convicted)

    if is_convicted:
        penalties._punish(opened.epoch, duty.group, wanted.seat, holder, standing)
    return is_convicted


# --- VIEWS


@external
@view
@reentrant
def demand_of(demand_id: bytes32) -> IStorageProofs.Demand:
    return open_demands._read(demand_id, penalties.WINDOW)


@external
@view
@reentrant
def demands_open(operator_id: uint256) -> uint256:
    return open_demands.waiting[operator_id]


@external
@view
@reentrant
def bond(operator_id: uint256) -> uint256:
    """
    @return What one more demand of this operator costs in this block, wei.
    """
    return answer_bonds._bond(open_demands.waiting[operator_id])
