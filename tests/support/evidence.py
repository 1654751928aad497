"""Evidence for tests: a world with a software vendor; bundles, good unless told otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.adapters.software_collateral import CollateralPlan, make_collateral
from offchain.attestation.adapters.software_gpu import SoftwareGpus
from offchain.attestation.adapters.software_quote import (
    HeaderPlan,
    QePlan,
    QuotingEnclave,
    start_quoting,
)
from offchain.attestation.adapters.software_tee import SoftwareTee, TdPlan
from offchain.attestation.adapters.software_vendor import Issued, Vendor, create_vendor, issue_leaf
from offchain.attestation.bundle import Bundle
from offchain.attestation.model import Claims, MeasurementClass, TeeType, sgx_measurement_id
from offchain.attestation.policy import Here, MeasurementEntry, Policy
from offchain.attestation.quote import (
    SgxBody,
    encode_sgx_report,
    parse_sgx_report,
)
from offchain.attestation.report_data import Domain, epoch_nonce, report_data
from offchain.attestation.verify import verify_bundle

NOW = 1_800_000_000
EPOCH = 41
DOMAIN = Domain(chain_id=31337, registry=b"\x11" * 20)
SERVICE = b"\x22" * 32
SIGNER = b"\x33" * 20
ENC_KEY = b"\x44" * 32
TLS_KEY = b"\x55" * 91
COMPOSE = (
    '{"name":"broker","services":{"broker":{"image":"apogee/broker@sha256:' + "ab" * 32 + '"}}}'
)


def nonce_of(epoch: int) -> bytes:
    """The nonce of an epoch of this world."""
    return epoch_nonce(epoch, epoch.to_bytes(32, "big"))


NONCES = {EPOCH: nonce_of(EPOCH), EPOCH - 1: nonce_of(EPOCH - 1)}


@cache
def vendor() -> Vendor:
    """The vendor of this world."""
    return create_vendor(NOW)


@cache
def stranger() -> Vendor:
    """A vendor that nobody here trusts."""
    return create_vendor(NOW)


@cache
def library() -> DcapQvl:
    """The library under this world's root."""
    return DcapQvl(vendor().root_der)


def machine(gpus: SoftwareGpus | None = None, **plan: Any) -> SoftwareTee:
    """A simulated machine; keywords are fields of its TdPlan."""
    return SoftwareTee(vendor(), TdPlan(**{"compose": COMPOSE, **plan}), NOW, gpus)


@cache
def usual_machine() -> SoftwareTee:
    """The machine that most tests share."""
    return machine()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the machine put into report_data; the bundle states the usual values all the same."""

    domain: Domain = DOMAIN
    service_id: bytes = SERVICE
    signer: bytes = SIGNER
    enc_key: bytes = ENC_KEY
    tls_key: bytes = TLS_KEY
    nonce: bytes = field(default_factory=lambda: NONCES[EPOCH])

    def report_data(self, *, has_gpu: bool = False) -> bytes:
        stated = replace(plain_bundle(), service_id=self.service_id, signer=self.signer)
        stated = replace(stated, enc_key=self.enc_key, tls_key=self.tls_key)
        return report_data(self.domain, stated.subject(), self.nonce, has_gpu=has_gpu)


def plain_bundle() -> Bundle:
    """A bundle without evidence in it."""
    return Bundle(DOMAIN, EPOCH, SERVICE, SIGNER, ENC_KEY, TLS_KEY, b"", "", "", "", "")


def bundle_of(
    tee: SoftwareTee, asked: Asked | None = None, *, raw_data: bytes | None = None
) -> Bundle:
    """What a machine publishes."""
    wanted = (Asked() if asked is None else asked).report_data(has_gpu=tee.gpus is not None)
    data = wanted if raw_data is None else raw_data
    return replace(
        plain_bundle(),
        quote=tee.quote(data),
        collateral=tee.collateral(NOW),
        event_log=tee.event_log,
        compose=tee.compose,
        gpu=tee.gpu_evidence(data),
    )


@cache
def usual_bundle() -> Bundle:
    """The bundle that most tests share."""
    return bundle_of(usual_machine())


@cache
def usual_entry() -> MeasurementEntry:
    """The allow-list's entry for the usual machine."""
    return MeasurementEntry(
        measurement_id=usual_machine().measurement_id,
        measurement_class=MeasurementClass.BROKER,
        valid_until=NOW + 86_400 * 365,
    )


def policy_of(entry: MeasurementEntry | None = None, **changes: Any) -> Policy:
    """A devnet's policy with one entry."""
    listed = (usual_entry() if entry is None else entry,)
    usual = {"allow_simulated": True, "gpu_roots": frozenset({vendor().gpu_root.der})}
    return Policy(**{"measurements": listed, **usual, **changes})


HERE = Here(domain=DOMAIN, nonces=NONCES, now=NOW, service_id=SERVICE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A bundle with everything it is judged by."""

    bundle: Bundle
    policy: Policy = field(default_factory=policy_of)
    here: Here = HERE
    library: DcapQvl = field(default_factory=library)

    def verify(self) -> Claims:
        return verify_bundle(self.bundle, policy=self.policy, here=self.here, library=self.library)


def attempt(change: Callable[[Bundle], Bundle] | None = None, **plan: Any) -> Attempt:
    """The usual bundle, or that of a machine with these fields of TdPlan, changed at the end."""
    bundle = bundle_of(machine(**plan)) if plan else usual_bundle()
    return Attempt(bundle if change is None else change(bundle))


@cache
def any_leaf() -> Issued:
    """A PCK leaf of this vendor; collateral that revokes nothing is the same for all of them."""
    return issue_leaf(vendor(), NOW)


def collateral_of(plan: CollateralPlan) -> str:
    """Other collateral for the usual machine."""
    return make_collateral(vendor(), any_leaf(), NOW, plan)


@cache
def sgx_quoting() -> QuotingEnclave:
    """The quoting enclave of a machine with SGX only."""
    return start_quoting(vendor(), any_leaf(), tee_type=int(TeeType.SGX), plan=QePlan())


def sgx_attempt(attributes: bytes = bytes([5]) + bytes(15)) -> Attempt:
    """A good SGX quote with its collateral, listed by enclave."""
    body = SgxBody(
        cpu_svn=bytes(16),
        misc_select=0,
        attributes=attributes,
        mr_enclave=b"\x66" * 32,
        mr_signer=b"\x77" * 32,
        isv_prod_id=1,
        isv_svn=2,
        report_data=Asked().report_data(),
    )
    header = HeaderPlan(version=3, tee_type=int(TeeType.SGX))
    quote = sgx_quoting().quote(header, encode_sgx_report(body))
    assert parse_sgx_report(encode_sgx_report(body)) == body
    collateral = collateral_of(CollateralPlan(is_tdx=False))
    entry = replace(usual_entry(), measurement_id=sgx_measurement_id(body))
    bundle = replace(plain_bundle(), quote=quote, collateral=collateral)
    return Attempt(bundle, policy=policy_of(entry))
