"""Good evidence of every format passes, and what the policy allows on purpose."""

from dataclasses import replace

import pytest

from offchain.attestation.adapters.software_collateral import CollateralPlan
from offchain.attestation.adapters.software_gpu import SoftwareGpus
from offchain.attestation.adapters.software_quote import HeaderPlan
from offchain.attestation.canonical import canonical_bytes
from offchain.attestation.model import MeasurementClass, TcbStatus, TeeType
from offchain.attestation.quote import P256_ORDER, encode_quote, parse_quote
from offchain.attestation.reasons import EvidenceRefused, Reason
from offchain.core.hashing import keccak
from tests.support.evidence import (
    EPOCH,
    HERE,
    NOW,
    Asked,
    Attempt,
    attempt,
    bundle_of,
    machine,
    nonce_of,
    policy_of,
    sgx_attempt,
    usual_bundle,
    usual_entry,
    usual_machine,
    vendor,
)
from tests.support.evidence_bad_vendor import level_status

HOUR = 3_600


def test_verify_bundle__td_quote_v4__claims_say_what_the_evidence_shows() -> None:
    bundle = usual_bundle()

    claims = Attempt(bundle).verify()

    assert claims.tee_type is TeeType.TDX
    assert claims.quote_version == 4
    assert claims.measurement_id == usual_machine().measurement_id
    assert claims.measurement_class is MeasurementClass.BROKER
    assert claims.subject == bundle.subject()
    assert claims.nonce == nonce_of(EPOCH)
    assert claims.tcb_status is claims.qe_status is TcbStatus.UP_TO_DATE
    assert claims.simulated
    assert claims.quote_hash == keccak(bundle.quote)
    assert claims.bundle_root == bundle.root()
    assert NOW < claims.usable_until <= usual_entry().valid_until


@pytest.mark.parametrize("is_td15", [False, True], ids=["td10", "td15"])
def test_verify_bundle__td_quote_v5__accepted(is_td15: bool) -> None:
    found = attempt(header=HeaderPlan(version=5, is_td15=is_td15))

    claims = found.verify()

    assert claims.quote_version == 5
    assert claims.measurement_id == usual_machine().measurement_id


def test_verify_bundle__sgx_quote_v3__accepted_by_its_enclave() -> None:
    found = sgx_attempt()

    claims = found.verify()

    assert claims.tee_type is TeeType.SGX
    assert claims.quote_version == 3


def test_verify_bundle__sgx_debug_enclave__refused() -> None:
    found = sgx_attempt(attributes=bytes([7]) + bytes(15))

    with pytest.raises(EvidenceRefused) as refused:
        found.verify()

    assert refused.value.reasons == (Reason.DEBUG_ENABLED,)


def test_verify_bundle__nonce_of_last_epoch__accepted() -> None:
    made = bundle_of(usual_machine(), Asked(nonce=nonce_of(EPOCH - 1)))
    bundle = replace(made, epoch=EPOCH - 1)

    claims = Attempt(bundle).verify()

    assert claims.epoch == EPOCH - 1


@pytest.mark.parametrize("skew", [-HOUR, HOUR], ids=["hour_behind", "hour_ahead"])
def test_verify_bundle__clock_an_hour_off__accepted(skew: int) -> None:
    found = Attempt(usual_bundle(), here=replace(HERE, now=NOW + skew))

    claims = found.verify()

    assert claims.usable_until > NOW + HOUR


def test_verify_bundle__hardening_with_named_advisories__accepted_and_told() -> None:
    change = level_status("SWHardeningNeeded", "INTEL-SA-00001")
    bundle = attempt(collateral=CollateralPlan(change_tcb=change)).bundle
    entry = replace(usual_entry(), hardening_advisories=frozenset({"INTEL-SA-00001"}))

    claims = Attempt(bundle, policy=policy_of(entry)).verify()

    assert claims.tcb_status is TcbStatus.SW_HARDENING_NEEDED
    assert claims.advisories == ("INTEL-SA-00001",)


def test_verify_bundle__gpus_with_reference_values__claims_name_them() -> None:
    gpus = SoftwareGpus(vendor(), NOW, count=8)
    entry = replace(usual_entry(), gpu=gpus.requirement())

    claims = Attempt(bundle_of(machine(gpus=gpus)), policy=policy_of(entry)).verify()

    assert claims.gpu is not None
    assert (claims.gpu.count, claims.gpu.simulated) == (8, True)
    assert any(claims.gpu_hash)


def test_canonical_bytes__as_hardware_gives_it__same_evidence_in_one_form() -> None:
    raw = usual_bundle().quote
    quote = parse_quote(raw)
    seal = quote.seal
    high = P256_ORDER - int.from_bytes(seal.signature[32:], "big")
    loose = replace(
        seal,
        signature=seal.signature[:32] + high.to_bytes(32, "big"),
        pem_chain=seal.pem_chain.replace(b"\n", b"\r\n") + b"\0",
    )

    told = encode_quote(quote.version, quote.signed, loose) + bytes(60)

    assert canonical_bytes(told) == raw
    assert canonical_bytes(raw) == raw


def test_verify_bundle__valid_until_its_last_second__then_refused() -> None:
    claims = Attempt(usual_bundle()).verify()
    last = replace(HERE, now=claims.usable_until)
    late = replace(HERE, now=claims.usable_until + 1)

    assert Attempt(usual_bundle(), here=last).verify() == claims
    with pytest.raises(EvidenceRefused):
        Attempt(usual_bundle(), here=late).verify()
