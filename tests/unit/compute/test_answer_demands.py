"""A provider answers payers who ask for a leaf: what was asked, once, and while it counts."""

import asyncio
from pathlib import Path

import pytest

from offchain.compute.adapters.memory_demands import MemoryDemands
from offchain.compute.answer_demands import AnswerDemands, OpenDemand
from offchain.compute.audit_bundle import ShownAnswer
from tests.support.compute import NOW
from tests.support.compute_audits import OneBatch, Trial, a_trial


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return a_trial(tmp_path, payers=2, leaves=3)


def answering(trial: Trial, desk: MemoryDemands) -> AnswerDemands:
    return AnswerDemands(desk, OneBatch(trial.opened))


def test_round__of_an_open_demand__shows_that_leaf_under_the_batchs_root(trial: Trial) -> None:
    desk = MemoryDemands(NOW, [OpenDemand(batch=1, index=1, leaf=2, deadline=NOW)])

    done = asyncio.run(answering(trial, desk).round())

    [(item, leaf)] = desk.answered
    shown = ShownAnswer.of(0, trial.opened, (1, 2), None)
    place = shown.interval(root=trial.opened.tree.root.hash, items=2)
    assert done == 1
    assert (item.index, item.path, leaf.path) == (1, shown.item_path, shown.leaf_path)
    assert leaf.signed == trial.opened.items[1].leaves[2]
    assert place.end == trial.whole.last + 1


def test_round__again__answers_nothing_twice(trial: Trial) -> None:
    desk = MemoryDemands(NOW, [OpenDemand(batch=1, index=0, leaf=0, deadline=NOW + 5)])
    answer = answering(trial, desk)

    assert [asyncio.run(answer.round()), asyncio.run(answer.round())] == [1, 0]


@pytest.mark.parametrize(
    "demand",
    [
        OpenDemand(batch=1, index=0, leaf=0, deadline=NOW - 1),
        OpenDemand(batch=2, index=0, leaf=0, deadline=NOW + 5),
    ],
    ids=["too late", "of another provider"],
)
def test_round__of_what_is_not_its_to_answer__sends_nothing(
    trial: Trial, demand: OpenDemand
) -> None:
    desk = MemoryDemands(NOW, [demand])

    assert asyncio.run(answering(trial, desk).round()) == 0
    assert not desk.answered
