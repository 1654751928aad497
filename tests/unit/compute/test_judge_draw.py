"""Judging a draw from signed bytes: what is shown must be where it is said to be, and add up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.compute.audit_bundle import Bundle, ShownAnswer
from offchain.compute.audit_check import Reason
from offchain.compute.audit_draw import Span
from offchain.compute.judge_draw import judge_bundle, judge_draw
from offchain.compute.seal import places_in
from offchain.core.hashing import keccak
from tests.support.compute import STRANGER, a_row
from tests.support.compute_audits import Trial, a_trial

AUDITED = (
    b'{"model":"tiny","messages":[{"role":"user","content":"hi"}],"max_tokens":8,'
    b'"metadata":{"audit_ok":"true"}}'
)


class NothingToReplay:
    """A `Replayer` of an auditor that is only shown answers it may not look into."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"a private answer was replayed: {name}")


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return a_trial(tmp_path)


def answers(trial: Trial, span: Span) -> list[ShownAnswer]:
    found = []
    for place in places_in(trial.opened, span):
        index, leaf = place
        receipt = trial.opened.items[index].leaves[leaf].receipt
        found.append(
            ShownAnswer.of(0, trial.opened, place, trial.evidence.find(receipt.request_id))
        )
    return found


def reasons(trial: Trial, shown: list[ShownAnswer], span: Span) -> list[Reason]:
    verdicts = judge_draw(shown, span, trial.facts(), NothingToReplay())
    return [reason for one in verdicts for reason in one.reasons]


def test_judge__honest_private_answers__pass_without_a_replay(trial: Trial) -> None:
    assert reasons(trial, answers(trial, trial.whole), trial.whole) == []


def test_judge__one_unit__asks_for_the_one_answer_it_paid(trial: Trial) -> None:
    span = Span(0, 0)

    shown = answers(trial, span)

    assert len(shown) == 1
    assert reasons(trial, shown, span) == []


def test_judge__nothing_shown__fails(trial: Trial) -> None:
    assert reasons(trial, [], Span(0, 0)) == [Reason.OPENING]


def test_judge__another_answer_than_the_drawn_one__fails(trial: Trial) -> None:
    last = trial.whole.last

    assert reasons(trial, answers(trial, Span(0, 0)), Span(last, last)) == [Reason.OPENING]


def test_judge__a_gap_in_the_span__fails(trial: Trial) -> None:
    shown = answers(trial, trial.whole)

    assert reasons(trial, shown[:2] + shown[3:], trial.whole) == [Reason.OPENING]


def without_evidence(one: ShownAnswer) -> ShownAnswer:
    return replace(one, evidence=None)


def other_answer(one: ShownAnswer) -> ShownAnswer:
    assert one.evidence
    return replace(one, evidence=replace(one.evidence, answer=one.evidence.answer + b" "))


def other_header(one: ShownAnswer) -> ShownAnswer:
    assert one.evidence
    return replace(one, evidence=replace(one.evidence, header=bytes(183)))


def other_leaf(one: ShownAnswer) -> ShownAnswer:
    assert one.evidence
    hashes = (*one.evidence.leaf_hashes[:-1], keccak(b"other"))
    return replace(one, evidence=replace(one.evidence, leaf_hashes=hashes))


def one_leaf_more(one: ShownAnswer) -> ShownAnswer:
    assert one.evidence
    hashes = (*one.evidence.leaf_hashes, keccak(b"more"))
    return replace(one, evidence=replace(one.evidence, leaf_hashes=hashes))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_evidence, Reason.OPENING),
        (other_answer, Reason.COUNT),
        (other_header, Reason.COUNT),
        (other_leaf, Reason.COUNT),
        (one_leaf_more, Reason.COUNT),
    ],
)
def test_judge__changed_evidence__fails_for_its_reason(
    trial: Trial, change: Callable[[ShownAnswer], ShownAnswer], reason: Reason
) -> None:
    span = Span(0, 0)
    [honest] = answers(trial, span)

    assert reasons(trial, [change(honest)], span) == [reason]


def test_judge__receipt_of_another_signer__fails(trial: Trial) -> None:
    facts = replace(trial.facts(), signer_at=lambda _: STRANGER.address)

    [verdict] = judge_draw(answers(trial, Span(0, 0)), Span(0, 0), facts, NothingToReplay())

    assert verdict.reasons == (Reason.OPENING,)


def test_judge__price_of_another_row__fails(trial: Trial) -> None:
    facts = replace(trial.facts(), row=lambda version: a_row(version=version, request_price=4))

    [verdict] = judge_draw(answers(trial, Span(0, 0)), Span(0, 0), facts, NothingToReplay())

    assert verdict.reasons == (Reason.COUNT,)


def test_judge__another_model_than_the_service_has__fails(trial: Trial) -> None:
    facts = trial.facts()
    facts = replace(facts, service=replace(facts.service, model_hash=keccak(b"large")))

    [verdict] = judge_draw(answers(trial, Span(0, 0)), Span(0, 0), facts, NothingToReplay())

    assert verdict.reasons == (Reason.MODEL,)


def test_judge__audit_allowed_but_body_withheld__fails(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, body=AUDITED)

    assert reasons(trial, answers(trial, Span(0, 0)), Span(0, 0)) == [Reason.OPENING]


def test_judge_bundle__one_bad_draw_of_two__sets_its_bit_alone(trial: Trial) -> None:
    spans = (Span(0, 0), Span(trial.whole.last, trial.whole.last))
    good, bad = (answers(trial, span)[0] for span in spans)
    bundle = Bundle(1, (good, replace(other_answer(bad), draw=1)))

    judged = judge_bundle(bundle, spans, trial.facts(), NothingToReplay())

    assert judged.failed == 0b10
    assert judged.reasons == ((1, (Reason.COUNT,)),)
