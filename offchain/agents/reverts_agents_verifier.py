"""What the refusals of KeyDeliveryVerifier and DeliveryFraudProofs mean.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/agents.md#bundles-and-delivery.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import (
    ApogeeError,
    Conflict,
    InvalidInput,
    NotFound,
    Rejected,
)


class VerifierNotEntitled(Rejected):
    """The call belongs to somebody else, or the contract was set up wrongly."""

    code = "agents.verifier.not_entitled"


class OracleNotAttested(Rejected):
    """No live verdict says that this key is an oracle of the caller's operator."""

    code = "agents.oracle.not_attested"
    next_step = "Have the enclave attested under the service id of the operator's oracle."


class OracleNotStaked(Rejected):
    """The operator has nothing at stake as a relayer in this epoch."""

    code = "agents.oracle.not_staked"
    next_step = "Join the RELAYER service and wait for the next epoch."


class OracleUnknown(NotFound):
    """The key is not enrolled."""

    code = "agents.oracle.not_enrolled"


class OracleStands(Conflict):
    """The oracle's verdict and its operator's stake stand."""

    code = "agents.oracle.stands"


class DeliveryRefused(InvalidInput):
    """The proof is not in the form that oracles give it."""

    code = "agents.delivery.refused"


class DeliveryNotSigned(Rejected):
    """Too few oracles signed this very delivery, or others than oracles did."""

    code = "agents.delivery.not_signed"
    next_step = "Ask the oracles again: each must stand, and all must have signed the same bytes."


class DeliveryExpired(Conflict):
    """The deadline has passed, or lies more than a day ahead."""

    code = "agents.delivery.expired"
    next_step = "Order the delivery again with a deadline within a day."


class DeliverySpent(Conflict):
    """The nonce has counted once."""

    code = "agents.delivery.spent"
    next_step = "Order the delivery again with another nonce."


class AccessMissing(Rejected):
    """The receiver did not sign for this delivery, and storage does not answer for the file."""

    code = "agents.delivery.access_missing"


class FalseDeliveryKnown(Conflict):
    """The delivery was proven false, or the commitment is known."""

    code = "agents.false_delivery.known"


class FalseDeliveryUnknown(NotFound):
    """Nothing was proven of this delivery, or nobody is left to punish for it."""

    code = "agents.false_delivery.unknown"


class DeliveryOpeningWrong(Rejected):
    """What is shown is not what the delivery was about."""

    code = "agents.false_delivery.opening_wrong"


class DeliverySound(Rejected):
    """What is shown is what the delivery says."""

    code = "agents.false_delivery.sound"


VERIFIER: Final[Mapping[str, type[ApogeeError]]] = {
    "oracle_book: no contract": VerifierNotEntitled,
    "false_deliveries: no contract": VerifierNotEntitled,
    "access_rules: no contract": VerifierNotEntitled,
    "false_deliveries: not the proofs": VerifierNotEntitled,
    "false_deliveries: unknown offence": VerifierNotEntitled,
    "oracle_book: not an operator": VerifierNotEntitled,
    "oracle_book: another operator's": VerifierNotEntitled,
    "oracle_book: not attested": OracleNotAttested,
    "oracle_book: no stake": OracleNotStaked,
    "oracle_book: not enrolled": OracleUnknown,
    "oracle_book: stands": OracleStands,
    "key_delivery: no such operation": DeliveryRefused,
    "key_delivery: no threshold": DeliveryRefused,
    "key_delivery: no TEE proof": DeliveryRefused,
    "key_delivery: no sealed key": DeliveryRefused,
    "key_delivery: nothing new": DeliveryRefused,
    "key_delivery: odd signatures": DeliveryRefused,
    "delivery_words: no signature": DeliveryRefused,
    "key_delivery: below quorum": DeliveryNotSigned,
    "key_delivery: not an oracle": DeliveryNotSigned,
    "key_delivery: not in order": DeliveryNotSigned,
    "key_delivery: one operator twice": DeliveryNotSigned,
    "key_delivery: nonce is spent": DeliverySpent,
    "access_rules: expired": DeliveryExpired,
    "access_rules: too far ahead": DeliveryExpired,
    "access_rules: another key": AccessMissing,
    "access_rules: nobody signed": AccessMissing,
    "access_rules: file is not kept": AccessMissing,
    "access_rules: another delivery": AccessMissing,
    "access_rules: no signature": AccessMissing,
    "access_rules: not the receiver": AccessMissing,
    "false_deliveries: committed already": FalseDeliveryKnown,
    "false_deliveries: proven already": FalseDeliveryKnown,
    "false_deliveries: not proven": FalseDeliveryUnknown,
    "false_deliveries: nobody to punish": FalseDeliveryUnknown,
}
FRAUD_PROOFS: Final[Mapping[str, type[ApogeeError]]] = {
    "false_deliveries: not the proofs": VerifierNotEntitled,
    "false_deliveries: proven already": FalseDeliveryKnown,
    "bundle_form: other content": DeliveryOpeningWrong,
    "bundle_form: no such leaf": DeliveryOpeningWrong,
    "bundle_form: wrong path": DeliveryOpeningWrong,
    "sealed_keys: another seal": DeliveryOpeningWrong,
    "sealed_keys: another key": DeliveryOpeningWrong,
    "sealed_keys: not its secret": DeliveryOpeningWrong,
    "sealed_keys: not the shared point": DeliveryOpeningWrong,
    "stored_bytes: other file": DeliveryOpeningWrong,
    "stored_bytes: piece missing": DeliveryOpeningWrong,
    "stored_bytes: another place": DeliveryOpeningWrong,
    "segment_path: wrong length": DeliveryOpeningWrong,
    "segment_path: no such segment": DeliveryOpeningWrong,
    "segment_path: not in the file": DeliveryOpeningWrong,
    "row_path: wrong length": DeliveryOpeningWrong,
    "row_path: no such place": DeliveryOpeningWrong,
    "row_path: not under the root": DeliveryOpeningWrong,
    "fraud_proofs: prove the key": DeliveryOpeningWrong,
    "fraud_proofs: key is right": DeliverySound,
    "fraud_proofs: chunk key is right": DeliverySound,
    "fraud_proofs: content is right": DeliverySound,
    "fraud_proofs: length is right": DeliverySound,
    "fraud_proofs: header is right": DeliverySound,
    "fraud_proofs: list is right": DeliverySound,
}
