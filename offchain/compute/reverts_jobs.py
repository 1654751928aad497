"""What JobMarket's refusals mean: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/compute.md#jobs.
"""

from collections.abc import Mapping
from typing import Final

from offchain.compute.reverts_compute import (
    FundsTooLow,
    NotEntitled,
    PaymentWrong,
    ReceiverRefused,
    TokenRefused,
)
from offchain.compute.reverts_courts import (
    BallotCast,
    BallotInvalid,
    CourtTooEarly,
    CourtTooLate,
    DepositTooLow,
    DrawInvalid,
    NothingWrong,
    NotYourCase,
)
from offchain.core.errors import ApogeeError, Conflict, NotFound, Rejected


class JobTermsInvalid(Rejected):
    """The market takes no such job."""

    code = "compute.job.terms_invalid"
    next_step = "Compare the terms with docs/protocol/compute.md#jobs."


class JobUnknown(NotFound):
    """No job of this number."""

    code = "compute.job.unknown"
    next_step = "List them: apogee jobs list"


class JobStateWrong(Conflict):
    """The job is not in the state that this call needs."""

    code = "compute.job.wrong_state"
    next_step = "Read the job's state and go on from it: apogee jobs list"


class JobTooEarly(Conflict):
    """Somebody may still act."""

    code = "compute.job.too_early"
    next_step = "Wait until the time that `apogee jobs list` shows."


class JobTooLate(Conflict):
    """The time for this is over."""

    code = "compute.job.too_late"


class NotYourJob(Rejected):
    """The caller is not the buyer or the provider of this job."""

    code = "compute.job.not_yours"


class ServiceUnfit(Rejected):
    """The service is another's, does not serve, or is of another kind, model or level."""

    code = "compute.job.service_unfit"
    next_step = "Bid with an ACTIVE service of your own, of the job's kind, model and level."


class BidInvalid(Rejected):
    """Nothing is sealed, or what is opened is not it, or its price is out of range."""

    code = "compute.job.bid_invalid"


class BidKnown(Conflict):
    """The operator has bid for this job."""

    code = "compute.job.bid_known"


JOBS: Final[Mapping[str, type[ApogeeError]]] = {
    "job_market: no contract": NotEntitled,
    "job_market: empty window": NotEntitled,
    "job_market: unknown offence": NotEntitled,
    "job_jury: no contract": NotEntitled,
    "job_jury: empty window": NotEntitled,
    "job_jury: pay out of range": NotEntitled,
    "findings: no contract": NotEntitled,
    "free_money: wrong value": PaymentWrong,
    "free_money: token refused": TokenRefused,
    "free_money: not that much": FundsTooLow,
    "free_money: no receiver": ReceiverRefused,
    "free_money: receiver refused": ReceiverRefused,
    "job_terms: unknown kind": JobTermsInvalid,
    "job_terms: unknown level": JobTermsInvalid,
    "job_terms: no specification": JobTermsInvalid,
    "job_terms: bond out of range": JobTermsInvalid,
    "job_terms: window out of range": JobTermsInvalid,
    "job_terms: empty share": JobTermsInvalid,
    "job_terms: times do not rise": JobTermsInvalid,
    "job_terms: shares are not a whole": JobTermsInvalid,
    "job_market: budget out of range": PaymentWrong,
    "job_market: bond too low": DepositTooLow,
    "job_bids: bond too low": DepositTooLow,
    "job_book: no such job": JobUnknown,
    "job_book: another state": JobStateWrong,
    "job_market: bids may open": JobTooEarly,
    "job_market: bids are sealed": JobTooEarly,
    "job_market: under review": JobTooEarly,
    "job_market: not overdue": JobTooEarly,
    "job_market: too late": JobTooLate,
    "job_market: not your job": NotYourJob,
    "job_market: no result": BidInvalid,
    "job_market: not your service": ServiceUnfit,
    "job_market: not serving": ServiceUnfit,
    "job_market: other work": ServiceUnfit,
    "job_market: level too low": ServiceUnfit,
    "job_bids: no commitment": BidInvalid,
    "job_bids: nothing sealed": BidInvalid,
    "job_bids: another bid": BidInvalid,
    "job_bids: price out of range": BidInvalid,
    "job_bids: bid already": BidKnown,
    "job_jury: not to be drawn": CourtTooLate,
    "job_jury: seed not known": CourtTooEarly,
    "job_jury: too early": CourtTooEarly,
    "job_jury: not decided": CourtTooEarly,
    "job_jury: nothing to wait for": CourtTooLate,
    "job_jury: not awaited": CourtTooLate,
    "job_jury: too late": CourtTooLate,
    "job_jury: nobody was asked": NothingWrong,
    "job_jury: nothing is wrong": NothingWrong,
    "ballots: not drawn": NotYourCase,
    "ballots: another ballot": BallotInvalid,
    "ballots: sealed already": BallotCast,
    "ballots: opened already": BallotCast,
    "ballots: punished already": BallotCast,
    "committee: another is drawn": DrawInvalid,
    "committee: candidate left over": DrawInvalid,
    "committee: candidate missing": DrawInvalid,
}
