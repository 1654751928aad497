"""A key's caps under any order of holds and settlements; its lanes count the same money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.units import DAY
from offchain.gateway.book_model import BucketLow, Floor, Lane
from offchain.gateway.errors import KeyCapReached, KeyExpired, KeyRevoked, ScopeMissing
from offchain.gateway.key_model import (
    KeyRecord,
    KeyTerms,
    KeyTermsInvalid,
    Scope,
    require_label,
)

NOW = 20_000 * DAY
COMPUTE = frozenset({Scope.COMPUTE})


def a_record(**terms: object) -> KeyRecord:
    return KeyRecord("k1", "one", KeyTerms(COMPUTE, **terms), made_at=NOW)  # type: ignore[arg-type]


steps = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 100), st.integers(0, 2 * DAY)), max_size=40
)


@given(steps=steps, total=st.integers(0, 200), day=st.integers(0, 120), data=st.data())
def test_caps__in_any_order_of_holds_and_prices__are_never_exceeded(
    steps: list[tuple[int, int, int]], total: int, day: int, data: st.DataObject
) -> None:
    record, now = a_record(cap_total=total, cap_day=day), NOW
    open_holds: list[int] = []
    by_day: dict[int, int] = {}
    paid = 0
    for hold, share, later in steps:
        if open_holds and data.draw(st.booleans()):
            held = open_holds.pop(data.draw(st.integers(0, len(open_holds) - 1)))
            price = held * share // 100
            record = record.settle(held, price, now)
            by_day[now // DAY] = by_day.get(now // DAY, 0) + price
            paid += price
        else:
            left = record.left(now)
            assert left is not None
            if hold <= left:
                record = record.hold(hold, now)
                open_holds.append(hold)
            else:
                with pytest.raises(KeyCapReached):
                    record.hold(hold, now)
        if not open_holds:
            now += later
        assert record.spent == paid
        assert record.held == sum(open_holds)
        assert record.spent + record.held <= total
    assert all(spent <= day for spent in by_day.values())


def test_day__that_is_over__gives_the_daily_cap_again() -> None:
    record = a_record(cap_day=10).hold(10, NOW).settle(10, 10, NOW)
    with pytest.raises(KeyCapReached):
        record.hold(1, NOW + DAY - 1)

    assert record.hold(10, NOW + DAY).left(NOW + DAY) == 0


def test_key__without_caps__has_none() -> None:
    assert a_record().left(NOW) is None
    assert a_record().hold(1 << 95, NOW).held == 1 << 95


def test_key__that_is_revoked_or_over__holds_nothing() -> None:
    over = a_record(expiry=NOW)
    revoked = KeyRecord("k1", "one", KeyTerms(COMPUTE), made_at=NOW, revoked_at=NOW)

    with pytest.raises(KeyExpired):
        over.hold(0, NOW)
    over.require_usable(NOW - 1)
    with pytest.raises(KeyRevoked):
        revoked.hold(0, NOW)
    with pytest.raises(ScopeMissing):
        revoked.require_scope(Scope.STORAGE)


@pytest.mark.parametrize(
    "terms",
    [
        {"cap_total": -1},
        {"cap_day": 1 << 96},
        {"per_second": 0},
        {"min_level": 4},
        {"token": b"short"},
        {"models": frozenset(str(number) for number in range(65))},
    ],
)
def test_terms__that_cannot_be_meant__are_refused(terms: dict[str, object]) -> None:
    with pytest.raises(KeyTermsInvalid):
        a_record(**terms)


def test_terms__without_a_scope_or_a_name__are_refused() -> None:
    with pytest.raises(KeyTermsInvalid):
        KeyTerms(frozenset())
    for label in ("", " x", "a\n", "x" * 65):
        with pytest.raises(KeyTermsInvalid):
            require_label(label)


@given(
    holds=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), max_size=30),
    available=st.integers(0, 300),
    spent=st.integers(0, 100),
)
def test_lane__whatever_is_asked__never_promises_more_than_the_bucket_holds(
    holds: list[tuple[int, int]], available: int, spent: int
) -> None:
    floor = Floor(spent=spent, last_nonce=4, available=available)
    lane = Lane().at_least(floor)
    nonces = []
    for hold, share in holds:
        try:
            opened = lane.open(hold, floor.ceiling)
        except BucketLow as error:
            assert lane.acknowledged + lane.held + hold - floor.ceiling == error.fields["short"]
            continue
        nonces.append(lane.next_nonce)
        assert opened.acknowledged + opened.held <= floor.ceiling
        lane = opened.close(hold, hold * share // 100) if share < 60 else opened
    assert nonces == sorted(set(nonces))
    assert all(nonce > 4 for nonce in nonces)
