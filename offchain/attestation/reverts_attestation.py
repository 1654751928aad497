"""What the refusals of the attestation contracts mean: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/attestation.md#registry, docs/protocol/attestation.md#fraud-proofs.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import (
    ApogeeError,
    Conflict,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
)


class AttestationNotEntitled(Rejected):
    """The call belongs to a role that the caller has not, or was made once already."""

    code = "attestation.not_entitled"


class CommitteeMisshown(Rejected):
    """The candidates are not those on whom the attempts fall."""

    code = "attestation.committee.misshown"
    next_step = "Build them from the RELAYER tree of that epoch and its beacon value."


class CommitteeKnown(Conflict):
    """The committee of this epoch is drawn."""

    code = "attestation.committee.known"


class CommitteeTooSmall(Unavailable):
    """Fewer relayers are staked than a verdict needs."""

    code = "attestation.committee.too_small"
    next_step = "Wait for an epoch for which three relayers have joined."


class EpochOver(Conflict):
    """Neither this epoch nor the last one."""

    code = "attestation.epoch_over"
    next_step = "Make a new quote with the nonce of this epoch."


class QuorumNotReached(Rejected):
    """Fewer seats signed than must, or one is missing, left over or signed by another key."""

    code = "attestation.quorum_not_reached"


class RelayerNotEligible(Rejected):
    """A seat is not drawn, lost its key, or its operator was no member at the draw."""

    code = "attestation.relayer_not_eligible"


class VerdictTimeInvalid(Rejected):
    """The verdict ended, lives too long, or outlives what it rests on."""

    code = "attestation.verdict.time_invalid"


class VerdictRefused(Rejected):
    """A field of the verdict contradicts another, or what the registry takes."""

    code = "attestation.verdict.refused"


class SimulatedRefused(Rejected):
    """Evidence under another root than Intel's is not taken on this chain."""

    code = "attestation.simulated_refused"


class EvidenceUsed(Conflict):
    """A verdict on this evidence is registered already."""

    code = "attestation.evidence_used"
    next_step = "Make a new quote."


class MeasurementNotListed(Rejected):
    """The code is not on the list, or its entry does not allow what the verdict says."""

    code = "attestation.measurement.not_listed"


class MeasurementInvalid(InvalidInput):
    """An entry of the list cannot be like this."""

    code = "attestation.measurement.invalid"


class VerdictUnknown(NotFound):
    """No such verdict is registered."""

    code = "attestation.verdict.unknown"


class VerdictEnded(Conflict):
    """The verdict is void or revoked already."""

    code = "attestation.verdict.ended"


class NoticeKnown(Conflict):
    """The notice says nothing new, or another one waits."""

    code = "attestation.notice.known"


class VerdictSound(Rejected):
    """What is shown contradicts nothing."""

    code = "attestation.fraud.verdict_sound"


class OpeningWrong(Rejected):
    """The bytes are not those that the verdict, or the quote, is about."""

    code = "attestation.fraud.opening_wrong"


class ProofAnnounced(Conflict):
    """The commitment is known."""

    code = "attestation.fraud.announced"


class EvidenceDemandMissing(NotFound):
    """No such demand is open."""

    code = "attestation.demand.missing"


class EvidenceDemandRefused(Rejected):
    """Nothing of the kind is owed: it was shown, one is open, or the time for asking is over."""

    code = "attestation.demand.refused"


class EvidenceDemandTime(Conflict):
    """Too late for an answer, or too early to close."""

    code = "attestation.demand.time"


class EvidenceBondTooLow(Rejected):
    """The value does not cover the bond."""

    code = "attestation.demand.bond_too_low"
    next_step = "Read `bond` at the newest block and send a little more: the rest is credited."


class CreditUnpaid(Unavailable):
    """Nothing is credited to the caller, or the receiver refuses it."""

    code = "attestation.credit_unpaid"


REGISTRY: Final[Mapping[str, type[ApogeeError]]] = {
    "attestation: no contract": AttestationNotEntitled,
    "attestation: no life": AttestationNotEntitled,
    "attestation: wired already": AttestationNotEntitled,
    "attestation: not a court": AttestationNotEntitled,
    "committees: no contract": AttestationNotEntitled,
    "notices: no grace": AttestationNotEntitled,
    "governed: no governance": AttestationNotEntitled,
    "governed: not governance": AttestationNotEntitled,
    "governed: not the candidate": AttestationNotEntitled,
    "measurements: not the guardian": AttestationNotEntitled,
    "committees: another is drawn": CommitteeMisshown,
    "committees: candidate missing": CommitteeMisshown,
    "committees: drawn already": CommitteeKnown,
    "committees: too few relayers": CommitteeTooSmall,
    "committees: not a recent epoch": EpochOver,
    "attestation: stale nonce": EpochOver,
    "committees: no such seat": QuorumNotReached,
    "committees: signature missing": QuorumNotReached,
    "committees: wrong signature": QuorumNotReached,
    "committees: quorum not reached": QuorumNotReached,
    "committees: signature left over": QuorumNotReached,
    "committees: not eligible": RelayerNotEligible,
    "attestation: expired": VerdictTimeInvalid,
    "attestation: lives too long": VerdictTimeInvalid,
    "measurements: ends before": VerdictTimeInvalid,
    "attestation: not TDX": VerdictRefused,
    "attestation: no signer": VerdictRefused,
    "attestation: report data": VerdictRefused,
    "attestation: old platform": VerdictRefused,
    "attestation: revoked collateral": VerdictRefused,
    "attestation: simulated": SimulatedRefused,
    "verdict_book: evidence is used": EvidenceUsed,
    "measurements: not listed": MeasurementNotListed,
    "measurements: status refused": MeasurementNotListed,
    "measurements: no gpu evidence": MeasurementNotListed,
    "measurements: not 192 bytes": MeasurementInvalid,
    "measurements: no such class": MeasurementInvalid,
    "measurements: status too low": MeasurementInvalid,
    "measurements: debug": MeasurementInvalid,
    "measurements: ends too soon or late": MeasurementInvalid,
    "measurements: listed already": MeasurementInvalid,
    "verdict_book: no such verdict": VerdictUnknown,
    "verdict_book: not your newest": VerdictUnknown,
    "verdict_book: ended already": VerdictEnded,
    "verdict_book: void already": VerdictEnded,
    "notices: revoked already": NoticeKnown,
    "notices: another one waits": NoticeKnown,
    "notices: not higher": NoticeKnown,
}
_OPENED: Final[Mapping[str, type[ApogeeError]]] = {
    "opened_verdicts: no contract": AttestationNotEntitled,
    "relayer_findings: no contract": AttestationNotEntitled,
    "opened_verdicts: no such verdict": VerdictUnknown,
    "opened_verdicts: void already": VerdictEnded,
    "opened_verdicts: another quote": OpeningWrong,
    "quote_chain: another leaf": OpeningWrong,
    "relayer_findings: nothing to punish": VerdictUnknown,
    "quote_chain: another ca": OpeningWrong,
    "quote_chain: another root": OpeningWrong,
}
FRAUD_PROOFS: Final[Mapping[str, type[ApogeeError]]] = {
    **_OPENED,
    "fraud_proofs: unknown offence": AttestationNotEntitled,
    "fraud_proofs: committed already": ProofAnnounced,
    "fraud_proofs: verdict is sound": VerdictSound,
    "fraud_proofs: prove the body": OpeningWrong,
    "fraud_proofs: one verdict": VerdictSound,
    "fraud_proofs: other evidence": VerdictSound,
    "fraud_proofs: another epoch": OpeningWrong,
    "fraud_proofs: no signature": OpeningWrong,
    "fraud_proofs: two signers": VerdictSound,
    "fraud_proofs: not an operator": RelayerNotEligible,
    "verdict_hash: not 17 words": OpeningWrong,
}
DEMANDS: Final[Mapping[str, type[ApogeeError]]] = {
    **_OPENED,
    "demands: unknown offence": AttestationNotEntitled,
    "verdict_demands: no window": AttestationNotEntitled,
    "verdict_demands: bond out of range": AttestationNotEntitled,
    "demands: no TDX quote": OpeningWrong,
    "demands: not certified": OpeningWrong,
    "demands: no such kind": EvidenceDemandRefused,
    "demands: too late": EvidenceDemandRefused,
    "verdict_demands: shown already": EvidenceDemandRefused,
    "verdict_demands: one is open": EvidenceDemandRefused,
    "demands: bond too low": EvidenceBondTooLow,
    "demands: too early": EvidenceDemandTime,
    "verdict_demands: too late": EvidenceDemandTime,
    "verdict_demands: none is open": EvidenceDemandMissing,
    "credits: nothing to take": CreditUnpaid,
    "credits: no receiver": CreditUnpaid,
    "credits: receiver refused": CreditUnpaid,
}
