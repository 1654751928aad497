"""Why relaying stops: subjects that do not answer, and verdicts that a relayer may not give.

NotFound     EvidenceUnknown      attestation.evidence.unknown     nobody here keeps these bytes
             OfferUnknown         attestation.offer.unknown        no such offer here
Conflict     VerdictGiven         attestation.verdict.given        another verdict over it was given
Rejected     AskRefused           attestation.ask.refused          asked by nobody who may
             SubjectRefused       attestation.subject.refused      a subject said no
Unavailable  SubjectUnreachable   attestation.subject.unreachable  it does not answer, or too late
Corrupt      SubjectInvalid       attestation.subject.invalid      it answers nonsense
"""

from offchain.attestation.reasons import EvidenceRefused, Reason, Refusal
from offchain.core.errors import Conflict, Corrupt, NotFound, Rejected, Unavailable


class EvidenceUnknown(NotFound):
    """Nobody here keeps the bytes of this evidence."""

    code = "attestation.evidence.unknown"
    next_step = "Ask the service itself, or demand the bytes on chain."


class OfferUnknown(NotFound):
    """No evidence of this name waits to be judged here."""

    code = "attestation.offer.unknown"
    next_step = "Read GET /v1/attestation/offers again: evidence is made anew in every epoch."


class VerdictGiven(Conflict):
    """A relayer has given another verdict over the same evidence."""

    code = "attestation.verdict.given"
    next_step = "Make a new quote: one piece of evidence has one verdict."


class AskRefused(Rejected):
    """Only relayers that were drawn may ask this."""

    code = "attestation.ask.refused"
    next_step = "Stake in RELAYER and wait until the beacon draws you; check the machine's clock."


class SubjectRefused(Rejected):
    """A service refuses what a relayer asks."""

    code = "attestation.subject.refused"
    next_step = "Read the service's own code in the message."


class SubjectUnreachable(Unavailable):
    """A service does not answer relayers, or not in time."""

    code = "attestation.subject.unreachable"
    next_step = "Its owner starts it again; nothing is judged before."


class SubjectInvalid(Corrupt):
    """A service answers something that is no evidence."""

    code = "attestation.subject.invalid"
    next_step = "Its owner runs another version, or lies; nothing is judged."


def refused(reason: Reason, detail: str) -> EvidenceRefused:
    """A refusal of relaying, in the words of all refusals."""
    return EvidenceRefused([Refusal(reason, detail)])
