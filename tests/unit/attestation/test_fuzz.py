"""Parsers meet any bytes: a value or their own refusal; nothing changed is accepted."""

import json
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from offchain.attestation.adapters.dcap_qvl import parse_collateral
from offchain.attestation.adapters.software_gpu import SoftwareGpus
from offchain.attestation.bundle import Bundle, BundleMalformed, parse_bundle
from offchain.attestation.canonical import canonical_bytes, canonical_collateral
from offchain.attestation.compose import judge_compose
from offchain.attestation.event_log import encode_event_log, parse_event_log
from offchain.attestation.gpu import parse_gpu_evidence
from offchain.attestation.model import Verdict, parse_verdict
from offchain.attestation.quote import encode_quote, parse_quote
from offchain.attestation.reasons import EvidenceRefused, Reason
from offchain.attestation.report_data import Domain, read_report_data
from offchain.core.errors import InvalidInput
from tests.support.evidence import NOW, attempt, usual_bundle, vendor

QUOTE = usual_bundle().quote
GPU_TEXT = SoftwareGpus(vendor(), NOW).evidence(bytes(64))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
EVENT = st.fixed_dictionaries(
    {
        "imr": st.integers(-1, 5) | st.booleans(),
        "event_type": st.sampled_from([0, 1, 0x08000001]) | st.none(),
        "digest": st.binary(max_size=50).map(bytes.hex) | st.text(max_size=5),
        "event": st.text(max_size=10),
        "event_payload": st.binary(max_size=40).map(bytes.hex) | st.integers(),
    }
)
DEEP = st.sampled_from(["[" * 100_000, '{"a":' * 100_000, "[" * 3_000])
TEXTS = DEEP | st.text(max_size=200) | JSON.map(json.dumps)


@st.composite
def spliced(draw: st.DrawFn) -> bytes:
    """The good quote with one stretch replaced, dropped or doubled."""
    at = draw(st.integers(0, len(QUOTE)))
    end = draw(st.integers(at, min(len(QUOTE), at + 200)))
    return QUOTE[:at] + draw(st.binary(max_size=64)) + QUOTE[end:]


@given(raw=st.binary(max_size=1_200) | spliced())
def test_parse_quote__any_bytes__quote_or_refusal(raw: bytes) -> None:
    try:
        quote = parse_quote(raw)
    except EvidenceRefused as error:
        assert len(error.reasons) == 1
    else:
        assert quote.signed == raw[: len(quote.signed)]


@given(raw=spliced())
def test_verify_bundle__quote_spliced__never_accepted(raw: bytes) -> None:
    assume(raw != QUOTE)
    found = attempt()

    try:
        replace(found, bundle=replace(found.bundle, quote=raw)).verify()
    except EvidenceRefused as error:
        assert error.reasons
    else:
        raise AssertionError("a changed quote was accepted")


@given(raw=spliced())
def test_canonical_bytes__any_splice__refused_or_a_fixed_point(raw: bytes) -> None:
    try:
        once = canonical_bytes(raw)
    except EvidenceRefused:
        return
    assert canonical_bytes(once) == once
    quote = parse_quote(once)
    assert encode_quote(quote.version, quote.signed, quote.seal) == once


@given(text=TEXTS | st.lists(EVENT, max_size=5).map(json.dumps))
def test_parse_event_log__any_text__events_or_refusal(text: str) -> None:
    try:
        events = parse_event_log(text)
    except EvidenceRefused as error:
        assert error.reasons == (Reason.EVENT_LOG_MALFORMED,)
    else:
        assert parse_event_log(encode_event_log(events)) == events


@given(text=TEXTS)
def test_parse_gpu_evidence__any_text__refused_as_malformed(text: str) -> None:
    try:
        parse_gpu_evidence(text)
    except EvidenceRefused as error:
        assert error.reasons == (Reason.GPU_EVIDENCE_MALFORMED,)
    else:
        raise AssertionError("evidence out of nothing")


@given(at=st.integers(0, 3_000), character=st.characters())
def test_parse_gpu_evidence__one_character_changed__never_another_error(
    at: int, character: str
) -> None:
    text = GPU_TEXT[: at % len(GPU_TEXT)] + character + GPU_TEXT[at % len(GPU_TEXT) + 1 :]

    try:
        evidence = parse_gpu_evidence(text)
    except EvidenceRefused as error:
        assert error.reasons == (Reason.GPU_EVIDENCE_MALFORMED,)
    else:
        assert len(evidence.reports) == 1


@given(
    text=TEXTS
    | st.dictionaries(st.sampled_from(sorted(json.loads(usual_bundle().collateral))), JSON).map(
        json.dumps
    )
)
def test_parse_collateral__any_text__refused(text: str) -> None:
    canonical = canonical_collateral_or_text(text)

    for one in (text, canonical):
        try:
            parse_collateral(one)
        except EvidenceRefused as error:
            assert error.reasons[0] in {Reason.COLLATERAL_MALFORMED, Reason.QUOTE_NOT_CANONICAL}
        else:
            raise AssertionError("collateral out of nothing")


def canonical_collateral_or_text(text: str) -> str:
    """The canonical form, or the text where a chain in it has none."""
    try:
        return canonical_collateral(text)
    except EvidenceRefused:
        return text


@given(text=TEXTS)
def test_judge_compose__any_text__refused_without_a_pinned_image(text: str) -> None:
    refusal = judge_compose(text)

    assert refusal is not None
    assert refusal.reason is Reason.COMPOSE_NOT_PINNED


@settings(max_examples=60)
@given(
    raw=DEEP.map(str.encode)
    | st.binary(max_size=300)
    | JSON.map(lambda found: json.dumps(found).encode())
)
def test_parse_bundle__any_bytes__refused(raw: bytes) -> None:
    try:
        parse_bundle(raw)
    except BundleMalformed as error:
        assert error.code == "attestation.bundle_malformed"
    else:
        raise AssertionError("a bundle out of nothing")


@given(field=st.sampled_from(sorted(json.loads(usual_bundle().to_json()))), value=JSON)
def test_parse_bundle__one_field_replaced__bundle_or_refusal(field: str, value: object) -> None:
    found = json.loads(usual_bundle().to_json())

    try:
        parsed = parse_bundle(json.dumps({**found, field: value}).encode())
    except BundleMalformed:
        return
    assert parse_bundle(parsed.to_json()) == parsed


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
bundles = st.builds(
    Bundle,
    domain=st.builds(
        Domain,
        chain_id=st.integers(0, (1 << 64) - 1),
        registry=st.binary(min_size=20, max_size=20),
    ),
    epoch=st.integers(0, (1 << 64) - 1),
    service_id=st.binary(min_size=32, max_size=32),
    signer=st.binary(min_size=20, max_size=20),
    enc_key=st.binary(max_size=40),
    tls_key=st.binary(max_size=100),
    quote=st.binary(max_size=100),
    collateral=texts,
    event_log=texts,
    compose=texts,
    gpu=texts,
)


@given(bundle=bundles)
def test_bundle__to_json_and_back__the_same_with_the_same_root(bundle: Bundle) -> None:
    again = parse_bundle(bundle.to_json())

    assert again == bundle
    assert again.root() == bundle.root()


@given(one=bundles, other=bundles)
def test_bundle_root__other_evidence__another_root(one: Bundle, other: Bundle) -> None:
    parts = [(b.quote, b.collateral, b.event_log, b.compose, b.gpu) for b in (one, other)]

    assert (one.root() == other.root()) == (parts[0] == parts[1])


words32 = st.binary(min_size=32, max_size=32)
verdicts = st.builds(
    Verdict,
    **dict.fromkeys(
        (
            "evidence_id",
            "quote_hash",
            "bundle_root",
            "service_id",
            "enc_key_hash",
            "tls_key_hash",
            "measurement_id",
            "report_data_hash",
            "gpu_hash",
            "collateral_hash",
            "root_key_id",
            "nonce",
        ),
        words32,
    ),
    signer=st.binary(min_size=20, max_size=20),
    tee_type=st.integers(0, 255),
    tcb_status=st.integers(0, 255),
    tcb_eval_number=st.integers(0, (1 << 32) - 1),
    not_after=st.integers(0, (1 << 64) - 1),
)


@given(verdict=verdicts)
def test_verdict__words_and_back__the_same(verdict: Verdict) -> None:
    assert parse_verdict(verdict.struct_words()) == verdict


@given(raw=st.binary(min_size=17 * 32, max_size=17 * 32) | st.binary(max_size=600))
def test_parse_verdict__any_bytes__the_same_bytes_again_or_refused(raw: bytes) -> None:
    try:
        verdict = parse_verdict(raw)
    except InvalidInput:
        return
    assert verdict.struct_words() == raw


@given(raw=st.binary(max_size=80) | st.binary(min_size=64, max_size=64))
def test_read_report_data__any_bytes__fields_only_of_the_one_form(raw: bytes) -> None:
    fields = read_report_data(raw)

    if fields is not None:
        assert raw == fields.binding + fields.signer + bytes([1, int(fields.has_gpu)]) + bytes(10)
