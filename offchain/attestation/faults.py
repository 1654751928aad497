"""What the chain can see to be wrong between a quote and a verdict over it; pure.

  BODY          the quote has another form, or says something else than the verdict
  BINDING       its attestation key is not the one that the quoting enclave names
  SIGNATURE     its attestation key did not sign it
  QE_SIGNATURE  the leaf certificate's key did not sign the quoting enclave's report
  CHAIN         the CA did not sign the leaf, or the root not the CA, or it is another root

Platform levels and revocation lists are not among them: those rest on the relayers' quorum. The
order is that of what a proof costs. Source: docs/protocol/attestation.md#relayers,
contracts/attestation/quote_form.vy.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from offchain.attestation.model import Quote, TdBody, TeeType, Verdict, td_measurement_id
from offchain.attestation.onchain_registry import Measurement
from offchain.attestation.quote import evidence_id, parse_quote, parse_sgx_report, split_chain
from offchain.attestation.reasons import EvidenceRefused
from offchain.core.hashing import keccak

CONFIG_VERSION: Final = b"\x01"
CONFIG_BYTES: Final = 48
SHA256_BYTES: Final = 32
_HALF: Final = 32


class Fault(IntEnum):
    """Flag values of AttestationFraudProofs."""

    BODY = 1
    BINDING = 2
    SIGNATURE = 4
    QE_SIGNATURE = 8
    CHAIN = 16


@dataclass(frozen=True, slots=True)
class ShownChain:
    """The certificates of a quote as the contract takes them; empty where there are none."""

    leaf: bytes = b""
    ca: bytes = b""
    root_key: bytes = b""  # x || y


def fault_of(verdict: Verdict, raw: bytes, entry: Measurement) -> Fault | None:
    """The first thing that is wrong; None where the chain could prove nothing.

    `raw` has the verdict's quote hash; `entry` is what the registry lists as its measurement.
    """
    try:
        quote = parse_quote(raw)
    except EvidenceRefused:
        return Fault.BODY
    if not _says(quote, verdict, entry):
        return Fault.BODY
    seal = quote.seal
    named = parse_sgx_report(seal.qe_report).report_data[:SHA256_BYTES]
    if named != hashlib.sha256(seal.attestation_key + seal.qe_auth).digest():
        return Fault.BINDING
    if not _is_signed(quote.signed, seal.signature, seal.attestation_key):
        return Fault.SIGNATURE
    return _fault_of_chain(quote, verdict)


def chain_of(raw: bytes) -> ShownChain:
    """Leaf, CA and the root's key in a quote; empty where its chain is not that."""
    try:
        certificates = split_chain(parse_quote(raw).seal.pem_chain)
    except EvidenceRefused:
        return ShownChain()
    if len(certificates) != 3:
        return ShownChain()
    leaf, ca, root = certificates
    return ShownChain(leaf, ca, _key_of(root) or b"")


def _says(quote: Quote, verdict: Verdict, entry: Measurement) -> bool:
    """As `quote_form._agrees`."""
    body = quote.body
    if quote.tee_type is not TeeType.TDX or not isinstance(body, TdBody):
        return False
    measured = td_measurement_id(body, os_image=entry.os_image, compose_hash=entry.compose_hash)
    config = CONFIG_VERSION + entry.compose_hash
    return (
        keccak(body.report_data) == verdict.report_data_hash
        and measured == verdict.measurement_id
        and body.td_attributes.to_bytes(8, "little") == entry.td_attributes
        and body.xfam.to_bytes(8, "little") == entry.xfam
        and body.mr_config_id == config.ljust(CONFIG_BYTES, b"\0")
        and not any(body.mr_service_td)
        and evidence_id(quote) == verdict.evidence_id
    )


def _fault_of_chain(quote: Quote, verdict: Verdict) -> Fault | None:
    shown = chain_of(quote.raw)
    leaf_key = _key_of(shown.leaf)
    seal = quote.seal
    if leaf_key is None or not _is_signed(seal.qe_report, seal.qe_signature, leaf_key):
        return Fault.QE_SIGNATURE
    is_path = (
        keccak(shown.root_key) == verdict.root_key_id
        and _is_issued(shown.leaf, _key_of(shown.ca))
        and _is_issued(shown.ca, shown.root_key)
    )
    return None if is_path else Fault.CHAIN


def _is_issued(certificate: bytes, key: bytes | None) -> bool:
    """Whether a key has signed a certificate, whatever it says of names and times."""
    try:
        found = x509.load_der_x509_certificate(certificate)
        public = _public(key)
        if public is None:
            return False
        public.verify(found.signature, found.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def _is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    public = _public(key)
    r, s = (int.from_bytes(part, "big") for part in (signature[:_HALF], signature[_HALF:]))
    if public is None:
        return False
    try:
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _public(key: bytes | None) -> ec.EllipticCurvePublicKey | None:
    """A P-256 key from x || y; None for a point that is not on the curve."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + (key or b""))
    except ValueError:
        return None


def _key_of(certificate: bytes) -> bytes | None:
    """X || y of a certificate's P-256 key."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError:
        return None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return None
    numbers = key.public_numbers()
    return numbers.x.to_bytes(_HALF, "big") + numbers.y.to_bytes(_HALF, "big")
