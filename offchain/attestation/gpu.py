"""GPU evidence: one signed report a GPU, all for one nonce, judged against reference values.

  JSON       {"version": 1, "root": base64 DER, "crl": base64 DER,
              "reports": [{"certificate": base64 DER, "statement": text, "signature": base64 DER}]}
  statement  JSON {"nonce": hex, "model": text, "driver": text, "vbios": text,
                   "secure_boot": bool, "debug": bool}, signed with ECDSA over SHA-256
  nonce      sha256(report_data): the CPU's quote vouches for who fetched the reports, the nonce for
             the pair, so that evidence of two machines cannot be mixed

No GPU vendor's own report format is read here and no vendor's root is compiled in, so all GPU
evidence is simulated. Source: docs/protocol/attestation.md#policy.
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.utils import CryptographyDeprecationWarning

from offchain.attestation.bounded_json import loads_bounded
from offchain.attestation.model import GpuClaims
from offchain.attestation.policy import GpuRequirement
from offchain.attestation.quote import refuse
from offchain.attestation.reasons import Reason, Refusals

WIRE_VERSION: Final = 1
MAX_GPUS: Final = 16
VENDOR_ROOTS: Final[frozenset[bytes]] = frozenset()  # SHA-256 of the DER of hardware vendors' roots
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    KeyError,
    RecursionError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    CryptographyDeprecationWarning,  # where warnings are errors
)
_FIELDS: Final = {"version", "root", "crl", "reports"}
_REPORT_FIELDS: Final = {"certificate", "statement", "signature"}
_STATEMENT: Final = {
    "nonce": str,
    "model": str,
    "driver": str,
    "vbios": str,
    "secure_boot": bool,
    "debug": bool,
}


@dataclass(frozen=True, slots=True)
class GpuStatement:
    """What one GPU says of itself."""

    nonce: str
    model: str
    driver: str
    vbios: str
    secure_boot: bool
    debug: bool


@dataclass(frozen=True, slots=True)
class GpuReport:
    """One GPU's statement as signed."""

    certificate: x509.Certificate
    text: str
    signature: bytes
    statement: GpuStatement


@dataclass(frozen=True, slots=True)
class GpuEvidence:
    """Parsed evidence; nothing in it is believed before `verify_gpus`."""

    root_der: bytes
    crl: x509.CertificateRevocationList
    reports: tuple[GpuReport, ...]


def gpu_nonce(report_data: bytes) -> bytes:
    """What every GPU is asked to sign."""
    return hashlib.sha256(report_data).digest()


def parse_gpu_evidence(text: str) -> GpuEvidence:
    """Read evidence. Raises: EvidenceRefused(GpuEvidenceMalformed)."""
    try:
        return _evidence_of(loads_bounded(text))
    except _UNREADABLE as error:
        refuse(Reason.GPU_EVIDENCE_MALFORMED, str(error)[:100])


def verify_gpus(
    evidence: GpuEvidence,
    *,
    nonce: bytes,
    now: int,
    roots: frozenset[bytes],
    requirement: GpuRequirement | None,
) -> GpuClaims:
    """Check signatures, certificates, nonce, state and reference values of all GPUs.

    `roots` are the trusted roots (DER). Raises: EvidenceRefused.
    """
    _verify_chain(evidence, now=now, roots=roots)
    refusals = Refusals()
    for report in evidence.reports:
        one = report.statement
        if one.nonce != nonce.hex():
            refusals.add(Reason.GPU_NONCE_MISMATCH, "a report is for another nonce")
        if one.debug or not one.secure_boot:
            refusals.add(Reason.GPU_STATE_REFUSED, "debug on or secure boot off")
        if requirement is not None and not _is_wanted(one, requirement):
            found = f"{one.model}, driver {one.driver}, VBIOS {one.vbios}"
            refusals.add(Reason.GPU_MEASUREMENT_MISMATCH, found)
    count = len({one.certificate.serial_number for one in evidence.reports})
    if count != len(evidence.reports):
        refusals.add(Reason.GPU_MEASUREMENT_MISMATCH, "one GPU is reported twice")
    if requirement is not None and count < requirement.count:
        refusals.add(Reason.GPU_MEASUREMENT_MISMATCH, f"{count} of {requirement.count} GPUs")
    refusals.raise_any()
    first = evidence.reports[0].statement
    root_hash = hashlib.sha256(evidence.root_der).digest()
    return GpuClaims(
        first.model, count, first.driver, first.vbios, simulated=root_hash not in VENDOR_ROOTS
    )


def _verify_chain(evidence: GpuEvidence, *, now: int, roots: frozenset[bytes]) -> None:
    """Raises: EvidenceRefused when root, list, a certificate or a signature does not hold."""
    if evidence.root_der not in roots:
        refuse(Reason.GPU_ROOT_UNTRUSTED, "the reports end in a root that is not trusted")
    root = x509.load_der_x509_certificate(evidence.root_der)
    root_key = root.public_key()
    assert isinstance(root_key, ec.EllipticCurvePublicKey), "trusted GPU roots have EC keys"
    moment = dt.datetime.fromtimestamp(now, tz=dt.UTC)
    until = evidence.crl.next_update_utc
    is_current = until is not None and evidence.crl.last_update_utc <= moment <= until
    if not is_current or not evidence.crl.is_signature_valid(root_key):
        refuse(Reason.GPU_CERT_REVOKED, "the revocation list is not the root's, or not current")
    for report in evidence.reports:
        leaf = report.certificate
        if evidence.crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None:
            refuse(Reason.GPU_CERT_REVOKED, f"certificate {leaf.serial_number:x}")
        if not _is_signed(report, root):
            refuse(Reason.GPU_SIGNATURE_INVALID, "a report is not signed by a GPU of this root")
        if not leaf.not_valid_before_utc <= moment <= leaf.not_valid_after_utc:
            refuse(Reason.GPU_SIGNATURE_INVALID, "a GPU's certificate is out of its window")


def _is_signed(report: GpuReport, root: x509.Certificate) -> bool:
    try:
        key = report.certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        report.certificate.verify_directly_issued_by(root)
        key.verify(report.signature, report.text.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _is_wanted(one: GpuStatement, wanted: GpuRequirement) -> bool:
    is_known = one.driver in wanted.drivers and one.vbios in wanted.vbioses
    return is_known and one.model == wanted.model


def _evidence_of(found: Mapping[str, Any]) -> GpuEvidence:
    if not isinstance(found, dict) or set(found) != _FIELDS or found["version"] != WIRE_VERSION:
        raise ValueError("fields")
    reports = found["reports"]
    if not isinstance(reports, list) or not 1 <= len(reports) <= MAX_GPUS:
        raise ValueError("reports")
    return GpuEvidence(
        root_der=_bytes_of(found["root"]),
        crl=x509.load_der_x509_crl(_bytes_of(found["crl"])),
        reports=tuple(_report_of(one) for one in reports),
    )


def _report_of(found: object) -> GpuReport:
    if not isinstance(found, dict) or set(found) != _REPORT_FIELDS:
        raise ValueError("report fields")
    text = found["statement"]
    if not isinstance(text, str):
        raise TypeError("statement")
    return GpuReport(
        certificate=x509.load_der_x509_certificate(_bytes_of(found["certificate"])),
        text=text,
        signature=_bytes_of(found["signature"]),
        statement=_statement_of(loads_bounded(text)),
    )


def _statement_of(found: Mapping[str, Any]) -> GpuStatement:
    if not isinstance(found, dict) or set(found) != set(_STATEMENT):
        raise ValueError("statement fields")
    if any(type(found[name]) is not kind for name, kind in _STATEMENT.items()):
        raise TypeError("statement types")
    return GpuStatement(**found)


def _bytes_of(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("not base64 text")
    return base64.b64decode(value, validate=True)
