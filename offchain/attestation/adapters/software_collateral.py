"""The documents a software vendor gives out for a machine: TCB info v3, QE identity v2, lists.

Documents are plain dictionaries until they are signed, so that a test can change any field.
Source: docs/protocol/attestation.md#software-tee.
"""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from offchain.attestation.adapters.software_vendor import (
    SVN_COMPONENTS,
    Issued,
    Platform,
    RevocationPlan,
    Vendor,
    revocation_lists,
    sign_raw,
)
from offchain.core.units import DAY

ISSUED_BEFORE_SECONDS: Final = DAY  # an hour of skew, either way, is inside the window
VALID_SECONDS: Final = 29 * DAY
EVALUATION_NUMBER: Final = 17
TDX_COMPONENTS: Final = (5, 0, 3)
TCB_DATE: Final = "2024-03-13T00:00:00Z"
QE_SIGNER: Final = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
QE_ATTRIBUTES: Final = bytes.fromhex("11000000000000000000000000000000")
TD_QE_PRODUCT: Final = 2
QE_PRODUCT: Final = 1
QE_SVN: Final = 4

Document = dict[str, Any]
Change = Callable[[Document], None]


def _as_it_is(document: Document) -> None:
    """Leave a document as it is."""
    del document


@dataclass(frozen=True, slots=True)
class CollateralPlan:
    """How collateral is made; `change_*` act before signing, `spoil` after; defaults are good."""

    is_tdx: bool = True
    platform: Platform = field(default_factory=Platform)
    revocation: RevocationPlan = field(default_factory=RevocationPlan)
    change_tcb: Change = _as_it_is
    change_qe: Change = _as_it_is
    edit_tcb_text: Callable[[str], str] = str
    spoil: Change = _as_it_is


def make_collateral(vendor: Vendor, leaf: Issued, now: int, plan: CollateralPlan) -> str:
    """Collateral at a moment, as the JSON text of a bundle."""
    tcb = tcb_info(plan.platform, now, is_tdx=plan.is_tdx)
    plan.change_tcb(tcb)
    qe = qe_identity(now, is_tdx=plan.is_tdx)
    plan.change_qe(qe)
    tcb_text = plan.edit_tcb_text(_text(tcb))
    qe_text = _text(qe)
    root_list, pck_list = revocation_lists(vendor, leaf, now, plan.revocation)
    document: Document = {
        "pck_crl_issuer_chain": vendor.pck_ca_chain(),
        "root_ca_crl": root_list.hex(),
        "pck_crl": pck_list.hex(),
        "tcb_info_issuer_chain": vendor.tcb_chain(),
        "tcb_info": tcb_text,
        "tcb_info_signature": sign_raw(vendor.tcb_signer.key, tcb_text.encode()).hex(),
        "qe_identity_issuer_chain": vendor.tcb_chain(),
        "qe_identity": qe_text,
        "qe_identity_signature": sign_raw(vendor.tcb_signer.key, qe_text.encode()).hex(),
    }
    plan.spoil(document)
    return _text(document)


def tcb_info(platform: Platform, now: int, *, is_tdx: bool) -> Document:
    """What the vendor says of machines of this kind."""
    level: Document = {
        "tcb": {"sgxtcbcomponents": components(platform.cpu_svn), "pcesvn": platform.pce_svn},
        "tcbDate": TCB_DATE,
        "tcbStatus": "UpToDate",
    }
    document: Document = {
        "id": "TDX" if is_tdx else "SGX",
        "version": 3,
        "issueDate": stamp(now - ISSUED_BEFORE_SECONDS),
        "nextUpdate": stamp(now + VALID_SECONDS),
        "fmspc": platform.fmspc.hex().upper(),
        "pceId": platform.pce_id.hex().upper(),
        "tcbType": 0,
        "tcbEvaluationDataNumber": EVALUATION_NUMBER,
        "tcbLevels": [level],
    }
    if is_tdx:
        module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
        module_level = {"tcb": {"isvsvn": 2}, "tcbDate": TCB_DATE, "tcbStatus": "UpToDate"}
        document["tdxModule"] = module
        document["tdxModuleIdentities"] = [{"id": "TDX_01", **module, "tcbLevels": [module_level]}]
        level["tcb"]["tdxtcbcomponents"] = components(bytes(TDX_COMPONENTS))
    return document


def qe_identity(now: int, *, is_tdx: bool) -> Document:
    """Which quoting enclave is genuine, and from which version on it is current."""
    return {
        "id": "TD_QE" if is_tdx else "QE",
        "version": 2,
        "issueDate": stamp(now - ISSUED_BEFORE_SECONDS),
        "nextUpdate": stamp(now + VALID_SECONDS),
        "tcbEvaluationDataNumber": EVALUATION_NUMBER,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": QE_ATTRIBUTES.hex().upper(),
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": QE_SIGNER.hex().upper(),
        "isvprodid": TD_QE_PRODUCT if is_tdx else QE_PRODUCT,
        "tcbLevels": [{"tcb": {"isvsvn": QE_SVN}, "tcbDate": TCB_DATE, "tcbStatus": "UpToDate"}],
    }


def components(svns: bytes) -> list[Document]:
    """Sixteen SVN components as the documents write them."""
    return [{"svn": svn} for svn in svns.ljust(SVN_COMPONENTS, b"\0")]


def stamp(seconds: int) -> str:
    """A moment as the documents write it."""
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))
