"""Step 1 of verification through the `dcap-qvl` library, and its messages as our reasons.

Statuses are only reported here (`claims_only`): which are accepted is our policy's business. The
collateral must have exactly the nine documents: a tenth, a certificate chain of its own, would be
used instead of the one inside the quote. Source: docs/protocol/attestation.md#reasons.
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from dcap_qvl import (  # type: ignore[import-untyped]  # it has stubs, but no py.typed
    QuoteCollateralV3,
    QuotePolicy,
    QuoteVerifier,
    verify_with_root_ca,
)

from offchain.attestation.bounded_json import loads_bounded
from offchain.attestation.bundle import MAX_COLLATERAL_BYTES
from offchain.attestation.canonical import OWN_CHAIN
from offchain.attestation.intel_root import INTEL_ROOT_DER
from offchain.attestation.model import Quote, TcbStatus
from offchain.attestation.ports import LibraryClaims
from offchain.attestation.quote import join_chain, refuse, split_chain
from offchain.attestation.reasons import Reason
from offchain.core.errors import InvalidInput

MESSAGE_CHARACTERS: Final = 400
MAX_TIME: Final = (
    1 << 40
) - 1  # seconds; far beyond any certificate, far below the library's limit
STATUSES: Final = {
    "UpToDate": TcbStatus.UP_TO_DATE,
    "SWHardeningNeeded": TcbStatus.SW_HARDENING_NEEDED,
    "ConfigurationNeeded": TcbStatus.CONFIGURATION_NEEDED,
    "ConfigurationAndSWHardeningNeeded": TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
    "OutOfDate": TcbStatus.OUT_OF_DATE,
    "OutOfDateConfigurationNeeded": TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    "Revoked": TcbStatus.REVOKED,
    "TDRelaunchAdvised": TcbStatus.TD_RELAUNCH_ADVISED,
    "TDRelaunchAdvisedConfigurationNeeded": TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
}
# A fragment of the library's message and the reason it stands for; the first that occurs counts.
MESSAGES: Final[tuple[tuple[str, Reason], ...]] = (
    ("CertRevoked", Reason.CERT_REVOKED),
    ("CertExpired", Reason.CERT_EXPIRED),
    ("CertNotValidYet", Reason.CERT_EXPIRED),
    ("CrlExpired", Reason.CRL_EXPIRED),
    ("UnknownRevocationStatus", Reason.REVOCATION_UNKNOWN),
    ("CaUsedAsEndEntity", Reason.CA_USED_AS_LEAF),
    ("UnknownIssuer", Reason.CHAIN_UNTRUSTED),
    ("InvalidSignatureForPublicKey", Reason.CHAIN_UNTRUSTED),
    ("TCBInfo issue date is in the future", Reason.COLLATERAL_NOT_YET_VALID),
    ("QE Identity issue date is in the future", Reason.COLLATERAL_NOT_YET_VALID),
    ("TCBInfo expired", Reason.COLLATERAL_EXPIRED),
    ("QE Identity expired", Reason.COLLATERAL_EXPIRED),
    ("Signature is invalid for tcb_info", Reason.TCB_INFO_SIGNATURE_INVALID),
    ("Signature is invalid for qe_identity", Reason.QE_IDENTITY_SIGNATURE_INVALID),
    ("Signature is invalid for qe_report", Reason.QE_SIGNATURE_INVALID),
    ("QE report hash mismatch", Reason.QE_BINDING_INVALID),
    ("ISV enclave report signature is invalid", Reason.QUOTE_SIGNATURE_INVALID),
    ("Intel extension not found", Reason.PCK_EXTENSION_MISSING),
    ("Fmspc mismatch", Reason.FMSPC_MISMATCH),
    ("with non-TDX TCB info", Reason.TCB_INFO_KIND_MISMATCH),
    ("with non-SGX TCB info", Reason.TCB_INFO_KIND_MISMATCH),
    ("No matching TCB level found", Reason.TCB_LEVEL_NOT_FOUND),
    ("TDX module MRSIGNER mismatch", Reason.TDX_MODULE_SIGNER_MISMATCH),
    ("No TDX module identity", Reason.TDX_MODULE_UNKNOWN),
    ("missing tdxModule", Reason.TDX_MODULE_UNKNOWN),
    ("TDX module SEAMATTRIBUTES", Reason.TDX_MODULE_UNKNOWN),
    ("TDX module ISVSVN", Reason.TDX_MODULE_TOO_OLD),
    ("Unsupported QE Identity id/version", Reason.QE_IDENTITY_KIND_MISMATCH),
    ("QE MRSIGNER mismatch", Reason.QE_IDENTITY_MISMATCH),
    ("QE ISVPRODID mismatch", Reason.QE_IDENTITY_MISMATCH),
    ("QE MISCSELECT mismatch", Reason.QE_IDENTITY_MISMATCH),
    ("QE ATTRIBUTES mismatch", Reason.QE_IDENTITY_MISMATCH),
    ("QE ISVSVN", Reason.QE_TOO_OLD),
    ("QE report validation failed", Reason.QE_DEBUG),
    ("Debug mode is enabled", Reason.DEBUG_ENABLED),
    ("SEPT_VE_DISABLE is not enabled", Reason.SEPT_VE_NOT_DISABLED),
    ("TD migration is enabled", Reason.MIGRATION_ENABLED),
    ("Reserved bits in TD attributes are set", Reason.RESERVED_ATTRIBUTE_BITS),
    ("Invalid MR service TD", Reason.SERVICE_TD_PRESENT),
    ("TCB status is invalid: Revoked", Reason.TCB_REVOKED),
    ("Failed to parse root CA CRL", Reason.CRL_MALFORMED),
    ("Failed to parse PCK CRL", Reason.CRL_MALFORMED),
    ("Failed to parse CRL", Reason.CRL_MALFORMED),
    ("Failed to decode TcbInfo", Reason.COLLATERAL_MALFORMED),
    ("Failed to decode QeIdentity", Reason.COLLATERAL_MALFORMED),
)
_TEXTS: Final = (
    "pck_crl_issuer_chain",
    "tcb_info_issuer_chain",
    "tcb_info",
    "qe_identity_issuer_chain",
    "qe_identity",
)
_HEXES: Final = ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")
# What reading a field can raise where the library reads the vendor's documents more leniently.
_UNEXPECTED: Final = (KeyError, ValueError, TypeError, OverflowError)
_CHAINS: Final = ("tcb_info_issuer_chain", "qe_identity_issuer_chain")


@dataclass(frozen=True, slots=True)
class Documents:
    """Collateral as parsed: what the library takes, and the two documents in it."""

    native: QuoteCollateralV3
    tcb_info: dict[str, Any]
    qe_identity: dict[str, Any]
    crl_chain: tuple[bytes, ...]
    chains: tuple[tuple[bytes, ...], ...]


class DcapQvl:
    """The library under one root; Intel's unless another is given. A QuoteLibrary."""

    def __init__(self, root_der: bytes = INTEL_ROOT_DER) -> None:
        self._root = root_der
        self._verifier = QuoteVerifier(root_der)
        self._root_key = _point_of(root_der)

    @property
    def root(self) -> bytes:
        return self._root

    def verify(self, quote: Quote, collateral: str, *, now: int) -> LibraryClaims:
        if not 0 <= now <= MAX_TIME:
            raise InvalidInput("the moment of verification is out of range", now=now)
        documents = parse_collateral(collateral)
        self._check_chains(quote, documents)
        try:
            native = self._verifier.verify_with_policy(
                quote.raw, documents.native, now, QuotePolicy.claims_only(now)
            )
        except ValueError as error:
            text = self._whole_message(quote, documents, now, str(error))
            refuse(reason_of(text), text[:MESSAGE_CHARACTERS])
        try:
            return self._claims_of(json.loads(native.to_json()), documents)
        except _UNEXPECTED as error:
            refuse(Reason.COLLATERAL_MALFORMED, f"a signed document has another form: {error!r}")

    def _check_chains(self, quote: Quote, documents: Documents) -> None:
        """The library leaves what it does not need unread; no byte of collateral is free here."""
        authority = split_chain(quote.seal.pem_chain)[1:]
        if documents.crl_chain != authority:
            refuse(Reason.COLLATERAL_MALFORMED, "the list's issuer is not the quote's authority")
        if any(len(one) != len(authority) or one[-1] != self._root for one in documents.chains):
            refuse(Reason.COLLATERAL_MALFORMED, "a chain is not a signer under the trusted root")

    def _whole_message(self, quote: Quote, documents: Documents, now: int, short: str) -> str:
        """A message that says why: the call with a policy tells the outermost cause only."""
        if reason_of(short) is not Reason.QUOTE_REJECTED:
            return short
        try:
            verify_with_root_ca(quote.raw, documents.native, self._root, now)
        except ValueError as error:
            return " | ".join(line.strip() for line in str(error).split("\n") if line.strip())
        return short

    def _claims_of(self, found: dict[str, Any], documents: Documents) -> LibraryClaims:
        platform, qe = found["platform"], found["qe"]
        tcb, identity = documents.tcb_info, documents.qe_identity
        ends = (found["earliest_expiration_date"], found["qe_iden_earliest_expiration_date"])
        return LibraryClaims(
            status=status_of(found["tcb"]["status"]),
            platform_status=status_of(platform["tcb_level"]["tcbStatus"]),
            qe_status=status_of(qe["tcb_level"]["tcbStatus"]),
            advisories=tuple(found["tcb"]["advisory_ids"]),
            tcb_eval_number=tcb["tcbEvaluationDataNumber"],
            qe_eval_number=identity["tcbEvaluationDataNumber"],
            fmspc=bytes(platform["pck"]["fmspc"]),
            pck_pce_id=bytes(platform["pck"]["pce_id"]),
            tcb_pce_id=_hex_of(tcb, "pceId"),
            root_key=self._root_key,
            issued_at=min(_moment_of(tcb["issueDate"]), _moment_of(identity["issueDate"])),
            usable_until=min(ends),
        )


def reason_of(text: str) -> Reason:
    """The reason a message of the library stands for; QuoteRejected when it has none."""
    return next((reason for part, reason in MESSAGES if part in text), Reason.QUOTE_REJECTED)


def status_of(word: str) -> TcbStatus:
    """The status a word stands for. Raises: EvidenceRefused(CollateralMalformed)."""
    if word not in STATUSES:
        refuse(Reason.COLLATERAL_MALFORMED, f"unknown status {word[:40]!r}")
    return STATUSES[word]


def parse_collateral(text: str) -> Documents:
    """Read collateral. Raises: EvidenceRefused(CollateralMalformed)."""
    if len(text) > MAX_COLLATERAL_BYTES:
        refuse(Reason.COLLATERAL_MALFORMED, f"longer than {MAX_COLLATERAL_BYTES} bytes")
    found = _object_of(text, "collateral")
    if found.pop(OWN_CHAIN, None) is not None:
        refuse(Reason.COLLATERAL_MALFORMED, "it brings a certificate chain of its own")
    if set(found) != {*_TEXTS, *_HEXES} or not all(isinstance(one, str) for one in found.values()):
        refuse(Reason.COLLATERAL_MALFORMED, "not the nine documents as texts")
    raws = {name: _hex_of(found, name) for name in _HEXES}
    native = QuoteCollateralV3(
        pck_crl_issuer_chain=found["pck_crl_issuer_chain"],
        root_ca_crl=raws["root_ca_crl"],
        pck_crl=raws["pck_crl"],
        tcb_info_issuer_chain=found["tcb_info_issuer_chain"],
        tcb_info=found["tcb_info"],
        tcb_info_signature=raws["tcb_info_signature"],
        qe_identity_issuer_chain=found["qe_identity_issuer_chain"],
        qe_identity=found["qe_identity"],
        qe_identity_signature=raws["qe_identity_signature"],
    )
    return Documents(
        native=native,
        tcb_info=_object_of(found["tcb_info"], "TCB info"),
        qe_identity=_object_of(found["qe_identity"], "QE identity"),
        crl_chain=_chain_of(found["pck_crl_issuer_chain"]),
        chains=tuple(_chain_of(found[name]) for name in _CHAINS),
    )


def _chain_of(text: str) -> tuple[bytes, ...]:
    """The certificates of a chain, which must be the plain PEM text of them."""
    certificates = split_chain(text.encode())
    if join_chain(certificates).decode() != text:
        refuse(Reason.COLLATERAL_MALFORMED, "a chain is not plain PEM text")
    return certificates


def _object_of(text: str, what: str) -> dict[str, Any]:
    try:
        found = loads_bounded(text)
    except (ValueError, RecursionError):
        refuse(Reason.COLLATERAL_MALFORMED, f"{what} is not JSON")
    if not isinstance(found, dict):
        refuse(Reason.COLLATERAL_MALFORMED, f"{what} is no object")
    return found


def _hex_of(found: dict[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(found[name])
    except (ValueError, KeyError, TypeError):
        refuse(Reason.COLLATERAL_MALFORMED, f"{name} is not hex")


def _moment_of(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


def _point_of(root_der: bytes) -> bytes:
    key = x509.load_der_x509_certificate(root_der).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InvalidInput("the root's key is not on P-256")
    point = key.public_numbers()
    return point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
