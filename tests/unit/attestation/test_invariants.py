"""What always holds of verification, whatever the evidence."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.attestation.adapters.software_gpu import SoftwareGpus
from offchain.attestation.judge import judge_label
from offchain.attestation.model import INTEL_ROOT_KEY_ID, GpuClaims, verdict_of
from offchain.attestation.policy import Policy
from offchain.attestation.reasons import EvidenceRefused, Reason, Refusals
from offchain.attestation.verify import verify_quote
from tests.support.evidence import (
    HERE,
    NOW,
    Attempt,
    attempt,
    bundle_of,
    library,
    machine,
    policy_of,
    sgx_attempt,
    usual_bundle,
    usual_entry,
    vendor,
)

PACKAGE = Path(__file__).parents[3] / "offchain" / "attestation"
PURE = (
    "model.py",
    "report_data.py",
    "bundle.py",
    "quote.py",
    "canonical.py",
    "event_log.py",
    "compose.py",
    "policy.py",
    "gpu.py",
    "judge.py",
    "verify.py",
    "adapters/dcap_qvl.py",
)
IMPURE = {"time", "socket", "os", "requests", "aiohttp", "httpx", "urllib", "random", "secrets"}
GPU = GpuClaims("any", 1, "any", "any", simulated=True)


@pytest.mark.parametrize("make", [attempt, sgx_attempt], ids=["tdx", "sgx"])
def test_inv_att_4__production_policy__never_accepts_simulated(make: object) -> None:
    found: Attempt = make()  # type: ignore[operator]  # one of two builders
    production = replace(found.policy, allow_simulated=False)

    with pytest.raises(EvidenceRefused) as refused:
        replace(found, policy=production).verify()
    with pytest.raises(EvidenceRefused) as refused_alone:
        verify_quote(
            found.bundle.quote,
            found.bundle.collateral,
            policy=production,
            now=NOW,
            library=library(),
        )

    assert refused.value.reasons == refused_alone.value.reasons == (Reason.SIMULATED_REFUSED,)


def test_inv_att_4__policy__refuses_simulated_unless_told() -> None:
    assert not Policy(measurements=()).allow_simulated


def test_inv_att_4__label__is_in_claims_and_verdict_and_follows_the_root_key() -> None:
    claims = attempt().verify()
    verdict = verdict_of(claims, not_after=NOW + 60)

    assert claims.simulated
    assert verdict.simulated
    assert not replace(verdict, root_key_id=INTEL_ROOT_KEY_ID).simulated


def test_inv_att_4__simulated_gpus_beside_a_hardware_root__refused_by_every_policy() -> None:
    found = Refusals()

    judge_label(GPU, policy_of(allow_simulated=True), simulated=False, found=found)

    assert found.has_any(Reason.SIMULATED_REFUSED)


def _entry_expired(found: Attempt) -> Attempt:
    entry = replace(usual_entry(), valid_until=NOW - 1)
    return replace(found, policy=replace(found.policy, measurements=(entry,)))


EXTRA = '{"imr":2,"event_type":0,"digest":"' + "00" * 48 + '","event":"","event_payload":""}]'
FLAWS = {
    Reason.SIMULATED_REFUSED: lambda found: replace(
        found, policy=replace(found.policy, allow_simulated=False)
    ),
    Reason.EVALUATION_NUMBER_TOO_LOW: lambda found: replace(
        found, policy=replace(found.policy, min_eval_number=99)
    ),
    Reason.COLLATERAL_TOO_OLD: lambda found: replace(
        found, policy=replace(found.policy, max_collateral_age_seconds=1)
    ),
    Reason.DOMAIN_MISMATCH: lambda found: replace(
        found, here=replace(found.here, service_id=bytes(32))
    ),
    Reason.EVENT_LOG_MISMATCH: lambda found: replace(
        found, bundle=replace(found.bundle, event_log=found.bundle.event_log[:-1] + "," + EXTRA)
    ),
    Reason.COMPOSE_MISMATCH: lambda found: replace(
        found, bundle=replace(found.bundle, compose=found.bundle.compose + " ")
    ),
    Reason.MEASUREMENT_EXPIRED: _entry_expired,
    Reason.GPU_NONCE_MISMATCH: lambda found: replace(found, bundle=replace(found.bundle, gpu="{}")),
}


@settings(max_examples=60)
@given(chosen=st.sets(st.sampled_from(sorted(FLAWS))))
def test_inv_att_8__any_set_of_flaws__all_named_and_no_claims(chosen: set[Reason]) -> None:
    found = attempt()
    for reason in chosen:
        found = FLAWS[reason](found)

    try:
        claims = found.verify()
    except EvidenceRefused as error:
        assert set(error.reasons) == chosen
        assert len(error.reasons) == len(chosen)
    else:
        assert not chosen
        assert claims.evidence_id


def test_inv_att_8__gpu_evidence_bad__claims_of_the_cpu_are_not_given_either() -> None:
    gpus = SoftwareGpus(vendor(), NOW, nonce=bytes(32))
    found = Attempt(bundle_of(machine(gpus=gpus)))

    with pytest.raises(EvidenceRefused) as refused:
        found.verify()

    assert refused.value.reasons == (Reason.GPU_NONCE_MISMATCH,)


@pytest.mark.parametrize("name", PURE)
def test_inv_att_11__code_of_verification__imports_no_clock_and_no_network(name: str) -> None:
    tree = ast.parse((PACKAGE / name).read_text())
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    asked = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"dt", "datetime"}
    }

    assert not imported & IMPURE
    assert not asked


def test_inv_att_11__same_inputs__same_claims_and_same_refusals() -> None:
    late = Attempt(usual_bundle(), here=replace(HERE, now=NOW + 86_400 * 365))

    assert attempt().verify() == attempt().verify()
    causes = []
    for _ in range(2):
        with pytest.raises(EvidenceRefused) as refused:
            late.verify()
        causes.append(refused.value.refusals)
    assert causes[0] == causes[1]
