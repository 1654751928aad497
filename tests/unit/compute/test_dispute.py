"""Which receipts are disputed for their evidence, and how they are opened."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offchain.compute.dispute import CLOCK_SECONDS, LeavesBroken, is_disputable, opening_in
from offchain.compute.model import Receipt
from offchain.compute.ports import BatchState, PostedBatch
from offchain.compute.show_provider import item_json
from tests.support.compute import Answered
from tests.support.compute_audits import Trial, a_trial

ID = b"\x07" * 32
TIME = 1_000_000


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return a_trial(Path(tmp_path_factory.mktemp("batch")), payers=3, leaves=3)


def posted(trial: Trial) -> PostedBatch:
    tree, none = trial.opened.tree, bytes(32)
    numbers = (tree.root.total, len(trial.opened.items), 1, 0, 0, tree.root.total, 0)
    return PostedBatch(5, bytes(20), none, bytes(20), tree.root.hash, *numbers, BatchState.POSTED)


def told(trial: Trial, index: int = 1) -> dict[str, Any]:
    """What the provider shows the payer of one item."""
    return {"batch": 5, "items": [item_json(trial.opened, index)]}


def attested(**changes: Any) -> Receipt:
    return replace(Answered().receipt(), attestation_id=ID, time=TIME, **changes)


def stood_between(first: int, last: int) -> Callable[[bytes, int], bool]:
    return lambda found, time: found == ID and TIME + first <= time <= TIME + last


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (-10, 10, False),
        (-500, -CLOCK_SECONDS, False),
        (CLOCK_SECONDS, 500, False),
        (-500, -CLOCK_SECONDS - 1, True),
        (CLOCK_SECONDS + 1, 500, True),
        (1, 0, True),
    ],
)
def test_is_disputable__evidence_around_the_receipts_time__counts(
    first: int, last: int, expected: bool
) -> None:
    assert is_disputable(attested(), stood_between(first, last), is_void=False) is expected


def test_is_disputable__void_evidence__always_and_no_evidence__never() -> None:
    always = stood_between(-(10**6), 10**6)

    assert is_disputable(attested(), always, is_void=True)
    assert not is_disputable(replace(attested(), attestation_id=bytes(32)), always, is_void=True)


@pytest.mark.parametrize("leaf", [0, 1, 2])
def test_opening__of_what_the_provider_shows__is_the_batchs_own(trial: Trial, leaf: int) -> None:
    mine = trial.opened.items[1]

    item, shown = opening_in(told(trial), mine.leaves[leaf].receipt, posted(trial))

    assert item.fields() == (5, 1, mine.settled.fields(), trial.opened.tree.path_bytes(1))
    assert shown.index == leaf
    assert (shown.signed, shown.path) == (mine.leaves[leaf], mine.tree.path_bytes(leaf))


def _without_leaf(found: dict[str, Any]) -> None:
    del found["items"][0]["leaves"][1]


def _other_amount(found: dict[str, Any]) -> None:
    found["items"][0]["item"]["amount"] = "1"


def _other_path(found: dict[str, Any]) -> None:
    found["items"][0]["path"] = "0x" + bytes(112).hex()


def _cut_path(found: dict[str, Any]) -> None:
    found["items"][0]["leaves"][1]["path"] = "0x00"


def _no_hex(found: dict[str, Any]) -> None:
    found["items"][0]["item"]["payer"] = "0xzz"


def _not_a_list(found: dict[str, Any]) -> None:
    found["items"] = 5


def _receipt_malformed(found: dict[str, Any]) -> None:
    found["items"][0]["leaves"][0]["receipt"] = {"price": "1"}


@pytest.mark.parametrize(
    "spoil",
    [
        _without_leaf,
        _other_amount,
        _other_path,
        _cut_path,
        _no_hex,
        _not_a_list,
        _receipt_malformed,
    ],
)
def test_opening__of_something_else__is_refused_before_it_is_sent(
    trial: Trial, spoil: Callable[[dict[str, Any]], None]
) -> None:
    found = deepcopy(told(trial))
    spoil(found)

    with pytest.raises(LeavesBroken):
        opening_in(found, trial.opened.items[1].leaves[1].receipt, posted(trial))
