# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Longer terms
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a renewed file's deposit covers its cost so far and the highest price until it leaves. Its owner pays
        what it lacks for that; anybody else what the added time costs today as well, so nobody spends what is the owner's.
"""
from ..interfaces import IStorageMarket
from . import credits
from . import file_records
from . import group_terms
from . import integrals
from . import pricing
from . import term_clock

uses: file_records
uses: group_terms
uses: integrals
uses: term_clock


@external
@payable
def renew(id: bytes32, epochs: uint256) -> uint256:
    """
    @notice Let a file's term end later, also in its grace. Whoever wants may pay for it.
    @param epochs To add.
    @return Wei taken: what the deposit still lacks for the longer term at the highest price, of others than the owner no
            less than the price of the added time today. The rest is sent back.
    """
    entry: file_records.Entry = file_records._stored(id)
    assert epochs != 0 and epochs <= group_terms.MAX_TERM, "renewal: wrong term"
    assert block.timestamp < term_clock._start_of(entry.leave_epoch), "renewal: too late"
    assert entry.leave_epoch >= entry.end_epoch + term_clock.GRACE_EPOCHS, "renewal: leaves already"
    terms: group_terms.Terms = group_terms._terms(entry.group)
    longest: uint256 = block.timestamp + terms.longest_epochs * term_clock.EPOCH
    assert term_clock._start_of(entry.end_epoch + epochs) <= longest, "renewal: term too long"
    flow: integrals.Flow = integrals._catch_up(entry.group)
    flow = integrals._shift(entry.group, flow, entry.bytes, entry.leave_epoch, entry.leave_epoch + epochs)
    entry.end_epoch += epochs
    entry.leave_epoch += epochs
    ahead: uint256 = terms.max_rate * term_clock._seconds_to_leave(entry.end_epoch)
    needed: uint256 = pricing._in_wei(entry.bytes * (flow.cost - entry.cost_before + ahead))
    paid: uint256 = max(needed, entry.deposit) - entry.deposit
    added: uint256 = pricing._in_wei(entry.bytes * flow.rate * epochs * term_clock.EPOCH)
    if paid < added and msg.sender != file_records._shape(id).owner:
        paid = added
    assert msg.value >= paid, "renewal: too little paid"

    integrals._store(entry.group, flow)
    entry.deposit += paid
    group_terms._move(entry.group, paid, 0)
    file_records._save_stored(id, entry)
    file_records._save_place(id, entry)
    log IStorageMarket.FileRenewed(
        id=id,
        by=msg.sender,
        end=term_clock._start_of(entry.end_epoch),
        leaves=term_clock._start_of(entry.leave_epoch),
        paid=paid,
    )
    credits._send(msg.sender, msg.value - paid)
    return paid
