"""What StorageMarket's refusals mean: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/storage.md#market.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, Rejected, Unavailable


class FileKnown(Conflict):
    """The id was opened before."""

    code = "storage.file.known"
    next_step = "Read the file's record and go on from its state; nothing was charged again."


class FileStateWrong(Conflict):
    """The file is not in the state that this call needs."""

    code = "storage.file.wrong_state"
    next_step = "Read the file's record and go on from its state."


class ReceiptsLate(Conflict):
    """The time for receipts is over."""

    code = "storage.file.late"
    next_step = "Have the deposit refunded, then submit again with a new nonce."


class ActionEarly(Conflict):
    """The time for this has not come."""

    code = "storage.file.too_early"
    next_step = "Read the file's deadline or end, and the group's health, and wait."


class FileLeaves(Conflict):
    """The file has left its group, or was told to leave."""

    code = "storage.file.leaves"
    next_step = "Submit the file again to keep it longer."


class EnoughSeats(Conflict):
    """Enough seats of the group are paid to rebuild the file."""

    code = "storage.file.not_lost"


class SeedNotReady(Unavailable):
    """The block after the submission is not there yet, or no longer remembered."""

    code = "storage.placement.no_block_hash"
    next_step = "Wait for the block after the submission and the one behind it."


class NoGroup(Unavailable):
    """No listed group of the profile takes the file for its deposit, length and term."""

    code = "storage.placement.no_group"
    next_step = "Request a group of this profile, wait until it is drawn, then place the file."


class AdvanceFirst(Conflict):
    """More endings wait in the group than one call passes."""

    code = "storage.group.advance_first"
    next_step = "Send `advance` for the group until nothing waits, then this call again."


class GroupUnknown(Rejected):
    """The group never opened, has no such seat, or cannot be opened so."""

    code = "storage.group.not_open"


class SeatUnpaid(Conflict):
    """The seat is not paid now; what it had earned was credited when its pay ended."""

    code = "storage.seat.unpaid"


class TermInvalid(Rejected):
    """The term, profile or length is none that the market or the group takes."""

    code = "storage.term.invalid"
    next_step = "Choose a known profile and a term of 1 epoch up to what the group's seats ask."


class PaymentTooLow(Rejected):
    """What was sent does not cover the highest price until the file leaves."""

    code = "storage.payment.too_low"
    next_step = "Read the quote and send some more: what is not needed comes back."


class ReceiptsInvalid(Rejected):
    """The signature is not that of enough seats of the group over this file."""

    code = "storage.receipts.invalid"
    next_step = "Collect signatures over `held_digest` of at least the profile's seats."


class NotEntitled(Rejected):
    """Only one account or contract may do this."""

    code = "storage.market.refused"


class NothingToWithdraw(Conflict):
    """No credit belongs to the caller, or its receiver refuses."""

    code = "storage.market.no_credit"


class OrderInvalid(Rejected):
    """The order's numbers do not fit."""

    code = "storage.order.invalid"


class NoOrder(Conflict):
    """The file has no standing order."""

    code = "storage.order.none"


class OrderTooLow(Conflict):
    """Today's price is above the order's limit, or its funds do not cover the renewal and tip."""

    code = "storage.order.too_low"
    next_step = "The file's owner raises the limit or adds funds, or renews it himself."


ADVANCE_FIRST: Final = "integrals: advance first"
MARKET: Final[Mapping[str, type[ApogeeError]]] = {
    "file_records: open already": FileKnown,
    "file_records: not submitted": FileStateWrong,
    "file_records: not placed": FileStateWrong,
    "file_records: not stored": FileStateWrong,
    "file_records: not waiting": FileStateWrong,
    "file_records: deposit too large": PaymentTooLow,
    "storage_market: too late": ReceiptsLate,
    "storage_market: too early": ActionEarly,
    "storage_market: enough seats": EnoughSeats,
    "storage_market: leaves already": FileLeaves,
    "renewal: leaves already": FileLeaves,
    "renewal: too late": FileLeaves,
    "renewal: wrong term": TermInvalid,
    "renewal: term too long": TermInvalid,
    "storage_market: wrong term": TermInvalid,
    "profiles: no such profile": TermInvalid,
    "profiles: wrong length": TermInvalid,
    "renewal: too little paid": PaymentTooLow,
    "storage_market: too little paid": PaymentTooLow,
    "placement: no block hash": SeedNotReady,
    "placement: no group": NoGroup,
    "placement: no room": NoGroup,
    ADVANCE_FIRST: AdvanceFirst,
    "byte_numbers: too long ago": GroupUnknown,
    "group_terms: not open": GroupUnknown,
    "group_terms: open already": GroupUnknown,
    "group_terms: no such index": GroupUnknown,
    "group_terms: no term": GroupUnknown,
    "group_terms: rate too high": GroupUnknown,
    "storage_market: rate above maximum": GroupUnknown,
    "storage_market: not paid": SeatUnpaid,
    "storage_market: no such seat": ReceiptsInvalid,
    "storage_market: not the log": NotEntitled,
    "storage_market: not the seats": NotEntitled,
    "storage_market: not the proofs": NotEntitled,
    "storage_market: not the owner": NotEntitled,
    "storage_market: not governance": NotEntitled,
    "storage_market: wired already": NotEntitled,
    "storage_market: no contract": NotEntitled,
    "credits: nothing to withdraw": NothingToWithdraw,
    "credits: no receiver": NothingToWithdraw,
    "credits: receiver refused": NothingToWithdraw,
}
ORDERS: Final[Mapping[str, type[ApogeeError]]] = {
    **MARKET,
    "standing_orders: not stored": FileStateWrong,
    "standing_orders: file is stored": FileStateWrong,
    "standing_orders: not the owner": NotEntitled,
    "standing_orders: not the market": NotEntitled,
    "standing_orders: no contract": NotEntitled,
    "standing_orders: no epoch": NotEntitled,
    "standing_orders: out of range": OrderInvalid,
    "standing_orders: no order": NoOrder,
    "standing_orders: not due": ActionEarly,
    "standing_orders: above the limit": OrderTooLow,
    "standing_orders: too little funds": OrderTooLow,
    "standing_orders: nothing to withdraw": NothingToWithdraw,
    "standing_orders: no receiver": NothingToWithdraw,
    "standing_orders: receiver refused": NothingToWithdraw,
}
