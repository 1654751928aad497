"""What sealed requests and answers can meet, each with its stable code.

InvalidInput
  SealedRequestBroken  compute.private.request_broken  opens to nothing that was asked for
Conflict
  PrivateNotOffered    compute.private.not_offered     the service opens no sealed requests
  SealKeyUnknown       compute.private.key_unknown     sealed to a key that is not used here
  SealedAgain          compute.private.again           came before, under another voucher
Unavailable
  SealedTooMany        compute.private.too_many        more of them than are remembered
Rejected
  SealBroken           compute.private.seal_broken     not sealed to this key for this place
Corrupt
  SealKeyUntrusted     compute.private.key_untrusted   no live verdict is about this key

None says anything of what was sealed. Source: docs/protocol/attestation.md#private-inference.
"""

from enum import StrEnum

from offchain.core.errors import Conflict, Corrupt, InvalidInput, Rejected, Unavailable


class SealedRequestBroken(InvalidInput):
    """The sealed request does not open, or not to what its body says beside it."""

    code = "compute.private.request_broken"
    next_step = "Seal the request anew, to the key of the service's live verdict."


class PrivateNotOffered(Conflict):
    """The service opens no sealed requests."""

    code = "compute.private.not_offered"
    next_step = "Choose a service with an encryption key: `apogee compute list`."


class SealKeyUnknown(Conflict):
    """The request is sealed to a key that this provider does not use, or not any more."""

    code = "compute.private.key_unknown"
    next_step = "Read the service's verdict again and seal to the key that it names now."


class SealedAgain(Conflict):
    """The same sealed bytes came before, under another voucher."""

    code = "compute.private.again"
    next_step = "Seal the request anew; a sealed request is answered once."


class SealedTooMany(Unavailable):
    """More sealed requests came in a few minutes than can be remembered."""

    code = "compute.private.too_many"
    next_step = "Try again in some minutes."


class SealBroken(Rejected):
    """These bytes were not sealed to this key for this place."""

    code = "compute.private.seal_broken"


class KeyDoubt(StrEnum):
    """Why a key is not sealed to."""

    NO_VERDICT = "no_verdict"  # nothing live vouches for the service's signer
    OTHER_KEY = "other_key"  # the verdict is about another key than the one offered
    OTHER_VERDICT = "other_verdict"  # the verdict that was shown is not the one that is live
    OTHER_SERVICE = "other_service"  # the verdict is about another service
    CLASS_TOO_LOW = "class_too_low"  # others than what was measured see the request
    SIMULATED = "simulated"  # evidence of a simulated TEE, where it does not count
    MALFORMED = "malformed"  # what was offered is no key


class SealKeyUntrusted(Corrupt):
    """No live verdict vouches for the key that was offered; nothing was sent."""

    code = "compute.private.key_untrusted"
    next_step = "Ask for the key again, elsewhere; whoever offered this one may want to read along."

    def __init__(self, doubt: KeyDoubt, **fields: object) -> None:
        self.doubt = doubt
        super().__init__("", reason=str(doubt), **fields)
