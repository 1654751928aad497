# pragma version 0.4.3
"""
@title Longer terms, ends and pay
@license AGPL-3.0-only
@author Apogee
@notice Invariant: when a file ends, its deposit is its cost and its owner's refund, to the wei; what a seat is paid comes
        out of its own group's escrow.
"""
from ..interfaces import IStakeView
from ..interfaces import IStorageMarket
from . import credits
from . import file_records
from . import group_terms
from . import integrals
from . import pricing
from . import seat_pay
from . import term_clock

uses: credits
uses: file_records
uses: group_terms
uses: integrals
uses: seat_pay
uses: term_clock

STAKE: public(immutable(address))


@deploy
def __init__(stake: address):
    assert stake.is_contract, "settlement: no contract"
    STAKE = stake


@internal
def _finish(id: bytes32, entry: file_records.Entry, state: IStorageMarket.FileState):
    """
    @dev Charge a stored file for its time and give the rest back.
    """
    flow: integrals.Flow = integrals._catch_up(entry.group)
    cost_after: uint256 = flow.cost
    if block.timestamp >= term_clock._start_of(entry.leave_epoch):
        cost_after = integrals._cost_at(entry.group, entry.leave_epoch)
    else:
        flow = integrals._exit(entry.group, flow, entry.bytes, entry.leave_epoch)
    integrals._store(entry.group, flow)

    cost: uint256 = pricing._in_wei(entry.bytes * (cost_after - entry.cost_before))
    rest: uint256 = entry.deposit - cost
    group_terms._move(entry.group, 0, rest)
    final: file_records.Entry = entry
    final.state = state
    final.deposit = 0
    file_records._save_stored(id, final)
    file_records._save_place(id, final)
    owner: address = file_records._shape(id).owner
    credits._credit(owner, rest)
    log IStorageMarket.FileEnded(id=id, group=entry.group, owner=owner, state=state, cost=cost, refund=rest)


@internal
def _pay_seat(group: uint256, seat: uint256, operator_id: uint256, price: uint256, byte_seconds: uint256) -> uint256:
    """
    @dev Credit what a seat has earned at this price to its operator's owner.
    """
    amount: uint256 = seat_pay._settle(group, seat, price, byte_seconds)
    if amount == 0:
        return 0
    group_terms._move(group, 0, amount)
    account: address = (staticcall IStakeView(STAKE).operator(operator_id)).owner
    credits._credit(account, amount)
    log IStorageMarket.Collected(group=group, seat=seat, operator_id=operator_id, account=account, amount=amount)
    return amount
