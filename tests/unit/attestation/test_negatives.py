"""Every named piece of bad evidence is refused for exactly its reason."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from dcap_qvl import QuoteCollateralV3, QuotePolicy, QuoteVerifier

from offchain.attestation.adapters.dcap_qvl import MESSAGES, reason_of
from offchain.attestation.reasons import EvidenceRefused, Reason
from tests.support.evidence_bad_form import FORM_CASES, Case
from tests.support.evidence_bad_subject import (
    ATTRIBUTE_CASES,
    BINDING_CASES,
    GPU_CASES,
    LABEL_CASES,
    MEASUREMENT_CASES,
)
from tests.support.evidence_bad_vendor import (
    CERTIFICATE_CASES,
    COLLATERAL_CASES,
    PLATFORM_CASES,
)

CASES = (
    *FORM_CASES,
    *CERTIFICATE_CASES,
    *COLLATERAL_CASES,
    *PLATFORM_CASES,
    *ATTRIBUTE_CASES,
    *MEASUREMENT_CASES,
    *BINDING_CASES,
    *GPU_CASES,
    *LABEL_CASES,
)
# Reasons that no bundle meets: they are of quorums and signed verdicts, which the relay judges.
RELAY_REASONS = {
    Reason.QUORUM_NOT_REACHED,
    Reason.RELAYER_NOT_ELIGIBLE,
    Reason.VERDICT_TIME_INVALID,
    Reason.VERDICT_SIGNATURE_INVALID,
}
PINNED = Path(__file__).parents[2] / "vectors" / "attestation" / "library_messages.json"
MIN_CASES = 46


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verify_bundle__bad_evidence__refused_with_exactly_its_reason(case: Case) -> None:
    attempt = case.make()

    with pytest.raises(EvidenceRefused) as refused:
        attempt.verify()

    assert refused.value.reasons == (case.reason,)


@pytest.mark.parametrize(
    "case", [one for one in CASES if one.passes_library], ids=lambda case: case.name
)
def test_library__strict_policy_and_bad_evidence__passes_step_one(case: Case) -> None:
    attempt = case.make()
    bundle, now = attempt.bundle, attempt.here.now
    verifier = QuoteVerifier(attempt.library.root)

    claims = verifier.verify_with_policy(
        bundle.quote,
        QuoteCollateralV3.from_json(bundle.collateral),
        now,
        QuotePolicy.strict(now),
    )

    assert json.loads(claims.to_json())["tcb"]["status"] == "UpToDate"


def test_cases__names__distinct_and_more_than_the_bar() -> None:
    names = {case.name for case in CASES}

    assert len(names) == len(CASES) >= MIN_CASES


def test_cases__reasons__every_reason_has_a_case() -> None:
    shown = {case.reason for case in CASES}

    assert set(Reason) - shown == RELAY_REASONS | {Reason.QUOTE_REJECTED}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_library_messages__version_in_use__are_the_pinned_ones(case: Case) -> None:
    pinned = json.loads(PINNED.read_text())
    attempt = case.make()

    with pytest.raises(EvidenceRefused) as refused:
        attempt.verify()

    detail = refused.value.refusals[0].detail
    is_of_library = detail.startswith("Verification failed")
    assert version("dcap-qvl") == pinned["version"]
    assert is_of_library == (case.name in pinned["messages"])
    if is_of_library:
        wanted = pinned["messages"][case.name]
        assert detail == wanted
        assert reason_of(detail) is case.reason


def test_messages__each_fragment__is_in_the_pinned_messages_or_in_the_library() -> None:
    import dcap_qvl

    binary = Path(dcap_qvl._dcap_qvl.__file__).read_bytes()

    missing = [part for part, _ in MESSAGES if part.encode() not in binary]

    assert missing == []


def test_reason_of__message_without_a_word__is_quote_rejected() -> None:
    assert reason_of("Verification failed: something new") is Reason.QUOTE_REJECTED


def test_protocol_page__reasons__all_are_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "protocol" / "attestation.md").read_text()
    table = page.partition("## Reasons")[2].partition("\n## ")[0]

    missing = [reason for reason in Reason if reason not in table]

    assert missing == []
