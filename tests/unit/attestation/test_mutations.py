"""One change at a time: any bit of a canonical quote, any field of collateral and event log."""

import json
from dataclasses import replace
from typing import Any

import pytest

from offchain.attestation.adapters.software_collateral import CollateralPlan, qe_identity, tcb_info
from offchain.attestation.adapters.software_quote import HeaderPlan
from offchain.attestation.adapters.software_vendor import Platform
from offchain.attestation.quote import parse_quote
from offchain.attestation.reasons import EvidenceRefused, Reason
from tests.support.evidence import (
    NOW,
    Attempt,
    attempt,
    collateral_of,
    sgx_attempt,
    usual_bundle,
)
from tests.support.evidence_bad_form import flipped

# What the library reads with a default; neither has a say in what is accepted.
OPTIONAL_TCB = {"tcbType"}
SAYS_NOTHING = {"tcbType", "tcbDate"}


def refused_reasons(found: Attempt) -> tuple[Reason, ...]:
    """Why evidence is refused; empty when it passes."""
    try:
        found.verify()
    except EvidenceRefused as error:
        return error.reasons
    return ()


def test_quote__one_bit_of_each_byte_flipped__always_refused() -> None:
    found = attempt()
    raw = found.bundle.quote

    accepted = [
        at
        for at in range(len(raw))
        if not refused_reasons(
            replace(found, bundle=replace(found.bundle, quote=flipped(at, at % 8)(raw)))
        )
    ]

    assert accepted == []


def td15_attempt() -> Attempt:
    """A version 5 quote with a TD 1.5 report."""
    return attempt(header=HeaderPlan(version=5, is_td15=True))


@pytest.mark.parametrize("make", [attempt, td15_attempt, sgx_attempt], ids=["tdx", "td15", "sgx"])
def test_quote__every_bit_of_a_tenth_of_the_signed_bytes__always_refused(make: Any) -> None:
    found = make()
    raw = found.bundle.quote
    signed = len(parse_quote(raw).signed)

    accepted = [
        (at, bit)
        for at in range(0, signed, 10)
        for bit in range(8)
        if not refused_reasons(
            replace(found, bundle=replace(found.bundle, quote=flipped(at, bit)(raw)))
        )
    ]

    assert accepted == []


@pytest.mark.parametrize("cut", [1, 48, 631, 632, 700, 1200, 4000])
def test_quote__cut_short__refused_as_truncated_or_not_canonical(cut: int) -> None:
    found = attempt()

    reasons = refused_reasons(
        replace(found, bundle=replace(found.bundle, quote=found.bundle.quote[:cut]))
    )

    assert reasons[0] in {Reason.QUOTE_TRUNCATED, Reason.QUOTE_NOT_CANONICAL}


def test_collateral__any_character_of_any_document_changed__refused() -> None:
    found = attempt()
    documents = json.loads(found.bundle.collateral)

    accepted = []
    for name, text in documents.items():
        for at in range(0, len(text), max(1, len(text) // 12)):
            other = "0" if text[at] != "0" else "1"
            changed = json.dumps({**documents, name: text[:at] + other + text[at + 1 :]})
            bundle = replace(found.bundle, collateral=changed)
            if not refused_reasons(replace(found, bundle=bundle)):
                accepted.append((name, at))

    assert accepted == []


@pytest.mark.parametrize("name", sorted(json.loads(usual_bundle().collateral)))
@pytest.mark.parametrize("value", [None, 7, "", "zz", []], ids=repr)
def test_collateral__document_of_another_kind__refused(name: str, value: object) -> None:
    found = attempt()
    documents = {**json.loads(found.bundle.collateral), name: value}

    reasons = refused_reasons(
        replace(found, bundle=replace(found.bundle, collateral=json.dumps(documents)))
    )

    assert reasons


def test_collateral__document_missing_or_added__refused() -> None:
    found = attempt()
    documents = json.loads(found.bundle.collateral)
    changed = [{key: documents[key] for key in documents if key != name} for name in documents]
    changed.append({**documents, "more": ""})

    reasons = [
        refused_reasons(replace(found, bundle=replace(found.bundle, collateral=json.dumps(one))))
        for one in changed
    ]

    assert reasons == [(Reason.COLLATERAL_MALFORMED,)] * 10


def paths(document: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the fields of a document are."""
    if isinstance(document, dict):
        return [
            path
            for name, value in document.items()
            for path in [(*prefix, name), *paths(value, (*prefix, name))]
        ]
    if isinstance(document, list):
        return [
            path for at, value in enumerate(document[:1]) for path in paths(value, (*prefix, at))
        ]
    return []


def drop(document: Any, path: tuple[Any, ...]) -> None:
    """Remove one field."""
    for step in path[:-1]:
        document = document[step]
    del document[path[-1]]


@pytest.mark.parametrize(
    "path", paths(tcb_info(Platform(), NOW, is_tdx=True)), ids=lambda path: ".".join(map(str, path))
)
def test_tcb_info__signed_without_a_field__refused_unless_it_says_nothing_of_trust(
    path: tuple[Any, ...],
) -> None:
    found = attempt(collateral=CollateralPlan(change_tcb=lambda document: drop(document, path)))

    assert refused_reasons(found) or path[-1] in OPTIONAL_TCB


@pytest.mark.parametrize(
    "path", paths(qe_identity(NOW, is_tdx=True)), ids=lambda path: ".".join(map(str, path))
)
def test_qe_identity__signed_without_a_field__refused(path: tuple[Any, ...]) -> None:
    found = attempt(collateral=CollateralPlan(change_qe=lambda document: drop(document, path)))

    assert refused_reasons(found)


STRANGE = (
    None,
    True,
    -1,
    1 << 70,
    1.5,
    "x",
    "0001-01-01T00:00:00Z",
    "2026-13-01T00:00:00z",
    [],
    {},
)


def put(document: Any, path: tuple[Any, ...], value: object) -> None:
    """Replace one field."""
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


@pytest.mark.parametrize("which", ["change_tcb", "change_qe"])
def test_signed_documents__any_field_of_another_kind__refused_or_accepted_never_an_error(
    which: str,
) -> None:
    document = (
        tcb_info(Platform(), NOW, is_tdx=True)
        if which == "change_tcb"
        else qe_identity(NOW, is_tdx=True)
    )
    found = attempt()
    accepted = []
    for path in paths(document):
        for value in STRANGE:
            plan = CollateralPlan(**{which: lambda one, p=path, v=value: put(one, p, v)})
            collateral = collateral_of(plan)
            if not refused_reasons(
                replace(found, bundle=replace(found.bundle, collateral=collateral))
            ):
                accepted.append((path, value))

    assert {path[-1] for path, _ in accepted} <= SAYS_NOTHING


def mutated_events() -> list[tuple[str, str]]:
    """The log with one field of one event changed, each once."""
    events = json.loads(usual_bundle().event_log)
    logs = []
    for at, event in enumerate(events):
        for name, value in event.items():
            other: object = value + 1 if isinstance(value, int) else f"{value}00"
            if name == "digest":
                other = "00" * 48
            changed = [*events[:at], {**event, name: other}, *events[at + 1 :]]
            logs.append((f"{at}.{name}", json.dumps(changed)))
        logs.append((f"{at}.dropped", json.dumps([*events[:at], *events[at + 1 :]])))
        logs.append((f"{at}.twice", json.dumps([*events[: at + 1], *events[at:]])))
    return logs


@pytest.mark.parametrize(
    "log", [pair[1] for pair in mutated_events()], ids=[pair[0] for pair in mutated_events()]
)
def test_event_log__one_field_of_one_event_changed__refused(log: str) -> None:
    found = attempt()

    reasons = refused_reasons(replace(found, bundle=replace(found.bundle, event_log=log)))

    assert set(reasons) & {Reason.EVENT_LOG_MISMATCH, Reason.EVENT_LOG_MALFORMED}
