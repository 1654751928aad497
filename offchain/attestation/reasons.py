"""Why evidence is refused: one word a cause, and the error that carries every cause found.

Source: docs/protocol/attestation.md#reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from offchain.core.errors import Rejected


class Reason(StrEnum):
    """The stable words; a page and the command line explain each."""

    # --- form of the quote
    QUOTE_TRUNCATED = "QuoteTruncated"
    QUOTE_NOT_CANONICAL = "QuoteNotCanonical"
    VERSION_UNSUPPORTED = "VersionUnsupported"
    BODY_TYPE_MISMATCH = "BodyTypeMismatch"
    TEE_TYPE_UNSUPPORTED = "TeeTypeUnsupported"
    KEY_TYPE_UNSUPPORTED = "KeyTypeUnsupported"
    QE_VENDOR_UNKNOWN = "QeVendorUnknown"
    CERT_TYPE_UNSUPPORTED = "CertTypeUnsupported"
    # --- signatures and certificates
    QUOTE_SIGNATURE_INVALID = "QuoteSignatureInvalid"
    QE_BINDING_INVALID = "QeBindingInvalid"
    QE_SIGNATURE_INVALID = "QeSignatureInvalid"
    ROOT_UNTRUSTED = "RootUntrusted"
    CHAIN_UNTRUSTED = "ChainUntrusted"
    CA_USED_AS_LEAF = "CaUsedAsLeaf"
    CERT_EXPIRED = "CertExpired"
    CERT_REVOKED = "CertRevoked"
    CRL_EXPIRED = "CrlExpired"
    CRL_MALFORMED = "CrlMalformed"
    REVOCATION_UNKNOWN = "RevocationUnknown"
    PCK_EXTENSION_MISSING = "PckExtensionMissing"
    # --- collateral
    TCB_INFO_SIGNATURE_INVALID = "TcbInfoSignatureInvalid"
    QE_IDENTITY_SIGNATURE_INVALID = "QeIdentitySignatureInvalid"
    COLLATERAL_MALFORMED = "CollateralMalformed"
    COLLATERAL_EXPIRED = "CollateralExpired"
    COLLATERAL_NOT_YET_VALID = "CollateralNotYetValid"
    COLLATERAL_TOO_OLD = "CollateralTooOld"
    TCB_INFO_KIND_MISMATCH = "TcbInfoKindMismatch"
    FMSPC_MISMATCH = "FmspcMismatch"
    PCE_ID_MISMATCH = "PceIdMismatch"
    EVALUATION_NUMBER_TOO_LOW = "EvaluationNumberTooLow"
    EVALUATION_NUMBER_MISMATCH = "EvaluationNumberMismatch"
    # --- platform and quoting enclave
    TCB_LEVEL_NOT_FOUND = "TcbLevelNotFound"
    TCB_STATUS_REFUSED = "TcbStatusRefused"
    TCB_REVOKED = "TcbRevoked"
    ADVISORY_REFUSED = "AdvisoryRefused"
    TDX_MODULE_UNKNOWN = "TdxModuleUnknown"
    TDX_MODULE_SIGNER_MISMATCH = "TdxModuleSignerMismatch"
    TDX_MODULE_TOO_OLD = "TdxModuleTooOld"
    QE_IDENTITY_KIND_MISMATCH = "QeIdentityKindMismatch"
    QE_IDENTITY_MISMATCH = "QeIdentityMismatch"
    QE_TOO_OLD = "QeTooOld"
    QE_DEBUG = "QeDebug"
    QE_STATUS_REFUSED = "QeStatusRefused"
    # --- attributes of the trust domain
    DEBUG_ENABLED = "DebugEnabled"
    SEPT_VE_NOT_DISABLED = "SeptVeNotDisabled"
    RESERVED_ATTRIBUTE_BITS = "ReservedAttributeBits"
    MIGRATION_ENABLED = "MigrationEnabled"
    ATTRIBUTES_NOT_LISTED = "AttributesNotListed"
    SERVICE_TD_PRESENT = "ServiceTdPresent"
    # --- measurement
    MEASUREMENT_NOT_LISTED = "MeasurementNotListed"
    MEASUREMENT_EXPIRED = "MeasurementExpired"
    EVENT_LOG_MALFORMED = "EventLogMalformed"
    EVENT_LOG_MISMATCH = "EventLogMismatch"
    COMPOSE_MISMATCH = "ComposeMismatch"
    COMPOSE_NOT_PINNED = "ComposeNotPinned"
    # --- binding
    REPORT_DATA_MALFORMED = "ReportDataMalformed"
    KEY_BINDING_MISMATCH = "KeyBindingMismatch"
    DOMAIN_MISMATCH = "DomainMismatch"
    NONCE_STALE = "NonceStale"
    # --- GPU
    GPU_EVIDENCE_MISSING = "GpuEvidenceMissing"
    GPU_EVIDENCE_MALFORMED = "GpuEvidenceMalformed"
    GPU_SIGNATURE_INVALID = "GpuSignatureInvalid"
    GPU_ROOT_UNTRUSTED = "GpuRootUntrusted"
    GPU_NONCE_MISMATCH = "GpuNonceMismatch"
    GPU_STATE_REFUSED = "GpuStateRefused"
    GPU_MEASUREMENT_MISMATCH = "GpuMeasurementMismatch"
    GPU_CERT_REVOKED = "GpuCertRevoked"
    # --- label
    SIMULATED_REFUSED = "SimulatedRefused"
    # --- relay
    QUORUM_NOT_REACHED = "QuorumNotReached"
    RELAYER_NOT_ELIGIBLE = "RelayerNotEligible"
    VERDICT_TIME_INVALID = "VerdictTimeInvalid"
    VERDICT_SIGNATURE_INVALID = "VerdictSignatureInvalid"
    # --- a message of the library that has no word here
    QUOTE_REJECTED = "QuoteRejected"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One cause, with what was found."""

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class EvidenceRefused(Rejected):
    """The evidence does not satisfy the policy."""

    code = "attestation.refused"
    next_step = (
        "Read each reason in docs/protocol/attestation.md; the service must offer new evidence."
    )

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        assert refusals, "a refusal has a reason"
        self.refusals = tuple(refusals)
        super().__init__("the evidence is refused", reasons="; ".join(map(str, self.refusals)))

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The words alone, in the order found."""
        return tuple(one.reason for one in self.refusals)


class Refusals:
    """Collects causes while a policy looks at everything."""

    def __init__(self) -> None:
        self._found: list[Refusal] = []

    def add(self, reason: Reason, detail: str = "") -> None:
        self._found.append(Refusal(reason, detail))

    def extend(self, refusals: Sequence[Refusal]) -> None:
        self._found.extend(refusals)

    def has_any(self, reason: Reason) -> bool:
        """Whether this cause was found."""
        return any(one.reason is reason for one in self._found)

    def raise_any(self) -> None:
        """Raises: EvidenceRefused with everything found so far."""
        if self._found:
            raise EvidenceRefused(self._found)
