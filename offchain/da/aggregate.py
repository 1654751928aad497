"""Signatures become a certificate: each one verified against its node's key, then summed; pure.

A signature that does not verify is refused on its own and never spoils the sum. The absent list
names signers by their place in the quorum's table, increasing, as the contract reads it.
Source: docs/protocol/da.md#certificate.
"""

from collections.abc import Mapping

from offchain.core.bls import InvalidPoint, Signature, aggregate_signatures, verify
from offchain.da.duties import Duties, Duty
from offchain.da.model import Certificate
from offchain.da.refusals import AnswerInvalid, NotEnoughSignatures


def parse_signature(duty: Duty, digest: bytes, raw: bytes) -> Signature:
    """The node's signature over `digest`. Raises: AnswerInvalid when it is anybody else's."""
    try:
        signature = Signature.parse(raw)
    except InvalidPoint as error:
        raise AnswerInvalid(operator=duty.operator, reason=str(error)) from error
    if not verify(duty.key, digest, signature):
        raise AnswerInvalid(operator=duty.operator, reason="signature of something else")
    return signature


def certificate_of(duties: Duties, signatures: Mapping[int, Signature]) -> Certificate:
    """The certificate from verified signatures by operator id. Raises: NotEnoughSignatures."""
    signed = duties.slices(set(signatures))
    if signed < duties.confirm_slices:
        raise NotEnoughSignatures(slices=signed, needed=duties.confirm_slices)
    absent = tuple(
        duty.absent()
        for duty in sorted(duties.members, key=lambda duty: duty.index)
        if duty.operator not in signatures
    )
    present = [signatures[duty.operator] for duty in duties.members if duty.operator in signatures]
    return Certificate(absent, aggregate_signatures(present))
