"""Repair: what is lost is made again, by whom it should be, bounded, and never from a liar."""

import asyncio
from dataclasses import replace

import pytest

from offchain.core.errors import ApogeeError
from offchain.core.layout import K, N
from offchain.da.adapters.lying_server import Lie
from offchain.da.errors import InsufficientRows
from offchain.da.heirs import rows_after
from tests.support.da_repair import RULES, endpoint_of, told

EAGER = replace(RULES, thin_rows=N)  # makes rows of silent members at once, however many are left


def test_repair__nothing_lost__nothing_done() -> None:
    village, blob_id, _ = told()
    before = asyncio.run(village.held(blob_id))

    reports = asyncio.run(village.turn(5))

    assert before == asyncio.run(village.held(blob_id))
    assert all(r.blobs == 1 and r.bytes_received == 0 == r.postponed for r in reports.values())


def test_repair__member_left_and_still_answers__heirs_copy_its_rows() -> None:
    village, blob_id, _ = told()
    duties = village.duties(blob_id)
    village.departures.operators = {3}

    reports = asyncio.run(village.turn())

    expected = rows_after(duties, {3})
    held = asyncio.run(village.held(blob_id))
    assert {o: frozenset(rows) for o, rows in expected.items()} == {
        o: rows for o, rows in held.items() if o != 3
    }
    own = duties.of(3)
    assert own is not None
    assert sum(report.copied for report in reports.values()) == len(own.rows)
    assert sum(report.remade for report in reports.values()) == 0
    assert held[3] == set(own.rows)  # who leaves keeps serving


def test_repair__member_slashed_and_dead__its_rows_are_made_again() -> None:
    village, blob_id, payload = told()
    duties = village.duties(blob_id)
    village.kill(3)
    village.departures.operators = {3}

    reports = asyncio.run(village.turn())

    held = asyncio.run(village.held(blob_id))
    assert {o: frozenset(rows) for o, rows in rows_after(duties, {3}).items()} == held
    assert sum(r.remade for r in reports.values()) == N - sum(
        len(duty.rows) for duty in duties.members if duty.operator != 3
    )
    again = asyncio.run(village.turn())
    assert all(r.bytes_received == 0 for r in again.values())
    assert payload == asyncio.run(village.read(blob_id)).payload


def test_repair__made_rows__are_the_rows_that_were_lost() -> None:
    village, blob_id, _ = told()
    lost = village.duties(blob_id).of(5)
    assert lost is not None
    store = village.site.parts[5].store
    before = {r.index: r for r in asyncio.run(store.rows(blob_id, lost.rows))}
    village.kill(5)
    village.departures.operators = {5}
    asyncio.run(village.turn())

    for operator, rows in asyncio.run(village.held(blob_id)).items():
        mine = sorted(rows & before.keys())
        if mine:
            made = asyncio.run(village.site.parts[operator].store.rows(blob_id, mine))
            for row in made:
                assert row.data.tobytes() == before[row.index].data.tobytes()
                assert tuple(row.path) == tuple(before[row.index].path)


@pytest.mark.parametrize("turns", [1, 2])
def test_repair__member_silent_but_not_for_long__left_alone(turns: int) -> None:
    village, blob_id, _ = told()
    village.kill(1, 2, 3)  # thin: 1,920 rows are left

    asyncio.run(village.turn(turns))

    assert asyncio.run(village.living_rows(blob_id)) < N


def test_inv_da_23__few_members_silent__cost_nobody_anything() -> None:
    village, blob_id, _ = told()
    village.kill(4)

    for _ in range(6):
        reports = asyncio.run(village.turn())
        assert all(report.bytes_received == 0 for report in reports.values())
    assert asyncio.run(village.living_rows(blob_id)) == N - N // 8


def test_inv_da_23__a_third_silent__made_again_until_the_blob_is_thin_no_more() -> None:
    village, blob_id, _ = told()
    village.kill(1, 2, 3)

    asyncio.run(village.turn(6))

    assert RULES.thin_rows <= asyncio.run(village.living_rows(blob_id)) < N
    reports = asyncio.run(village.turn())
    assert all(report.bytes_received == 0 for report in reports.values())


def test_inv_da_22__a_third_dies_then_a_third_more__readable_throughout() -> None:
    """In all five of six nodes die, a third at a time: more than the code alone survives."""
    village, blob_id, payload = told(6, rules=EAGER)

    for dead in [(1, 2), (3, 4), (5,)]:
        village.kill(*dead)
        assert asyncio.run(village.living_rows(blob_id)) >= K
        assert payload == asyncio.run(village.read(blob_id)).payload
        asyncio.run(village.turn(4))
        assert asyncio.run(village.living_rows(blob_id)) == N
    assert payload == asyncio.run(village.read(blob_id)).payload


def test_repair__too_many_died_at_once__says_so_and_keeps_what_there_is() -> None:
    village, blob_id, payload = told()
    village.kill(1, 2, 3, 4, 5, 6)
    village.departures.operators = {1, 2, 3, 4, 5, 6}

    reports = asyncio.run(village.turn(4))

    assert all(report.postponed == 1 for report in reports.values())
    assert asyncio.run(village.living_rows(blob_id)) == 2 * N // 8
    with pytest.raises(InsufficientRows):
        asyncio.run(village.read(blob_id))
    village.revive(1, 2)
    asyncio.run(village.turn(2))
    assert asyncio.run(village.living_rows(blob_id)) == N
    assert payload == asyncio.run(village.read(blob_id)).payload


def test_repair__heir_dies_too__the_next_one_follows() -> None:
    village, blob_id, _ = told()
    village.kill(1)
    village.departures.operators = {1}
    asyncio.run(village.turn())
    village.kill(2)
    village.departures.operators = {1, 2}

    asyncio.run(village.turn())

    held = asyncio.run(village.held(blob_id))
    after = rows_after(village.duties(blob_id), {1, 2})
    assert {operator: frozenset(rows) for operator, rows in after.items()} == held


def test_repair__heir_answers_but_does_not_take_over__watchers_do() -> None:
    rules = replace(RULES, inherited_bytes=0)
    village, blob_id, _ = told()
    for lazy in (2, 3):
        village.repairers[lazy] = village.repairer(lazy, rules)
    village.kill(1)
    village.departures.operators = {1}

    asyncio.run(village.turn(8))

    assert asyncio.run(village.living_rows(blob_id)) == N


def test_repair__member_back_after_its_rows_were_made__holds_and_serves_them_still() -> None:
    village, _, _ = told()
    village.kill(1, 2, 3)
    asyncio.run(village.turn(5))
    village.revive(1, 2, 3)

    reports = asyncio.run(village.turn())

    assert all(r.copied == r.remade == 0 for r in reports.values())


# --- a node's own rows


def test_repair__own_rows_lost_after_signing__had_back_from_heirs_or_made() -> None:
    village, blob_id, _ = told()
    before = asyncio.run(village.held(blob_id))[6]
    asyncio.run(village.site.parts[6].store.drop(blob_id))

    reports = asyncio.run(village.turn())

    assert before == asyncio.run(village.held(blob_id))[6]
    assert reports[6].remade == len(before)
    [share] = asyncio.run(village.site.parts[6].store.held())
    assert not share.is_inherited


# --- liars


LIES = [lie for lie in Lie if lie not in (Lie.SLOW, Lie.BAD_HEADER)]


@pytest.mark.parametrize("lie", LIES)
def test_inv_da_22__leaver_hands_over_false_rows__refused_blamed_and_made_again(lie: Lie) -> None:
    village, blob_id, payload = told()
    village.departures.operators = {3}
    village.corrupt(lie, 3)

    reports = asyncio.run(village.turn())

    blamed = {blame.operator for report in reports.values() for blame in report.blame}
    assert blamed == {3}
    village.kill(3)
    assert asyncio.run(village.living_rows(blob_id)) == N
    village.kill(1, 2)
    assert payload == asyncio.run(village.read(blob_id)).payload


def test_inv_da_22__a_third_lies_while_a_third_is_dead__repaired_and_only_liars_blamed() -> None:
    village, blob_id, payload = told(9)
    village.kill(1, 2, 3)
    village.departures.operators = {1, 2, 3}
    village.corrupt(Lie.WRONG_BYTES, 4, 5, 6)

    reports = asyncio.run(village.turn(2))

    honest = [operator for operator in village.living() if operator not in (4, 5, 6)]
    blamed = {b.operator for o in honest for b in reports[o].blame}
    assert blamed <= {4, 5, 6}
    after = rows_after(village.duties(blob_id), {1, 2, 3})
    held = asyncio.run(village.held(blob_id))
    assert all(held[operator] >= set(after[operator]) for operator in honest)
    assert payload == asyncio.run(village.read(blob_id)).payload


def test_inv_da_22__heir_lies_to_a_reader__blamed_and_another_copy_is_used() -> None:
    village, blob_id, payload = told()
    village.kill(1, 2, 3)
    village.departures.operators = {1, 2, 3}
    asyncio.run(village.turn())
    village.kill(4, 5)
    village.corrupt(Lie.WRONG_BYTES, 6)  # the owners left have 768 rows

    got = asyncio.run(village.read(blob_id))

    assert payload == got.payload
    assert 6 in got.blame.operators()
    assert got.blame.operators() <= {1, 2, 3, 4, 5, 6}


# --- bounds


def test_inv_da_23__storm__each_pass_stays_within_its_bytes_and_ends() -> None:
    rules = replace(RULES, bytes_per_pass=1)
    village, first, _ = told(4, rules=rules)
    blobs = [first] + [
        asyncio.run(village.publish(b"blob %d" % n, salt=bytes([n]) * 32)) for n in range(1, 4)
    ]
    village.kill(1)
    village.departures.operators = {1}
    one_blob = N * 600  # each row with its path and its place in a frame

    for _ in range(6):
        for report in asyncio.run(village.turn()).values():
            assert report.bytes_received <= one_blob
            assert report.blobs + report.postponed <= 2 * len(blobs)

    assert all(asyncio.run(village.living_rows(blob_id)) == N for blob_id in blobs)


def test_inv_da_23__room_for_others_is_full__nothing_more_is_taken() -> None:
    rules = replace(RULES, inherited_bytes=200 * 256)
    village, blob_id, _ = told(rules=rules)
    duties = village.duties(blob_id)
    village.kill(1)
    village.departures.operators = {1}

    asyncio.run(village.turn(3))

    for operator, rows in asyncio.run(village.held(blob_id)).items():
        own = duties.of(operator)
        assert own is not None
        assert len(rows - set(own.rows)) <= 200


def test_repair__blobs_per_pass__every_blob_gets_its_turn() -> None:
    rules = replace(RULES, blobs_per_pass=1)
    village, first, _ = told(rules=rules)
    blobs = [first] + [
        asyncio.run(village.publish(b"blob %d" % n, salt=bytes([n]) * 32)) for n in range(1, 3)
    ]
    village.kill(1)
    village.departures.operators = {1}

    asyncio.run(village.turn(4))

    assert all(asyncio.run(village.living_rows(blob_id)) == N for blob_id in blobs)


@pytest.mark.parametrize("state", ["expired", "void"])
def test_repair__blob_is_over__nothing_is_made(state: str) -> None:
    village, blob_id, _ = told()
    village.kill(1)
    village.departures.operators = {1}
    if state == "void":
        village.site.chain.void(blob_id)
    else:
        village.site.chain.mine(2, seconds=86_400)

    reports = asyncio.run(village.turn(2))

    assert all(report.blobs == 0 for report in reports.values())
    assert asyncio.run(village.living_rows(blob_id)) == N - N // 8


def test_repair__chain_shorter_than_its_depth__waits() -> None:
    village, _, _ = told()
    village.repairers[1] = village.repairer(1, replace(RULES, depth=10_000))

    assert asyncio.run(village.repairers[1].repair()).blobs == 0


def test_repair__signs_nothing() -> None:
    village, _, _ = told()
    village.kill(1, 2, 3)
    before = {o: asyncio.run(village.site.parts[o].journal.decisions()) for o in village.living()}

    asyncio.run(village.turn(5))

    for operator, decisions in before.items():
        assert decisions == asyncio.run(village.site.parts[operator].journal.decisions())


def test_serve__inherited_rows__named_by_have_and_given() -> None:
    village, blob_id, _ = told()
    village.kill(1)
    village.departures.operators = {1}
    asyncio.run(village.turn())
    duties = village.duties(blob_id)

    for operator, rows in asyncio.run(village.held(blob_id)).items():
        own = duties.of(operator)
        assert own is not None
        inherited = sorted(rows - set(own.rows))[:4]
        if inherited:
            client = village.client
            raw = asyncio.run(
                client.rows(endpoint_of(operator), blob_id, inherited, max_bytes=10_000)
            )
            assert raw
            return
    raise ApogeeError(reason="nobody inherited")
