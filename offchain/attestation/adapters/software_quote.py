"""Quotes signed by a simulated quoting enclave; every field that a negative case needs is a knob.

Source: docs/protocol/attestation.md#software-tee.
"""

import hashlib
from dataclasses import dataclass
from struct import pack
from typing import Final

from offchain.attestation.adapters.software_collateral import (
    QE_ATTRIBUTES,
    QE_PRODUCT,
    QE_SIGNER,
    QE_SVN,
    TD_QE_PRODUCT,
)
from offchain.attestation.adapters.software_vendor import (
    Issued,
    Key,
    Vendor,
    new_key,
    public_point,
    sign_raw,
)
from offchain.attestation.model import Seal, SgxBody, TeeType
from offchain.attestation.quote import (
    BODY_TYPE_TD10,
    BODY_TYPE_TD15,
    ECDSA_P256,
    QE_VENDOR,
    TD10_BODY_BYTES,
    TD15_BODY_BYTES,
    TD_QUOTE_VERSIONS,
    encode_quote,
    encode_sgx_report,
    low_s,
)

QE_AUTH: Final = bytes(range(32))


@dataclass(frozen=True, slots=True)
class HeaderPlan:
    """The 48 bytes in front."""

    version: int = TD_QUOTE_VERSIONS[0]
    key_type: int = ECDSA_P256
    tee_type: int = int(TeeType.TDX)
    vendor: bytes = QE_VENDOR
    user_data: bytes = bytes(20)
    is_td15: bool = False  # of version 5: a TD 1.5 report

    def encode(self) -> bytes:
        front = pack("<HHIHH", self.version, self.key_type, self.tee_type, 0, 0)
        header = front + self.vendor + self.user_data
        if self.version != TD_QUOTE_VERSIONS[1]:
            return header
        kind, size = (
            (BODY_TYPE_TD15, TD15_BODY_BYTES) if self.is_td15 else (BODY_TYPE_TD10, TD10_BODY_BYTES)
        )
        return header + pack("<HI", kind, size)


@dataclass(frozen=True, slots=True)
class QePlan:
    """What the quoting enclave's report says."""

    signer: bytes = QE_SIGNER
    attributes: bytes = QE_ATTRIBUTES
    misc_select: int = 0
    product: int | None = None  # as the TEE type asks for
    svn: int = QE_SVN

    def encode(self, tee_type: int, bound: bytes) -> bytes:
        is_tdx = tee_type == TeeType.TDX
        usual = TD_QE_PRODUCT if is_tdx else QE_PRODUCT
        product = usual if self.product is None else self.product
        return encode_sgx_report(
            SgxBody(
                cpu_svn=bytes(16),
                misc_select=self.misc_select,
                attributes=self.attributes,
                mr_enclave=hashlib.sha256(b"simulated quoting enclave").digest(),
                mr_signer=self.signer,
                isv_prod_id=product,
                isv_svn=self.svn,
                report_data=bound + bytes(32),
            )
        )


@dataclass(frozen=True, slots=True)
class QuotingEnclave:
    """An attestation key with the report that a PCK leaf signed for it."""

    key: Key
    attestation_key: bytes
    report: bytes
    report_signature: bytes
    chain: bytes

    def quote(self, header: HeaderPlan, body: bytes) -> bytes:
        """The canonical bytes of a signed body."""
        signed = header.encode() + body
        seal = Seal(
            signature=low_s(sign_raw(self.key, signed)),
            attestation_key=self.attestation_key,
            qe_report=self.report,
            qe_signature=self.report_signature,
            qe_auth=QE_AUTH,
            pem_chain=self.chain,
        )
        return encode_quote(header.version, signed, seal)


def start_quoting(vendor: Vendor, leaf: Issued, *, tee_type: int, plan: QePlan) -> QuotingEnclave:
    """A quoting enclave of one machine, with a fresh attestation key."""
    key = new_key()
    point = public_point(key.public_key())
    report = plan.encode(tee_type, hashlib.sha256(point + QE_AUTH).digest())
    return QuotingEnclave(
        key=key,
        attestation_key=point,
        report=report,
        report_signature=low_s(sign_raw(leaf.key, report)),
        chain=vendor.quote_chain(leaf),
    )
