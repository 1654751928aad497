# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What the market answers
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing here changes anything; times are seconds, bytes are kept by one seat.
@dev Not locked: money leaves the market only when everything is settled, so there is nothing half done to be seen.
"""
from ..interfaces import IStorageMarket
from . import byte_numbers
from . import file_records
from . import group_terms
from . import integrals
from . import pricing
from . import profiles
from . import term_clock

uses: byte_numbers
uses: file_records
uses: group_terms
uses: integrals
uses: term_clock


@external
@view
@reentrant
def file(id: bytes32) -> IStorageMarket.File:
    """
    @notice What is known of a file; all zero when it was never submitted.
    """
    entry: file_records.Entry = file_records._entry(id)
    file: IStorageMarket.File = empty(IStorageMarket.File)
    if entry.state == empty(IStorageMarket.FileState):
        return file
    shape: file_records.Shape = file_records._shape(id)
    file.state = entry.state
    file.owner = shape.owner
    file.profile = shape.profile
    file.segments = shape.segments
    file.length = shape.length
    file.root = file_records.roots[id]
    file.deposit = entry.deposit
    file.group = entry.group
    file.bytes = entry.bytes
    file.started = entry.started
    file.first_byte = entry.first_byte
    file.absent = entry.absent
    if entry.end_epoch != 0:
        file.end = term_clock._start_of(entry.end_epoch)
    if entry.submitted_at != 0:
        file.submitted_block = entry.submitted_block
        file.deadline = entry.submitted_at + term_clock.WINDOWS.confirm
    if entry.leave_epoch != 0:
        file.leaves = term_clock._start_of(entry.leave_epoch)
    return file


@external
@view
@reentrant
def is_live(id: bytes32) -> bool:
    """
    @notice Whether every seat of the file's group owes it now.
    """
    entry: file_records.Entry = file_records._entry(id)
    is_stored: bool = entry.state == IStorageMarket.FileState.STORED
    return is_stored and block.timestamp < term_clock._start_of(entry.leave_epoch)


@external
@view
@reentrant
def duty(id: bytes32) -> IStorageMarket.Duty:
    """
    @notice What a prover needs of a file.
    """
    entry: file_records.Entry = file_records._entry(id)
    shape: file_records.Shape = file_records._shape(id)
    end: uint256 = 0
    if entry.state == IStorageMarket.FileState.STORED:
        end = term_clock._start_of(entry.leave_epoch)
    return IStorageMarket.Duty(
        root=file_records.roots[id],
        group=entry.group,
        first_byte=entry.first_byte,
        bytes=entry.bytes,
        length=shape.length,
        segments=shape.segments,
        profile=shape.profile,
        started=entry.started,
        end=end,
        absent=entry.absent,
    )


@external
@view
@reentrant
def owed_at(id: bytes32, epoch: uint256) -> IStorageMarket.Owed:
    """
    @notice What a prover needs of a file in an epoch; reverts when that is too long ago.
    """
    owed: IStorageMarket.Owed = file_records._owed(id)
    if owed.end != 0:
        owed.end = term_clock._start_of(owed.end)
    owed.numbered = byte_numbers._numbered_at(owed.group, epoch)
    return owed


@external
@view
@reentrant
def group(group: uint256) -> IStorageMarket.Group:
    """
    @notice What is known of a group, as of when it was last moved; all zero when it never opened.
    """
    terms: group_terms.Terms = group_terms._terms(group)
    flow: integrals.Flow = integrals._flow(group)
    return IStorageMarket.Group(
        profile=terms.profile,
        rate=flow.rate,
        max_rate=terms.max_rate,
        paid_seats=terms.paid_seats,
        short_since=terms.short_since,
        cost_integral=flow.cost,
        byte_integral=flow.byte_seconds,
        moved=flow.moved,
        bytes=flow.bytes,
        taken=flow.taken,
        numbered=byte_numbers._numbered(group),
        segments=byte_numbers._segments(group),
        longest_epochs=terms.longest_epochs,
        escrow=terms.escrow,
        is_listed=group_terms.positions[group] != 0,
    )


@external
@view
@reentrant
def bytes_at(group: uint256, epoch: uint256) -> uint256:
    """
    @notice Kept bytes of a seat that were numbered before an epoch began; reverts when that is too long ago.
    """
    return byte_numbers._numbered_at(group, epoch)


@external
@view
@reentrant
def quote(group: uint256, length: uint256, epochs: uint256) -> IStorageMarket.Quote:
    """
    @notice What a file submitted now would cost in a group.
    """
    terms: group_terms.Terms = group_terms._opened(group)
    kept: uint256 = profiles._kept_bytes(length, terms.profile)
    end_epoch: uint256 = term_clock._epoch_of(block.timestamp) + 1 + epochs
    term: uint256 = term_clock._start_of(end_epoch) - block.timestamp
    return IStorageMarket.Quote(
        bytes=kept,
        cost=pricing._in_wei(kept * integrals._flow(group).rate * term),
        deposit=pricing._in_wei(kept * terms.max_rate * term_clock._seconds_to_leave(end_epoch)),
    )


@external
@pure
def kept_bytes(length: uint256, profile: uint256) -> uint256:
    """
    @notice What each seat keeps of a file of `length` payload bytes.
    """
    return profiles._kept_bytes(length, profile)
