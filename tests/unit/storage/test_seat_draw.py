"""Draws of seats without a chain: shares follow stake, nothing can be ground, limits hold."""

from collections import Counter
from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.staking.tree import Leaf, StakeTree
from offchain.storage.model import MAX_GROUP_BYTES, PROFILES, profile_named
from offchain.storage.seat_draw import (
    ATTEMPTS,
    MAX_OPENED,
    MAX_PICKS,
    NO_ASK,
    Ask,
    Candidate,
    DrawsId,
    Load,
    Lottery,
    draw_calls,
    draw_group,
    draw_seat,
    hit_of,
    limit_of,
)

COIN = 10**18
ROOMY = Ask(1, 256, 2**16 * MAX_GROUP_BYTES - 1, 600)
IDLE = Load(0, 0, 0)
DURABLE = profile_named("durable")


def a_lottery(weights: list[int], *, group: int = 1 << 16 | 1, epoch: int = 0) -> Lottery:
    leaves = {
        seat: Leaf(seat + 1, weight, keccak(bytes([seat]))) for seat, weight in enumerate(weights)
    }
    return Lottery(
        DrawsId(31_337, bytes(20)),
        group,
        DURABLE,
        keccak(b"R", epoch.to_bytes(8, "big")),
        StakeTree(leaves),
        2**40,
        864,
    )


def everyone(count: int, ask: Ask = ROOMY) -> dict[int, Candidate]:
    return {operator: Candidate(ask, IDLE) for operator in range(1, count + 1)}


def test_inv_sto_8__shares_of_seats__follow_shares_of_stake() -> None:
    weights = [COIN * (1 + number % 7) for number in range(40)]
    groups = 60
    hits: Counter[int] = Counter()

    for group in range(groups):
        lottery = a_lottery(weights, group=1 << 16 | group + 1)
        hits.update(hit_of(lottery, seat, 1) for seat in range(32))

    total, draws = sum(weights), groups * 32
    statistic = sum(
        (hits[seat] - draws * weight / total) ** 2 / (draws * weight / total)
        for seat, weight in enumerate(weights)
    )
    assert statistic < 39 + 4 * sqrt(2 * 39)  # chi-square of 39 degrees, four deviations up


def test_inv_sto_8__opening_many_groups__grinds_nothing() -> None:
    weights = [COIN] * 40
    coalition = set(range(10))  # a quarter of the stake
    epochs, requests = 60, 4
    counts = [
        sum(
            hit_of(a_lottery(weights, group=epoch << 16 | number + 1, epoch=epoch), seat, 1)
            in coalition
            for seat in range(32)
        )
        for epoch in range(1, epochs + 1)
        for number in range(requests)
    ]

    mean = sum(counts) / len(counts)
    assert abs(mean - 8) < 3 * sqrt(32 * 0.25 * 0.75 / len(counts))
    assert max(counts) < 8 + 6 * sqrt(32 * 0.25 * 0.75)


def test_first_attempts__equal_stakes__give_every_operator_its_strata() -> None:
    lottery = a_lottery([COIN] * 8)

    drawn = list(draw_group(lottery, 0, everyone(8)))

    assert [one.operator for one in drawn] == [seat // 4 + 1 for seat in range(32)]
    assert {len(one.hits) for one in drawn} == {1}


@given(
    weights=st.lists(st.integers(1, 100), min_size=1, max_size=60),
    epoch=st.integers(0, 2**32),
    unwilling=st.sets(st.integers(1, 60)),
    profile=st.sampled_from(PROFILES),
)
def test_draw_group__any_stakes__first_fitting_operator_within_the_limit(
    weights: list[int], epoch: int, unwilling: set[int], profile: object
) -> None:
    lottery = replace(a_lottery([w * COIN for w in weights], epoch=epoch), profile=profile)
    willing = {k: v for k, v in everyone(len(weights)).items() if k not in unwilling}

    drawn = list(draw_group(lottery, 0, willing))

    held: Counter[int] = Counter()
    for one in drawn:
        named = [hit + 1 for hit in one.hits]
        limit = limit_of(lottery.profile)
        skipped = named[:-1] if one.operator else named
        assert all(who in unwilling or held[who] >= limit for who in skipped)
        assert len(named) == ATTEMPTS or named[-1] == one.operator
        held[one.operator] += one.operator != 0
    assert all(count <= limit_of(lottery.profile) for count in held.values())
    calls = list(draw_calls(lottery, 0, drawn))
    assert sum(len(call.picks) for call in calls) == sum(len(one.hits) for one in drawn)
    assert all(len(call.cover.opened) <= MAX_OPENED for call in calls)
    assert all(len(call.picks) <= MAX_PICKS for call in calls)


@pytest.mark.parametrize(
    ("candidate", "fits"),
    [
        (Candidate(ROOMY, IDLE), True),
        (Candidate(NO_ASK, IDLE), False),
        (Candidate(replace(ROOMY, price=2**40 + 256), IDLE), False),
        (Candidate(replace(ROOMY, capacity=MAX_GROUP_BYTES - 1), IDLE), False),
        (Candidate(replace(ROOMY, capacity=MAX_GROUP_BYTES), IDLE), True),
        (Candidate(replace(ROOMY, capacity=MAX_GROUP_BYTES), Load(1, 0, 0)), False),
        (Candidate(replace(ROOMY, longest_epochs=4), IDLE), False),
        (Candidate(ROOMY, Load(3, COIN, 0)), False),
        (Candidate(ROOMY, IDLE, held=3), True),
        (Candidate(ROOMY, IDLE, held=4), False),
    ],
)
def test_draw_seat__what_makes_an_operator_fit(candidate: Candidate, fits: bool) -> None:
    lottery = replace(a_lottery([COIN]), least_epochs=5)

    drawn = draw_seat(lottery, 0, {1: candidate})

    assert (1 if fits else 0) == drawn.operator


def test_draw_seat__a_successor_where_few_are_left__the_limit_doubles_late() -> None:
    lottery = replace(a_lottery([COIN]), is_successor=True)

    drawn = draw_seat(lottery, 5, {1: Candidate(ROOMY, IDLE, held=4)})

    assert (drawn.operator, len(drawn.hits)) == (1, 17)
    assert draw_seat(lottery, 5, {1: Candidate(ROOMY, IDLE, held=8)}).operator == 0
