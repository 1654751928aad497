"""Real evidence of the software TEE behind the signer of the usual provider."""

from dataclasses import dataclass, replace
from functools import cache

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.adapters.software_tee import SoftwareTee
from offchain.attestation.bundle import Bundle
from offchain.attestation.model import Claims, MeasurementClass, Verdict, verdict_of
from offchain.attestation.policy import Here, MeasurementEntry
from offchain.attestation.report_data import epoch_nonce, report_data
from offchain.attestation.verify import verify_bundle
from offchain.compute.trust import Evidence, Judged, Rules
from tests.support import evidence
from tests.support.compute import NOW, SIGNER
from tests.support.compute_provider import CHAT
from tests.support.private import REGISTRY, UNTIL

EPOCH = 7
NONCE = epoch_nonce(EPOCH, b"\x07" * 32)
assert NOW == evidence.NOW, "one clock for both"


@dataclass(frozen=True)
class Behind:
    """What a provider shows, and what the chain says around it."""

    bundle: Bundle
    verdict: Verdict
    judged: Judged

    @property
    def shown(self) -> Evidence:
        return Evidence(self.verdict, self.bundle, (b"\x01" * 65,))

    @property
    def attestation_id(self) -> bytes:
        return self.verdict.digest(REGISTRY)


@cache
def a_machine() -> SoftwareTee:
    return evidence.machine()


def an_entry(**changes: object) -> MeasurementEntry:
    entry = MeasurementEntry(a_machine().measurement_id, MeasurementClass.MODEL, NOW + 86_400 * 9)
    return replace(entry, **changes)


def a_bundle(public: bytes, service: bytes = CHAT) -> Bundle:
    """A quote over this key and the usual signer."""
    stated = replace(
        evidence.plain_bundle(),
        domain=REGISTRY,
        epoch=EPOCH,
        service_id=service,
        signer=SIGNER.address,
        enc_key=public,
        tls_key=b"",
    )
    machine = a_machine()
    return replace(
        stated,
        quote=machine.quote(report_data(REGISTRY, stated.subject(), NONCE, has_gpu=False)),
        collateral=machine.collateral(NOW),
        event_log=machine.event_log,
        compose=machine.compose,
    )


def behind(public: bytes, service: bytes = CHAT) -> Behind:
    """Good evidence, with the verdict that honest relayers give."""
    bundle = a_bundle(public, service)
    claims = claims_of(bundle)
    verdict = verdict_of(claims, not_after=UNTIL)
    judged = Judged(
        domain=REGISTRY,
        block=9,
        now=NOW,
        stood=True,
        relayers=(1, 2, 4),
        nonce=NONCE,
        entry=an_entry(),
    )
    return Behind(bundle, verdict, judged)


def claims_of(bundle: Bundle) -> Claims:
    policy = evidence.policy_of(an_entry())
    here = Here(REGISTRY, {EPOCH: NONCE}, NOW, bundle.service_id)
    return verify_bundle(bundle, policy=policy, here=here, library=evidence.library())


def rules() -> Rules:
    return Rules((DcapQvl(), evidence.library()), allow_simulated=True)
