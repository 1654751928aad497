"""A TEE made of software: a devnet's vendor in a folder, and enclaves that quote under its root.

  folder/vendor.json   {"version": 1, "chain_id": n, "root" | "pck_ca" | "tcb_signer" | "gpu_root":
                        {"certificate": PEM, "key": PEM}}, mode 0600
  folder/root.der      the root certificate, all that a verifier needs

The quotes pass through the same verifier, policy, relayers and contracts as hardware's; only the
root differs, and therefore everything under it reads as simulated. The enclave's compose text is
made from the hash of the source it runs, so changed code has another measurement.
Source: docs/protocol/attestation.md#software-tee.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from offchain.attestation.adapters.software_collateral import (
    TDX_COMPONENTS,
    CollateralPlan,
    make_collateral,
)
from offchain.attestation.adapters.software_gpu import SoftwareGpus
from offchain.attestation.adapters.software_quote import (
    HeaderPlan,
    QePlan,
    QuotingEnclave,
    start_quoting,
)
from offchain.attestation.adapters.software_vendor import (
    Issued,
    LeafPlan,
    Vendor,
    create_vendor,
    issue_leaf,
)
from offchain.attestation.compose import compose_hash, config_id_of
from offchain.attestation.event_log import (
    BOOT_EVENT,
    OS_IMAGE_EVENT,
    Event,
    encode_event_log,
    replay,
    runtime_event,
)
from offchain.attestation.model import TdBody, TeeType, td_measurement_id
from offchain.attestation.policy import SEPT_VE_DISABLE, USUAL_XFAM
from offchain.attestation.quote import encode_td_report
from offchain.core.errors import Conflict, Corrupt, InvalidInput

LOCAL_CHAINS: Final = frozenset({1337, 31337})
VENDOR_FILE: Final = "vendor.json"
ROOT_FILE: Final = "root.der"
FILE_VERSION: Final = 1
OS_IMAGE: Final = hashlib.sha256(b"apogee simulated os image v1").digest()
MR_TD: Final = hashlib.sha384(b"apogee simulated firmware v1").digest()
MR_SEAM: Final = hashlib.sha384(b"apogee simulated tdx module v1").digest()
TEE_TCB_SVN: Final = bytes([TDX_COMPONENTS[0], 1, TDX_COMPONENTS[2]]) + bytes(13)
ZERO_48: Final = bytes(48)
_ISSUED: Final = ("root", "pck_ca", "tcb_signer", "gpu_root")
_BOOT: Final = ("virtual hardware", "kernel", "command line and initrd")


class ChainNotLocal(InvalidInput):
    """A software TEE exists on a devnet only."""

    code = "attestation.software_tee.chain_not_local"
    next_step = "Use hardware here; the software TEE serves chain ids 1337 and 31337 only."


class VendorOfOtherChain(Conflict):
    """The folder holds the vendor of another chain."""

    code = "attestation.software_tee.other_chain"
    next_step = "Start the devnet in a folder of its own."


class VendorFileBroken(Corrupt):
    """The file of the software vendor cannot be read."""

    code = "attestation.software_tee.broken"
    next_step = "Remove the devnet's folder and start it again."


@dataclass(frozen=True, slots=True)
class TdPlan:
    """What a simulated TD reports; the defaults are good, every field is a knob."""

    compose: str
    events: tuple[Event, ...] | None = None  # None: the usual ones
    shown_events: tuple[Event, ...] | None = None  # None: those that were measured
    config_id: bytes | None = None  # None: what follows from the compose text
    tee_tcb_svn: bytes = TEE_TCB_SVN
    mr_td: bytes = MR_TD
    mr_signer_seam: bytes = ZERO_48
    td_attributes: int = SEPT_VE_DISABLE
    xfam: int = USUAL_XFAM
    mr_service_td: bytes = ZERO_48
    header: HeaderPlan = field(default_factory=HeaderPlan)
    qe: QePlan = field(default_factory=QePlan)
    leaf: LeafPlan = field(default_factory=LeafPlan)
    collateral: CollateralPlan = field(default_factory=CollateralPlan)


@dataclass(slots=True)
class SoftwareTee:
    """One simulated machine with one TD in it: an Enclave."""

    vendor: Vendor
    plan: TdPlan
    started_at: int
    gpus: SoftwareGpus | None = None
    _leaf: Issued = field(init=False)
    _quoting: QuotingEnclave = field(init=False)

    def __post_init__(self) -> None:
        self._leaf = issue_leaf(self.vendor, self.started_at, self.plan.leaf)
        self._quoting = start_quoting(
            self.vendor, self._leaf, tee_type=int(TeeType.TDX), plan=self.plan.qe
        )

    @property
    def event_log(self) -> str:
        shown = self.plan.shown_events
        return encode_event_log(self._events() if shown is None else shown)

    @property
    def compose(self) -> str:
        return self.plan.compose

    @property
    def measurement_id(self) -> bytes:
        """What an allow-list has to hold for this machine's code."""
        body = self.body(bytes(64))
        return td_measurement_id(
            body, os_image=OS_IMAGE, compose_hash=compose_hash(self.plan.compose)
        )

    def body(self, report_data: bytes) -> TdBody:
        """The report of the TD."""
        plan = self.plan
        config = config_id_of(plan.compose) if plan.config_id is None else plan.config_id
        return TdBody(
            tee_tcb_svn=plan.tee_tcb_svn,
            mr_seam=MR_SEAM,
            mr_signer_seam=plan.mr_signer_seam,
            seam_attributes=bytes(8),
            td_attributes=plan.td_attributes,
            xfam=plan.xfam,
            mr_td=plan.mr_td,
            mr_config_id=config,
            mr_owner=ZERO_48,
            mr_owner_config=ZERO_48,
            rtmrs=replay(self._events()),
            report_data=report_data,
            mr_service_td=plan.mr_service_td,
        )

    def quote(self, report_data: bytes) -> bytes:
        """A canonical quote with these 64 bytes."""
        header = self.plan.header
        body = encode_td_report(self.body(report_data), is_td15=header.is_td15)
        return self._quoting.quote(header, body)

    def collateral(self, now: int) -> str:
        """The vendor's documents at a moment."""
        return make_collateral(self.vendor, self._leaf, now, self.plan.collateral)

    def gpu_evidence(self, report_data: bytes) -> str:
        """Evidence of the simulated GPUs; empty without any."""
        return "" if self.gpus is None else self.gpus.evidence(report_data)

    def sealing_key(self, purpose: bytes) -> bytes:
        """A key that only this code on this vendor's machines gets, the same at every start."""
        root = self.vendor.root.key.private_numbers().private_value.to_bytes(32, "big")
        return hashlib.sha256(root + self.measurement_id + purpose).digest()

    def _events(self) -> tuple[Event, ...]:
        return usual_events(self.plan.compose) if self.plan.events is None else self.plan.events


def usual_events(compose: str) -> tuple[Event, ...]:
    """What a simulated boot measures, then what runs."""
    boot = tuple(
        Event(
            imr, BOOT_EVENT, hashlib.sha384(f"apogee simulated {name}".encode()).digest(), "", b""
        )
        for imr, name in enumerate(_BOOT)
    )
    return (
        *boot,
        runtime_event(3, OS_IMAGE_EVENT, OS_IMAGE),
        runtime_event(3, "compose-hash", compose_hash(compose)),
        runtime_event(3, "system-ready", b""),
    )


def compose_of_source(name: str, folders: Iterable[Path]) -> str:
    """The compose text of a process that runs from source: its image is the hash of that source."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).digest()
            digest.update(
                f"{folder.name}/{path.relative_to(folder).as_posix()}\n".encode() + content
            )
    image = f"apogee/{name}@sha256:{digest.hexdigest()}"
    return json.dumps({"name": name, "services": {name: {"image": image}}}, separators=(",", ":"))


def create_vendor_folder(folder: Path, *, chain_id: int, now: int) -> Vendor:
    """Make a devnet's vendor, or open the one that is there.

    Raises: ChainNotLocal, VendorOfOtherChain, VendorFileBroken.
    """
    if chain_id not in LOCAL_CHAINS:
        raise ChainNotLocal(chain_id=chain_id)
    if (folder / VENDOR_FILE).exists():
        return open_vendor_folder(folder, chain_id=chain_id)
    folder.mkdir(parents=True, exist_ok=True)
    vendor = create_vendor(now)
    document: dict[str, object] = {"version": FILE_VERSION, "chain_id": chain_id}
    for name in _ISSUED:
        document[name] = _pem_of(getattr(vendor, name))
    _write(folder / ROOT_FILE, vendor.root_der)
    _write(folder / VENDOR_FILE, json.dumps(document).encode())
    return vendor


def open_vendor_folder(folder: Path, *, chain_id: int) -> Vendor:
    """The vendor of a devnet. Raises: ChainNotLocal, VendorOfOtherChain, VendorFileBroken."""
    if chain_id not in LOCAL_CHAINS:
        raise ChainNotLocal(chain_id=chain_id)
    try:
        found = json.loads((folder / VENDOR_FILE).read_bytes())
        stored_chain = found["chain_id"]
        vendor = Vendor(**{name: _issued_of(found[name]) for name in _ISSUED})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VendorFileBroken(path=folder / VENDOR_FILE) from error
    if stored_chain != chain_id:
        raise VendorOfOtherChain(found=stored_chain, wanted=chain_id)
    return vendor


def read_root(folder: Path) -> bytes:
    """The root certificate of a devnet, DER. Raises: VendorFileBroken."""
    try:
        return (folder / ROOT_FILE).read_bytes()
    except OSError as error:
        raise VendorFileBroken(path=folder / ROOT_FILE) from error


def _pem_of(issued: Issued) -> dict[str, str]:
    key = issued.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = issued.certificate.public_bytes(serialization.Encoding.PEM)
    return {"certificate": certificate.decode(), "key": key.decode()}


def _issued_of(found: dict[str, Any]) -> Issued:
    key = serialization.load_pem_private_key(found["key"].encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key is on another curve")
    return Issued(x509.load_pem_x509_certificate(found["certificate"].encode()), key)


def _write(path: Path, content: bytes) -> None:
    """Write a file only its owner reads, so that it is whole or absent."""
    fresh = path.with_suffix(path.suffix + ".tmp")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)
