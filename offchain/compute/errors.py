"""Why a provider refuses a request, and why a buyer refuses an answer, each with its stable code.

InvalidInput
  VoucherMalformed      compute.voucher.malformed     no voucher of this protocol
  AskMalformed          compute.ask.malformed         a signed question that is none
NotFound
  ServiceUnknown        compute.service.unknown       the chain knows no such service
  PriceUnknown          compute.price.unknown         no such price row
  ReceiptUnknown        compute.receipt.unknown       nothing was served under this id
  BatchUnknown          compute.batch.unknown         this provider posted no such batch
Conflict
  ServiceNotServing     compute.service.not_serving   paused, suspended or retired
  NonceUsed             compute.nonce.used            this nonce belongs to another request
Rejected
  ProviderRefused       compute.provider.refused      a provider said no, with its own code
  VoucherRejected       compute.voucher.rejected      signed by nobody who may, or for another
  AskRejected           compute.ask.rejected          not allowed to see this
  PaymentRefused        (402)                         the reasons below
    VoucherMissing      voucher_missing               DepositEmpty       deposit_empty
    VoucherCapLow       voucher_cap_low               BucketLow          bucket_low
    VoucherExpired      voucher_expired               PriceRetired       price_retired
    TokenNotAccepted    token_not_accepted            DelegateSpent      delegate_spent
    ProviderFull        provider_full
Unavailable
  AnswerPending         compute.answer.pending        the same request is being answered
  ProviderUnreachable   compute.provider.unreachable  the provider does not answer
Corrupt
  ProviderAnswerTooLong compute.provider.too_long     more bytes than any answer has
  UnverifiedAnswer      compute.answer.unverified     an answer that proves nothing, and why

Engines have the errors of engine_errors.py. Source: docs/protocol/compute.md#errors.
"""

from enum import StrEnum
from typing import ClassVar

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Rejected, Unavailable


class VoucherMalformed(InvalidInput):
    """The voucher's header is not base64url JSON of a voucher and its signature."""

    code = "compute.voucher.malformed"
    next_step = "Send X-Apogee-Voucher as docs/protocol/compute.md lays it out."


class AskMalformed(InvalidInput):
    """The question is not signed as it has to be."""

    code = "compute.ask.malformed"
    next_step = "Send X-Apogee-Ask as docs/protocol/compute.md lays it out."


class ServiceUnknown(NotFound):
    """The chain knows no such service."""

    code = "compute.service.unknown"
    next_step = "Take a service's id from `apogee compute list`."


class PriceUnknown(NotFound):
    """The service has no such price row."""

    code = "compute.price.unknown"
    next_step = "Read the service's prices again and sign a voucher for the newest row."


class ReceiptUnknown(NotFound):
    """Nothing was served under this id."""

    code = "compute.receipt.unknown"


class BatchUnknown(NotFound):
    """No such batch was posted by this provider."""

    code = "compute.batch.unknown"


class ServiceNotServing(Conflict):
    """The service takes no requests now."""

    code = "compute.service.not_serving"
    next_step = "Choose another service: `apogee compute list`."


class NonceUsed(Conflict):
    """The nonce belongs to another request, or to one that is settled."""

    code = "compute.nonce.used"
    next_step = "Sign the next request with a nonce above every earlier one."


class VoucherRejected(Rejected):
    """The voucher is for another provider or service, or signed by nobody who may."""

    code = "compute.voucher.rejected"
    next_step = "Sign with the payer's key, or with a delegate's that may pay this service."


class AskRejected(Rejected):
    """The key may not see what it asks for, or the question is too old."""

    code = "compute.ask.rejected"
    next_step = "Ask with the payer's key, or as a member of the audit's committee, in time."


class PaymentRefused(Rejected):
    """The request is not paid for."""

    code = "compute.payment.refused"
    reason: ClassVar[str] = "payment_refused"


class VoucherMissing(PaymentRefused):
    """There is no voucher with the request."""

    code = "compute.payment.voucher_missing"
    next_step = "Deposit, sign a voucher for this service and send it in X-Apogee-Voucher."
    reason = "voucher_missing"


class VoucherCapLow(PaymentRefused):
    """The voucher's cap is below what is owed with this request at its maximum."""

    code = "compute.payment.voucher_cap_low"
    next_step = "Sign a voucher whose cap is at least `needed`, or ask for fewer tokens."
    reason = "voucher_cap_low"


class VoucherExpired(PaymentRefused):
    """The voucher ends before it could be settled."""

    code = "compute.payment.voucher_expired"
    next_step = "Sign a voucher that lasts at least until `needed`, in chain time."
    reason = "voucher_expired"


class DepositEmpty(PaymentRefused):
    """The payer has nothing with this provider."""

    code = "compute.payment.deposit_empty"
    next_step = "Deposit at least `needed`: `apogee compute deposit`."
    reason = "deposit_empty"


class BucketLow(PaymentRefused):
    """The payer's bucket does not hold what this request may cost."""

    code = "compute.payment.bucket_low"
    next_step = "Add at least `missing` to the bucket, or ask for fewer tokens."
    reason = "bucket_low"


class PriceRetired(PaymentRefused):
    """The voucher names a price row that is not valid, or not any more."""

    code = "compute.payment.price_retired"
    next_step = "Sign a voucher for the row named as `current`."
    reason = "price_retired"


class TokenNotAccepted(PaymentRefused):
    """The voucher pays in another token than the price row."""

    code = "compute.payment.token_not_accepted"
    next_step = "Pay in the token of the price row, named as `accepted`."
    reason = "token_not_accepted"


class DelegateSpent(PaymentRefused):
    """The delegate that signed is over its cap, has ended, or may not pay this service."""

    code = "compute.payment.delegate_spent"
    next_step = "Let the payer set a delegate with a higher cap or a later end."
    reason = "delegate_spent"


class ProviderFull(PaymentRefused):
    """The provider's stake covers no more unreleased value."""

    code = "compute.payment.provider_full"
    next_step = "Choose another provider; this one must add stake or wait for releases."
    reason = "provider_full"


class AnswerPending(Unavailable):
    """The same request is being answered now."""

    code = "compute.answer.pending"
    next_step = "Repeat it when it is done; it is paid once."


class ProviderUnreachable(Unavailable):
    """The provider does not answer, or not in time."""

    code = "compute.provider.unreachable"
    next_step = "Try again with the same request, it is paid once; or choose another provider."


class ProviderRefused(Rejected):
    """The provider refuses; `remote_code` is the reason it named."""

    code = "compute.provider.refused"
    next_step = "Read the remote code: what is owed, the voucher or the deposit has to change."

    @property
    def remote_code(self) -> str:
        """The code or 402 reason as the provider named it."""
        return str(self.fields.get("remote_code", ""))


class ProviderAnswerTooLong(Corrupt):
    """The provider's answer is longer than any answer may be."""

    code = "compute.provider.too_long"
    next_step = "Choose another provider."


class Reason(StrEnum):
    """What is wrong with an answer."""

    ANSWER_MALFORMED = "answer_malformed"  # no answer of this protocol, or not in its one form
    RECEIPT_MISSING = "receipt_missing"
    SIGNATURE_WRONG = "signature_wrong"  # not by the service's signer
    BODY_MISMATCH = "body_mismatch"  # the receipt is for other request bytes
    ANSWER_MISMATCH = "answer_mismatch"  # the receipt is for another answer
    REQUEST_ID_WRONG = "request_id_wrong"  # not of this voucher and body
    NONCE_WRONG = "nonce_wrong"
    PAYER_WRONG = "payer_wrong"
    PROVIDER_WRONG = "provider_wrong"
    SERVICE_WRONG = "service_wrong"
    MODEL_WRONG = "model_wrong"  # another model than the service promised
    ROW_WRONG = "row_wrong"  # another price row than the voucher names
    ROW_NOT_PAYABLE = "row_not_payable"  # the row is not valid at the receipt's time
    PRICE_WRONG = "price_wrong"  # not the formula's
    OVER_CAP = "over_cap"  # more than the voucher allows
    TOKENS_WRONG = "tokens_wrong"  # counts contradict the request, the answer or the tokenizer
    FINISH_WRONG = "finish_wrong"
    COMMITMENT_WRONG = "commitment_wrong"  # its header does not lead to the receipt's root
    NUMERICS_WRONG = "numerics_wrong"  # committed to another way of computing than registered
    POLICY_WRONG = "policy_wrong"  # says of audits what the request did not say
    CLOCK_OFF = "clock_off"  # the receipt's time is too far from now
    LEVEL_TOO_LOW = "level_too_low"  # less verifiable than asked for
    LEVEL_WRONG = "level_wrong"  # the answer claims another level than the chain
    SIMULATED = "simulated"  # evidence of a simulated TEE, where it does not count
    ATTESTATION_DEAD = "attestation_dead"  # no such evidence is live
    NOT_SEALED = "not_sealed"  # plain text where the answer has to be sealed
    SEAL_BROKEN = "seal_broken"  # a chunk was changed, moved, or sealed to another key
    SEAL_CUT = "seal_cut"  # the last chunk is missing
    VOUCHER_WRONG = "voucher_wrong"  # our own voucher is not for this service


class UnverifiedAnswer(Corrupt):
    """The answer proves nothing; do not use it, and do not pay for it."""

    code = "compute.answer.unverified"
    next_step = "Ask another provider; keep the bytes, they may open a case against this one."

    def __init__(self, reason: Reason, **fields: object) -> None:
        self.reason = reason
        super().__init__("", reason=str(reason), **fields)
