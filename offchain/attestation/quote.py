"""Quote bytes into fields and back: SGX v3, TDX v4, TDX v5 with a TD 1.0 or 1.5 report; pure.

                SGX v3   TDX v4   TDX v5 (descriptor: body type u16 | body size u32 at 48)
  header        version u16 | key type u16 = 2 | tee type u32 | svns | vendor 16 at 12 | user 20
  body          48:432   48:632   54:638 (TD 1.0, type 2) or 54:702 (TD 1.5, type 3)
  auth_len u32  then sig 64 | AK 64, in v4 and v5 type u16 = 6 | len u32, then
                QE report 384 | QE sig 64 | len u16 | qe_auth | type u16 = 5 | len u32 | PEM chain

Little endian. The canonical bytes are what `encode_quote` gives back for a parsed quote with `s` of
both signatures at or below n/2: exact lengths, nothing after the end, and a PEM section that is the
plain encoding of exactly three certificates. Source: docs/protocol/attestation.md#quotes.
"""

import base64
import binascii
from dataclasses import dataclass
from struct import Struct
from typing import Final, NoReturn

from offchain.attestation.model import Quote, QuoteBody, Seal, SgxBody, TdBody, TeeType
from offchain.attestation.reasons import EvidenceRefused, Reason, Refusal
from offchain.core.hashing import TAG_ATTESTATION_EVIDENCE, Digest, keccak

HEADER_BYTES: Final = 48
SGX_BODY_BYTES: Final = 384
TD10_BODY_BYTES: Final = 584
TD15_BODY_BYTES: Final = 648
BODY_TYPE_TD10: Final = 2
BODY_TYPE_TD15: Final = 3
ECDSA_P256: Final = 2
QE_VENDOR: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
OUTER_TYPE: Final = 6
INNER_TYPE: Final = 5
CHAIN_LENGTH: Final = 3
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SGX_QUOTE_VERSION: Final = 3
TD_QUOTE_VERSIONS: Final = (4, 5)
_HEADER: Final = Struct("<HHI")
_DESCRIPTOR: Final = Struct("<HI")
_SECTION: Final = Struct("<HI")
_U32: Final = Struct("<I")
_U16: Final = Struct("<H")
_TD_BODY: Final = Struct("<16s48s48s8sQQ48s48s48s48s48s48s48s48s64s")
_SGX_BODY: Final = Struct("<16sI28s16s32s32s32s96sHH60s64s")
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_END: Final = b"-----END CERTIFICATE-----"
_PEM_LINE: Final = 64


def refuse(reason: Reason, detail: str = "") -> NoReturn:
    """Raises: EvidenceRefused with this one reason."""
    raise EvidenceRefused([Refusal(reason, detail)])


@dataclass(slots=True)
class _Reader:
    """Takes bytes from the front and refuses when there are too few."""

    raw: bytes
    at: int = 0

    def take(self, count: int, what: str) -> bytes:
        end = self.at + count
        if end > len(self.raw):
            refuse(Reason.QUOTE_TRUNCATED, f"{what} needs {count} bytes at {self.at}")
        taken = self.raw[self.at : end]
        self.at = end
        return taken

    def number(self, form: Struct, what: str) -> int:
        return int(form.unpack(self.take(form.size, what))[0])

    def section(self, expected: int, what: str) -> bytes:
        kind, length = _SECTION.unpack(self.take(_SECTION.size, what))
        if kind != expected:
            refuse(Reason.CERT_TYPE_UNSUPPORTED, f"{what} has type {kind}, not {expected}")
        return self.take(length, what)


def parse_quote(raw: bytes) -> Quote:
    """Read a quote; what lies behind its end or inside its sections' slack is ignored.

    Raises: EvidenceRefused with a reason of form.
    """
    reader = _Reader(raw)
    version, tee_type = _parse_header(reader.take(HEADER_BYTES, "header"))
    body = _parse_body(reader, version)
    signed = raw[: reader.at]
    auth = _Reader(reader.take(reader.number(_U32, "auth length"), "auth data"))
    signature = auth.take(64, "signature")
    attestation_key = auth.take(64, "attestation key")
    inner = (
        auth if version == SGX_QUOTE_VERSION else _Reader(auth.section(OUTER_TYPE, "outer data"))
    )
    seal = Seal(
        signature=signature,
        attestation_key=attestation_key,
        qe_report=inner.take(SGX_BODY_BYTES, "QE report"),
        qe_signature=inner.take(64, "QE signature"),
        qe_auth=inner.take(inner.number(_U16, "QE auth length"), "QE auth data"),
        pem_chain=inner.section(INNER_TYPE, "certificate chain"),
    )
    return Quote(version, tee_type, body, raw, signed, seal)


def encode_quote(version: int, signed: bytes, seal: Seal) -> bytes:
    """A quote of exact lengths; signatures and chain as they are in `seal`."""
    inner = (
        seal.qe_report
        + seal.qe_signature
        + _U16.pack(len(seal.qe_auth))
        + seal.qe_auth
        + _SECTION.pack(INNER_TYPE, len(seal.pem_chain))
        + seal.pem_chain
    )
    if version != SGX_QUOTE_VERSION:
        inner = _SECTION.pack(OUTER_TYPE, len(inner)) + inner
    auth = seal.signature + seal.attestation_key + inner
    return signed + _U32.pack(len(auth)) + auth


def parse_sgx_report(raw: bytes) -> SgxBody:
    """The 384 bytes of an enclave's report: an SGX body, or the QE's own report."""
    cpu, misc, _, attributes, enclave, _, signer, _, product, svn, _, data = _SGX_BODY.unpack(raw)
    return SgxBody(cpu, misc, attributes, enclave, signer, product, svn, data)


def encode_sgx_report(body: SgxBody) -> bytes:
    """The 384 bytes of an enclave's report, reserved fields zero."""
    return _SGX_BODY.pack(
        body.cpu_svn,
        body.misc_select,
        b"",
        body.attributes,
        body.mr_enclave,
        b"",
        body.mr_signer,
        b"",
        body.isv_prod_id,
        body.isv_svn,
        b"",
        body.report_data,
    )


def encode_td_report(body: TdBody, *, is_td15: bool = False) -> bytes:
    """The 584 bytes of a TD 1.0 report or the 648 of a TD 1.5 report."""
    base = _TD_BODY.pack(
        body.tee_tcb_svn,
        body.mr_seam,
        body.mr_signer_seam,
        body.seam_attributes,
        body.td_attributes,
        body.xfam,
        body.mr_td,
        body.mr_config_id,
        body.mr_owner,
        body.mr_owner_config,
        *body.rtmrs,
        body.report_data,
    )
    return base + body.tee_tcb_svn + body.mr_service_td if is_td15 else base


def evidence_id(quote: Quote) -> Digest:
    """The name of the evidence whatever its signatures look like."""
    return keccak(
        TAG_ATTESTATION_EVIDENCE,
        quote.signed,
        quote.seal.attestation_key,
        quote.seal.qe_report,
        quote.seal.qe_auth,
    )


def low_s(signature: bytes) -> bytes:
    """The same signature with `s` at or below n/2."""
    s = int.from_bytes(signature[32:], "big")
    if P256_ORDER // 2 < s < P256_ORDER:
        return signature[:32] + (P256_ORDER - s).to_bytes(32, "big")
    return signature


def split_chain(pem_chain: bytes) -> tuple[bytes, ...]:
    """The DER certificates of a PEM text. Raises: EvidenceRefused(QuoteNotCanonical)."""
    blocks = [part.partition(_PEM_END)[0] for part in pem_chain.split(_PEM_BEGIN)[1:]]
    try:
        return tuple(base64.b64decode(b"".join(one.split()), validate=True) for one in blocks)
    except (binascii.Error, ValueError):
        refuse(Reason.QUOTE_NOT_CANONICAL, "a certificate is not base64")


def join_chain(certificates: tuple[bytes, ...]) -> bytes:
    """The plain PEM text of certificates: 64 characters a line, one newline after each line."""
    lines: list[bytes] = []
    for der in certificates:
        text = base64.b64encode(der)
        lines.append(_PEM_BEGIN)
        lines.extend(text[at : at + _PEM_LINE] for at in range(0, len(text), _PEM_LINE))
        lines.append(_PEM_END)
    return b"\n".join(lines) + b"\n"


def _parse_header(header: bytes) -> tuple[int, TeeType]:
    version, key_type, tee_type = _HEADER.unpack(header[: _HEADER.size])
    if version != SGX_QUOTE_VERSION and version not in TD_QUOTE_VERSIONS:
        refuse(Reason.VERSION_UNSUPPORTED, f"version {version}")
    if tee_type not in {int(one) for one in TeeType}:
        refuse(Reason.TEE_TYPE_UNSUPPORTED, f"TEE type {tee_type:#x}")
    if (tee_type == TeeType.SGX) != (version == SGX_QUOTE_VERSION):
        refuse(Reason.VERSION_UNSUPPORTED, f"version {version} of {TeeType(tee_type).name}")
    if key_type != ECDSA_P256:
        refuse(Reason.KEY_TYPE_UNSUPPORTED, f"key type {key_type}")
    if header[12:28] != QE_VENDOR:
        refuse(Reason.QE_VENDOR_UNKNOWN, header[12:28].hex())
    return version, TeeType(tee_type)


def _parse_body(reader: _Reader, version: int) -> QuoteBody:
    if version == SGX_QUOTE_VERSION:
        return parse_sgx_report(reader.take(SGX_BODY_BYTES, "body"))
    size = TD10_BODY_BYTES
    if version == TD_QUOTE_VERSIONS[1]:
        kind, size = _DESCRIPTOR.unpack(reader.take(_DESCRIPTOR.size, "body descriptor"))
        if (kind, size) not in {
            (BODY_TYPE_TD10, TD10_BODY_BYTES),
            (BODY_TYPE_TD15, TD15_BODY_BYTES),
        }:
            refuse(Reason.BODY_TYPE_MISMATCH, f"body type {kind} of {size} bytes")
    return _parse_td_report(reader.take(size, "body"))


def _parse_td_report(raw: bytes) -> TdBody:
    (svn, seam, seam_signer, seam_attributes, attributes, xfam, *rest) = _TD_BODY.unpack(
        raw[:TD10_BODY_BYTES]
    )
    mr_td, config_id, owner, owner_config, rtmr0, rtmr1, rtmr2, rtmr3, report_data = rest
    return TdBody(
        tee_tcb_svn=svn,
        mr_seam=seam,
        mr_signer_seam=seam_signer,
        seam_attributes=seam_attributes,
        td_attributes=attributes,
        xfam=xfam,
        mr_td=mr_td,
        mr_config_id=config_id,
        mr_owner=owner,
        mr_owner_config=owner_config,
        rtmrs=(rtmr0, rtmr1, rtmr2, rtmr3),
        report_data=report_data,
        mr_service_td=raw[TD10_BODY_BYTES + 16 :] or bytes(48),
    )
