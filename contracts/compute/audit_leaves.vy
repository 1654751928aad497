# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Leaves that matter to an audit
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a failed draw is convicted once, with a leaf it fell on or, when nobody shows one in time, without; a
        unit is asked about once.
"""
from ..interfaces import IAuditCourt
from ..interfaces import IComputeEscrow
from ..interfaces import IReceiptCourt
from ..shared import stake_path
from . import audit_book
from . import audit_life
from . import court_credits
from . import findings
from . import openings
from . import sum_path

uses: audit_book
uses: audit_life
uses: court_credits
uses: findings
uses: openings

ITEM_BITS: constant(uint256) = 6  # a batch has 64 items at most


# --- PERMISSIONLESS


@external
def convict(
    audit: uint256,
    number: uint256,
    shown: IReceiptCourt.ShownItem,
    leaf_hash: bytes32,
    leaf: uint256,
    path: Bytes[sum_path.LEAF_PATH],
):
    """
    @notice Show the leaf that an upheld draw fell on: its payer is refunded, then the provider's stake pays.
    @param number Of the draw.
    """
    assert audit_book._state(audit) == IAuditCourt.AuditState.UPHELD, "audit_leaves: nothing upheld"
    left: uint256 = audit_book.left[audit]
    assert left & (1 << number) != 0, "audit_leaves: not failed, or done"
    assert shown.batch == audit_book._batch(audit), "audit_leaves: another batch"
    batch: IComputeEscrow.Batch = openings._batch(shown.batch)
    first: uint256 = openings._check_item(batch, shown)
    last: uint256 = first + convert(shown.item.amount, uint256)
    folded: sum_path.Folded = openings._check_leaf(shown.item, leaf_hash, leaf, path)
    first += folded.first
    last = min(last, first + folded.weight)  # no tree that does not add up reaches into another item
    low: uint256 = 0
    high: uint256 = 0
    low, high = self._span(audit, number, convert(batch.total, uint256))
    assert first <= high and last > max(first, low), "audit_leaves: another leaf"

    audit_book.left[audit] = left ^ (1 << number)
    refunded: uint256 = 0
    short: uint256 = 0
    refunded, short = openings._refund(
        shown, openings._leaf_key(shown.batch, shown.index, leaf), folded.weight
    )
    loss: uint256 = 0
    if short != 0:
        loss = staticcall openings.ESCROW.wei_of(batch.token, short)
    if audit_book._is_request(audit) and not audit_book._has(audit, audit_book.SILENT):
        loss += audit_life.AUDITOR_PAY * audit_life.FIRST_SEATS  # the auditors' now
    audit_life._punish(audit, number, 1 << number, shown.item.payer, refunded, loss)
    if audit_book.left[audit] == 0:
        audit_life._finish(audit, IAuditCourt.AuditState.PUNISHED)


# --- PAYER


@external
@payable
def request(shown: IReceiptCourt.ShownItem, unit: uint256) -> uint256:
    """
    @notice Have an answer of one's own item audited, before the batch is released. The deposit pays the auditors; where
            the answer fails, the provider's stake makes it good. What exceeds it is credited back.
    @param unit Any base unit of the item's amount that pays for the answer, from 0.
    @return The audit's id.
    """
    assert msg.sender == shown.item.payer, "audit_leaves: not your item"
    deposit: uint256 = audit_life.AUDITOR_PAY * audit_life.FIRST_SEATS
    assert msg.value >= deposit, "audit_leaves: deposit too low"
    batch: IComputeEscrow.Batch = openings._batch(shown.batch)
    assert block.timestamp < convert(batch.release_at, uint256), "audit_leaves: too late"
    point: uint256 = openings._check_item(batch, shown) + unit
    assert unit < convert(shown.item.amount, uint256), "audit_leaves: no such unit"
    id: uint256 = audit_book._request_id(shown.batch, point)
    assert audit_book.sheets[id] == 0, "audit_leaves: requested already"

    audit_book.batches[id] = shown.batch
    audit_book.points[id] = point
    audit_book.items[id] = shown.batch << ITEM_BITS | shown.index
    audit_book.requesters[id] = msg.sender
    audit_book.pots[id] = deposit
    court_credits._credit(msg.sender, msg.value - deposit)
    seed_block: uint256 = block.number + audit_life.SEED_BLOCKS
    audit_book._enter(id, findings._epoch_at(block.timestamp), seed_block)
    audit_book._set_draws(id, 1)
    log IAuditCourt.AuditRequested(
        audit=id, batch=shown.batch, payer=msg.sender, index=shown.index, point=point
    )
    audit_book._move(id, IAuditCourt.AuditState.REQUESTED, 0)
    extcall openings.ESCROW.open_case(shown.batch)
    return id


# --- VIEWS


@external
@view
@reentrant
def point(audit: uint256, number: uint256) -> (uint256, uint256):
    """
    @return First and last unit of the batch that a draw asks for; one unit, unless the draw came too late.
    """
    assert number < audit_book._draws(audit), "audit_leaves: no such draw"
    total: uint256 = convert(openings._batch(audit_book._batch(audit)).total, uint256)
    return self._span(audit, number, total)


# --- INTERNAL


@internal
@view
def _span(audit: uint256, number: uint256, total: uint256) -> (uint256, uint256):
    if audit_book._is_request(audit):
        return audit_book.points[audit], audit_book.points[audit]
    draws: uint256 = audit_book._draws(audit)
    if audit_book._has(audit, audit_book.WHOLE):
        first: uint256 = number * total // draws
        return first, max((number + 1) * total // draws, first + 1) - 1
    point: uint256 = stake_path._point(audit_book.seeds[audit], number, draws, total)
    return point, point
