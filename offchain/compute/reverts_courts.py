"""What ReceiptCourt's and AuditCourt's refusals mean: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/compute.md#receipt-court, docs/protocol/compute.md#audits.
"""

from collections.abc import Mapping
from typing import Final

from offchain.compute.reverts_compute import (
    BatchNotReleasable,
    EscrowBatchUnknown,
    NotEntitled,
    ReceiverRefused,
)
from offchain.core.errors import ApogeeError, Conflict, NotFound, Rejected


class OpeningInvalid(Rejected):
    """The item is not in the batch at that place, or the leaf not in the item."""

    code = "compute.court.opening_invalid"
    next_step = "Build item and leaf from the batch file that lies under the batch's data root."


class NothingWrong(Rejected):
    """What is shown keeps every promise that this proof is about."""

    code = "compute.court.nothing_wrong"


class ProvenBefore(Conflict):
    """The fact is punished already."""

    code = "compute.court.proven_already"


class DemandRefused(Rejected):
    """Nobody owes this leaf to the caller."""

    code = "compute.demand.refused"
    next_step = "Demand a leaf of an item of your own, before its batch may be released."


class DemandMissing(NotFound):
    """No demand is open for this item, or it is for another leaf."""

    code = "compute.demand.missing"


class DemandOpen(Conflict):
    """A demand for this item waits already."""

    code = "compute.demand.open"


class DepositTooLow(Rejected):
    """The value sent does not cover the bond or deposit."""

    code = "compute.court.deposit_too_low"
    next_step = "Read `bond` or `deposit` at the newest block and send at least that much."


class CourtTooLate(Conflict):
    """The window is over."""

    code = "compute.court.too_late"


class CourtTooEarly(Conflict):
    """Somebody may still act, or the block that draws is not mined."""

    code = "compute.court.too_early"
    next_step = "Wait until the audit's deadline has passed, or everybody has acted."


class NotYourCase(Rejected):
    """The caller is not the provider, the payer or a drawn auditor of this case."""

    code = "compute.court.not_yours"


class AuditStateWrong(Conflict):
    """The audit is not in the state that this call needs."""

    code = "compute.audit.wrong_state"
    next_step = "Read the audit and go on from its state."


class DrawInvalid(Rejected):
    """The shown leaves are not those that the attempts fall on."""

    code = "compute.audit.draw_invalid"
    next_step = "Draw anew from the ALIGNMENT weights of the audit's epoch and its seed."


class BallotInvalid(Rejected):
    """The opened ballot is not the sealed one, or names draws that do not exist."""

    code = "compute.audit.ballot_invalid"


class BallotCast(Conflict):
    """The seat has sealed, opened or answered for its ballot already."""

    code = "compute.audit.ballot_cast"


class NothingToTake(Conflict):
    """Nothing is credited to the caller."""

    code = "compute.court.nothing_to_take"


_SHARED: Final[Mapping[str, type[ApogeeError]]] = {
    "openings: no contract": NotEntitled,
    "openings: no such batch": EscrowBatchUnknown,
    "openings: not in the batch": OpeningInvalid,
    "openings: not in the item": OpeningInvalid,
    "sum_path: no such leaf": OpeningInvalid,
    "sum_path: path too short": OpeningInvalid,
    "sum_path: path too long": OpeningInvalid,
    "sum_path: too many leaves": OpeningInvalid,
    "findings: no contract": NotEntitled,
    "court_credits: nothing to take": NothingToTake,
    "court_credits: no receiver": ReceiverRefused,
    "court_credits: receiver refused": ReceiverRefused,
    "batch_book: not posted": BatchNotReleasable,
    "batch_book: too many cases": BatchNotReleasable,
}
RECEIPTS: Final[Mapping[str, type[ApogeeError]]] = {
    **_SHARED,
    "receipt_court: no contract": NotEntitled,
    "receipt_court: unknown offence": NotEntitled,
    "leaf_demands: no window": NotEntitled,
    "leaf_demands: bond out of range": NotEntitled,
    "receipt_court: another proof": NothingWrong,
    "receipt_court: nothing is wrong": NothingWrong,
    "receipt_court: another request": NothingWrong,
    "receipt_court: another provider": NothingWrong,
    "receipt_court: not signed": NothingWrong,
    "receipt_court: proven already": ProvenBefore,
    "receipt_rules: leaves out of range": OpeningInvalid,
    "receipt_rules: path too short": OpeningInvalid,
    "receipt_rules: path too long": OpeningInvalid,
    "receipt_rules: not committed to": OpeningInvalid,
    "receipt_court: not your item": NotYourCase,
    "receipt_court: not your batch": NotYourCase,
    "receipt_court: all accepted": DemandRefused,
    "receipt_court: no such leaf": DemandRefused,
    "receipt_court: bond too low": DepositTooLow,
    "receipt_court: another leaf": DemandMissing,
    "leaf_demands: none is open": DemandMissing,
    "leaf_demands: one is open": DemandOpen,
    "receipt_court: too late": CourtTooLate,
    "receipt_court: draw is known": CourtTooLate,
    "receipt_court: answer may come": CourtTooEarly,
}
AUDITS: Final[Mapping[str, type[ApogeeError]]] = {
    **_SHARED,
    "audit_court: no contract": NotEntitled,
    "audit_court: unknown offence": NotEntitled,
    "audit_life: no contract": NotEntitled,
    "audit_life: empty window": NotEntitled,
    "audit_life: pay out of range": NotEntitled,
    "track_record: window too short": NotEntitled,
    "audit_court: drawn already": AuditStateWrong,
    "audit_court: not awaited": AuditStateWrong,
    "audit_life: nothing to wait for": AuditStateWrong,
    "audit_leaves: nothing upheld": AuditStateWrong,
    "audit_leaves: not failed, or done": AuditStateWrong,
    "audit_leaves: requested already": AuditStateWrong,
    "auditor_dues: not decided": AuditStateWrong,
    "auditor_dues: paid already": AuditStateWrong,
    "auditor_dues: not released": AuditStateWrong,
    "audit_court: seed not known": CourtTooEarly,
    "audit_life: too early": CourtTooEarly,
    "audit_court: too late": CourtTooLate,
    "audit_leaves: too late": CourtTooLate,
    "audit_court: bond too low": DepositTooLow,
    "audit_leaves: deposit too low": DepositTooLow,
    "audit_court: not your batch": NotYourCase,
    "audit_leaves: not your item": NotYourCase,
    "ballots: not drawn": NotYourCase,
    "audit_leaves: another batch": OpeningInvalid,
    "audit_leaves: another leaf": OpeningInvalid,
    "audit_leaves: no such unit": OpeningInvalid,
    "audit_leaves: no such draw": BallotInvalid,
    "audit_court: no such draw": BallotInvalid,
    "ballots: another ballot": BallotInvalid,
    "ballots: sealed already": BallotCast,
    "ballots: opened already": BallotCast,
    "ballots: punished already": BallotCast,
    "auditor_dues: nobody was asked": NothingWrong,
    "auditor_dues: nothing is wrong": NothingWrong,
    "committee: another is drawn": DrawInvalid,
    "committee: candidate left over": DrawInvalid,
    "committee: candidate missing": DrawInvalid,
}
