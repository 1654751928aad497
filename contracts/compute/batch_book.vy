# pragma version 0.4.3
"""
@title Batches, and the money held for them
@license AGPL-3.0-only
@author Apogee
@notice Invariant: of a batch's money each unit goes once, to a payer by refund or to provider and auditors at the
        release, which waits for its time and for every open case.
@dev What a provider holds counts in wei of stake, at the rates of the days it was settled. A record's counts: that
     value u96 | posted_block u48 << 96 | leaves u32 << 144 | open cases u32 << 176 | items u16 << 208 | token's number
     u16 << 224 | state u8 << 240.
"""
from ..interfaces import IComputeEscrow
from . import token_list

uses: token_list

LOW_96: constant(uint256) = 2**96 - 1
LOW_48: constant(uint256) = 2**48 - 1
LOW_32: constant(uint256) = 2**32 - 1
LOW_16: constant(uint256) = 2**16 - 1
OPEN: constant(uint256) = 176  # where the open cases lie in the counts
STATE: constant(uint256) = 240  # where the state lies there
AUDIT_FEE_BPS: constant(uint256) = 100  # of what a batch moved
BPS: constant(uint256) = 10_000
POSTED: constant(uint256) = 1  # BatchState as stored
RELEASED: constant(uint256) = 2


struct Record:
    service: bytes32
    root: bytes32
    money: uint256  # held (once released: fee) u96 | total u96 << 96 | release_at u64 << 192
    counts: uint256  # as said above


DISPUTE: immutable(uint256)  # seconds

records: HashMap[uint256, Record]
batch_count: public(uint256)  # ids are 1, 2, ...
values: HashMap[uint256, uint256]  # operator id -> wei of stake that unreleased batches stand for
cases: HashMap[uint256, uint256]  # operator id -> open cases of all its batches
refunded: HashMap[uint256, HashMap[uint256, uint256]]  # batch -> item -> base units
is_refunded: public(HashMap[bytes32, bool])


@deploy
def __init__(dispute: uint256):
    assert dispute > 0, "batch_book: no dispute window"

    DISPUTE = dispute


@internal
def _post(id: uint256, operator_id: uint256, counts: uint256, total: uint256, stands_for: uint256):
    """
    @dev Begin to hold for the next batch; `counts` are leaves, items and token in their places.
    """
    self.records[id].money = total | total << 96 | (block.timestamp + DISPUTE) << 192
    self.records[id].counts = stands_for | block.number << 96 | counts | POSTED << STATE
    self.batch_count = id
    self.values[operator_id] += stands_for


@internal
def _open_case(id: uint256, operator_id: uint256):
    counts: uint256 = self._posted(id)
    open_cases: uint256 = (counts >> OPEN) & LOW_32

    self.records[id].counts = counts + (1 << OPEN)
    self.cases[operator_id] += 1
    log IComputeEscrow.CaseOpened(batch=id, open_cases=open_cases + 1)


@internal
def _close_case(id: uint256, operator_id: uint256):
    counts: uint256 = self._posted(id)
    open_cases: uint256 = (counts >> OPEN) & LOW_32
    assert open_cases > 0, "batch_book: no open case"

    self.records[id].counts = counts - (1 << OPEN)
    self.cases[operator_id] -= 1
    log IComputeEscrow.CaseClosed(batch=id, open_cases=open_cases - 1)


@internal
def _refund(id: uint256, index: uint256, item_amount: uint256, key: bytes32, amount: uint256) -> uint256:
    """
    @dev What of an amount an item's payer gets back: no key twice, no item more than it paid, nothing not held. What is
         not held any more counts as made good too: the court that asks charges it to the stake.
    """
    counts: uint256 = self.records[id].counts
    assert counts != 0, "batch_book: no such batch"
    before: uint256 = self.refunded[id][index]
    if self.is_refunded[key] or before >= item_amount:
        return 0
    due: uint256 = min(amount, item_amount - before)
    if due == 0:
        return 0
    money: uint256 = self.records[id].money
    paid: uint256 = min(due, money & LOW_96) if counts >> STATE == POSTED else 0

    self.is_refunded[key] = True
    self.refunded[id][index] = before + due
    self.records[id].money = money - paid
    return paid


@internal
def _release(id: uint256, operator_id: uint256) -> (uint256, uint256):
    """
    @dev What the provider gets and what the auditors get.
    """
    counts: uint256 = self._posted(id)
    money: uint256 = self.records[id].money
    assert block.timestamp >= money >> 192, "batch_book: too early"
    assert (counts >> OPEN) & LOW_32 == 0, "batch_book: open case"

    held: uint256 = money & LOW_96
    total: uint256 = (money >> 96) & LOW_96
    fee: uint256 = min(held, total * AUDIT_FEE_BPS // BPS)
    self.records[id].money = money - held + fee
    self.records[id].counts = (counts & (2**STATE - 1)) | RELEASED << STATE
    self.values[operator_id] -= counts & LOW_96
    return held - fee, fee


@internal
@view
def _token(id: uint256) -> address:
    return token_list.tokens[(self.records[id].counts >> 224) & LOW_16]


@internal
@view
def _service(id: uint256) -> bytes32:
    service: bytes32 = self.records[id].service
    assert service != empty(bytes32), "batch_book: no such batch"
    return service


@internal
@view
def _batch(id: uint256, provider: address) -> IComputeEscrow.Batch:
    """
    @dev All zero when there is no such batch.
    """
    record: Record = self.records[id]
    if record.counts == 0:
        return empty(IComputeEscrow.Batch)
    held: uint256 = record.money & LOW_96
    state: IComputeEscrow.BatchState = convert(record.counts >> STATE, IComputeEscrow.BatchState)
    is_posted: bool = state == IComputeEscrow.BatchState.POSTED
    release_at: uint256 = record.money >> 192
    return IComputeEscrow.Batch(
        provider=provider,
        service=record.service,
        token=token_list.tokens[(record.counts >> 224) & LOW_16],
        root=record.root,
        total=convert((record.money >> 96) & LOW_96, uint96),
        items=convert((record.counts >> 208) & LOW_16, uint16),
        leaves=convert((record.counts >> 144) & LOW_32, uint32),
        posted_block=convert((record.counts >> 96) & LOW_48, uint64),
        posted_at=convert(release_at - DISPUTE, uint64),
        release_at=convert(release_at, uint64),
        held=convert(held if is_posted else 0, uint96),
        fee=convert(0 if is_posted else held, uint96),
        open_cases=convert((record.counts >> OPEN) & LOW_32, uint32),
        state=state,
    )


@internal
@view
def _posted(id: uint256) -> uint256:
    """
    @dev The counts of a batch that is not released.
    """
    counts: uint256 = self.records[id].counts
    assert counts >> STATE == POSTED, "batch_book: not posted"
    return counts
