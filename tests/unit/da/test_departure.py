"""Leaving: what is still owed, until when, and whether heirs have it."""

import asyncio

import pytest

from offchain.da.collect import CollectGarbage, CollectRules
from offchain.da.departure import (
    CheckDeparture,
    DepartureParts,
    LeaveReadiness,
    blobs_without_copies,
)
from offchain.da.heirs import heir_of, lots_of
from tests.support.da_repair import Village, told

ANSWER_SECONDS = 100
DAY = 86_400


def readiness(village: Village, operator: int) -> LeaveReadiness:
    parts = DepartureParts(
        operator,
        village.site.chain,
        village.departures,
        village.site.parts[operator].journal,
        village.client,
        ANSWER_SECONDS,
    )
    return asyncio.run(CheckDeparture(parts).check())


def test_departure__leaver_before_and_after_handover__says_what_is_missing() -> None:
    village, blob_id, _ = told()
    duties = village.duties(blob_id)
    own = duties.of(3)
    assert own is not None
    before = readiness(village, 3)
    assert (before.is_free, before.is_copied) == (False, False)
    [debt] = blobs_without_copies(before)
    assert (debt.blob_id, debt.rows, debt.copied) == (blob_id, len(own.rows), 0)

    village.departures.operators = {3}
    asyncio.run(village.turn())

    after = readiness(village, 3)
    assert (after.is_free, after.is_copied) == (False, True)
    heirs = {heir_of(duties, lot, {3}) for lot in lots_of(duties) if lot.owner is own}
    assert {heir.operator for heir in heirs if heir} == set(after.debts[0].heirs)
    view = village.site.chain.view(blob_id, at=village.site.chain.head().block)
    assert after.free_at == view.record.expiry + 2 * ANSWER_SECONDS


def test_departure__heir_dies_after_the_handover__says_so() -> None:
    village, _, _ = told()
    village.departures.operators = {3}
    asyncio.run(village.turn())
    heir = readiness(village, 3).debts[0].heirs[0]

    village.kill(heir)

    assert not readiness(village, 3).is_copied


@pytest.mark.parametrize("state", ["confirmed", "void"])
def test_inv_da_24__leaver__neither_freed_nor_emptied_before_both_windows_are_over(
    state: str,
) -> None:
    village, blob_id, _ = told()
    chain, parts = village.site.chain, village.site.parts[3]
    rules = CollectRules(depth=1, answer_seconds=ANSWER_SECONDS)
    collector = CollectGarbage(village.site.accepts[3], parts, rules)
    village.departures.operators = {3}
    asyncio.run(village.turn())
    if state == "void":
        chain.void(blob_id)
    over = readiness(village, 3).free_at

    chain.mine(2, seconds=(over - 1 - chain.head().time) // 2)
    assert not readiness(village, 3).is_free
    assert asyncio.run(collector.collect()) == []
    assert asyncio.run(parts.store.rows_held(blob_id))

    chain.mine(4, seconds=2)
    assert readiness(village, 3).is_free
    assert asyncio.run(collector.collect()) == [blob_id]
    assert asyncio.run(parts.store.held()) == []
