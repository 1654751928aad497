"""What ServiceRegistry's and ComputeEscrow's refusals mean: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/compute.md#registry, docs/protocol/compute.md#escrow.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, NotFound, Rejected, Unavailable


class NotTheProvider(Rejected):
    """Only the owner or signer of the service's operator may do this."""

    code = "compute.registry.not_provider"
    next_step = "Register an operator, and call with its owner's or signer's key."


class NotEntitled(Rejected):
    """Only one account or contract may do this."""

    code = "compute.refused"


class ServiceTermsInvalid(Rejected):
    """The registry takes no such service."""

    code = "compute.service.invalid"
    next_step = "Use a kind and numerics of docs/protocol/compute.md, a model hash and limits."


class ServiceKnown(Conflict):
    """A service of this provider, kind and salt is registered already."""

    code = "compute.service.known"
    next_step = "Choose another salt."


class ServiceStateWrong(Conflict):
    """The service is not in the state that this call needs."""

    code = "compute.service.wrong_state"
    next_step = "Read the service's state and go on from it."


class StakeMissing(Conflict):
    """The operator is no member of COMPUTE, or its stake does not cover what it holds."""

    code = "compute.service.stake_missing"
    next_step = "Join the service COMPUTE, or deposit more stake."


class PriceWaiting(Conflict):
    """An announced row is not valid yet."""

    code = "compute.price.waiting"
    next_step = "Wait until it is valid, then announce the next."


class SignerUnchanged(Conflict):
    """There is no signer, or the same one as before."""

    code = "compute.signer.unchanged"


class TokenUnlisted(Rejected):
    """The token is not taken."""

    code = "compute.token.unlisted"
    next_step = "Use the native coin or a token that governance has listed."


class TokenRefused(Unavailable):
    """The token moved nothing."""

    code = "compute.token.refused"
    next_step = "Approve the escrow for the amount, or ask the token why it refuses."


class PaymentWrong(Rejected):
    """What was sent is not what the call says."""

    code = "compute.deposit.wrong"


class FundsTooLow(Conflict):
    """There is not as much money there."""

    code = "compute.funds.too_low"
    next_step = "Read free_of and the bucket, and ask for no more than they hold."


class ReceiverRefused(Unavailable):
    """The account that was to receive the money refuses it."""

    code = "compute.withdraw.refused"
    next_step = "Withdraw to another account."


class ExitLocked(Conflict):
    """No exit runs in this bucket, or its time has not come."""

    code = "compute.exit.locked"
    next_step = "Request the exit, wait until exit_at, or have the provider sign a release."


class SignatureRejected(Rejected):
    """The release is not signed by the provider."""

    code = "compute.release.not_signed"


class DelegateInvalid(Rejected):
    """A key cannot be set, used or ended so."""

    code = "compute.delegate.invalid"
    next_step = "Read the delegation: while a key lives, its cap and expiry only grow."


class EscrowBatchUnknown(NotFound):
    """There is no such batch."""

    code = "compute.batch.none"


class BatchNotReleasable(Conflict):
    """The batch is released already, too young, under audit or before a court."""

    code = "compute.batch.not_releasable"
    next_step = "Read the batch: release_at, open_cases, state; and whether its audits are done."


REGISTRY: Final[Mapping[str, type[ApogeeError]]] = {
    "registry: no contract": NotEntitled,
    "registry: wired already": NotEntitled,
    "registry: not a court": NotEntitled,
    "governed: not governance": NotEntitled,
    "registry: not an operator": NotTheProvider,
    "registry: not the provider": NotTheProvider,
    "registry: no such service": ServiceTermsInvalid,
    "service_book: wrong kind": ServiceTermsInvalid,
    "service_book: wrong numerics": ServiceTermsInvalid,
    "service_book: no model": ServiceTermsInvalid,
    "service_book: unknown charter": ServiceTermsInvalid,
    "service_book: no limits": ServiceTermsInvalid,
    "service_book: no endpoint": ServiceTermsInvalid,
    "service_book: known": ServiceKnown,
    "registry: not a draft": ServiceStateWrong,
    "registry: no price": ServiceStateWrong,
    "registry: not active": ServiceStateWrong,
    "registry: not paused": ServiceStateWrong,
    "registry: retired": ServiceStateWrong,
    "registry: open case": ServiceStateWrong,
    "registry: no stake": StakeMissing,
    "registry: stake too low": StakeMissing,
    "price_rows: one is waiting": PriceWaiting,
    "price_rows: no window": NotEntitled,
    "receipt_signers: no signer": SignerUnchanged,
    "receipt_signers: same": SignerUnchanged,
}
ESCROW: Final[Mapping[str, type[ApogeeError]]] = {
    "escrow: no contract": NotEntitled,
    "stake_room: no contract": NotEntitled,
    "escrow: wired already": NotEntitled,
    "escrow: not wired": NotEntitled,
    "escrow: not a court": NotEntitled,
    "governed: not governance": NotEntitled,
    "batch_book: no dispute window": NotEntitled,
    "buckets: no lock": NotEntitled,
    "delegates: no grace": NotEntitled,
    "token_list: no token": NotEntitled,
    "token_list: rate too high": NotEntitled,
    "token_list: too many": NotEntitled,
    "escrow: no such service": NotTheProvider,
    "escrow: not the provider": NotTheProvider,
    "token_list: not listed": TokenUnlisted,
    "escrow: token not listed": TokenUnlisted,
    "free_money: token refused": TokenRefused,
    "free_money: wrong value": PaymentWrong,
    "escrow: no payer": PaymentWrong,
    "escrow: no provider": PaymentWrong,
    "escrow: nothing arrived": PaymentWrong,
    "buckets: too much": PaymentWrong,
    "free_money: not that much": FundsTooLow,
    "buckets: not that much": FundsTooLow,
    "free_money: no receiver": ReceiverRefused,
    "free_money: receiver refused": ReceiverRefused,
    "buckets: no exit": ExitLocked,
    "buckets: locked": ExitLocked,
    "escrow: not signed": SignatureRejected,
    "delegates: no key": DelegateInvalid,
    "delegates: expired": DelegateInvalid,
    "delegates: cap is spent": DelegateInvalid,
    "delegates: other token": DelegateInvalid,
    "delegates: still live": DelegateInvalid,
    "delegates: not live": DelegateInvalid,
    "delegates: revoked already": DelegateInvalid,
    "delegates: out of scope": DelegateInvalid,
    "delegates: epoch ended": DelegateInvalid,
    "delegates: over the cap": DelegateInvalid,
    "batch_book: no such batch": EscrowBatchUnknown,
    "batch_book: not posted": BatchNotReleasable,
    "batch_book: too early": BatchNotReleasable,
    "batch_book: open case": BatchNotReleasable,
    "batch_book: no open case": BatchNotReleasable,
    "escrow: audits run": BatchNotReleasable,
}
