"""What a provider shows a committee: every place is right, and nothing else passes for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from offchain.compute.audit_bundle import (
    Bundle,
    BundleBroken,
    ShownAnswer,
    bundle_digest,
    pack_bundle,
    parse_bundle,
)
from offchain.compute.audit_draw import Span
from offchain.compute.seal import places_in
from tests.support.compute_audits import Trial, a_trial


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return a_trial(tmp_path, payers=3, leaves=3)


def shown(trial: Trial, index: int, leaf: int) -> ShownAnswer:
    receipt = trial.opened.items[index].leaves[leaf].receipt
    return ShownAnswer.of(0, trial.opened, (index, leaf), trial.evidence.find(receipt.request_id))


def test_interval__of_every_answer__they_tile_the_batch(trial: Trial) -> None:
    root, items = trial.opened.tree.root, len(trial.opened.items)

    places = [
        shown(trial, index, leaf).interval(root=root.hash, items=items)
        for index in range(items)
        for leaf in range(3)
    ]

    ends = [place.end for place in places]
    assert [place.first for place in places] == [0, *ends[:-1]]
    assert ends[-1] == root.total


@pytest.mark.parametrize("field", ["index", "leaf", "item", "item_path", "leaf_path"])
def test_interval__of_another_place__is_refused(trial: Trial, field: str) -> None:
    answer, other = shown(trial, 0, 0), shown(trial, 1, 2)
    moved = replace(answer, **{field: getattr(other, field)})

    with pytest.raises(BundleBroken):
        moved.interval(root=trial.opened.tree.root.hash, items=3)


def test_interval__of_another_receipt__is_refused(trial: Trial) -> None:
    answer = shown(trial, 0, 0)
    dearer = replace(answer.signed.receipt, price=answer.signed.receipt.price + 1)
    lying = replace(answer, signed=replace(answer.signed, receipt=dearer))

    with pytest.raises(BundleBroken):
        lying.interval(root=trial.opened.tree.root.hash, items=3)


def test_parse__of_what_was_packed__is_the_same(trial: Trial) -> None:
    bundle = Bundle(7, (shown(trial, 0, 1), shown(trial, 2, 2)))

    raw = pack_bundle(bundle)

    assert parse_bundle(raw, digest=bundle_digest(raw)) == bundle


def test_parse__one_changed_byte_anywhere__is_refused(trial: Trial) -> None:
    raw = pack_bundle(Bundle(7, (shown(trial, 0, 1),)))
    digest = bundle_digest(raw)

    for at in range(0, len(raw), 17):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(BundleBroken):
            parse_bundle(changed, digest=digest)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"version":1,"audit":"1","answers":[{}]}',
        b'{"version":1,"audit":"x","answers":[]}',
        b'{"version":2,"audit":"1","answers":[]}',
        b'{"version":1,"audit":"1","answers":{"a":1}}',
    ],
)
def test_parse__of_anything_else__is_refused_by_its_own_error(raw: bytes) -> None:
    with pytest.raises(BundleBroken):
        parse_bundle(raw, digest=bundle_digest(raw))


def test_places__of_any_span__are_the_answers_that_hold_a_unit_of_it(trial: Trial) -> None:
    root, items = trial.opened.tree.root, len(trial.opened.items)
    every = [(index, leaf) for index in range(items) for leaf in range(3)]
    intervals = {
        place: shown(trial, *place).interval(root=root.hash, items=items) for place in every
    }

    for first in range(0, root.total, 5):
        for last in (first, min(first + 9, root.total - 1), root.total - 1):
            wanted = [
                place for place, one in intervals.items() if one.first <= last and one.end > first
            ]
            assert places_in(trial.opened, Span(first, last)) == wanted
