"""What the model of the court decides by itself: shares, ranks, insurance, correlation."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.units import WEI_PER_COIN
from offchain.staking.court import (
    REPORTER_LIMIT_WEI,
    Case,
    CaseState,
    Finding,
    OffenceClass,
    Rule,
    commitment_of,
    is_ranked,
    offence_id,
    share_out,
)
from offchain.staking.court_errors import COURT_REVERTS
from offchain.staking.errors import REVERTS
from offchain.staking.insurance import Insurance, WrongState

WEI = st.integers(0, 10**24)
RULE = Rule(OffenceClass.PROVEN, 1, 1_000, 500, 0, 60, False, False, "0x01")


def a_case(*, taken: int = 0, loss: int = 0, reporter: str | None = "reporter") -> Case:
    finding = Finding(1, 257, 3, bytes(32), victim="victim" if loss else None, loss=loss)
    return Case(finding, CaseState.CLOSED, 10**24, reporter, 2_000, 0, taken=taken, loss=loss)


@given(former=WEI, taken=WEI, loss=WEI, room=st.integers(-(10**24), 10**24))
def test_share_out__any_amounts__lose_and_make_no_wei(
    former: int, taken: int, loss: int, room: int
) -> None:
    shares = share_out(a_case(taken=former, loss=loss), taken, insurance_room=room)

    assert shares.reporter + shares.victim + shares.insurance + shares.treasury == taken
    assert 0 <= shares.victim <= loss
    assert 0 <= shares.insurance <= max(room, 0)
    assert 0 <= shares.reporter <= REPORTER_LIMIT_WEI


@given(parts=st.lists(WEI, min_size=1, max_size=6))
def test_share_out__in_parts__pays_the_reporter_what_one_slash_would(parts: list[int]) -> None:
    paid, former = 0, 0
    for part in parts:
        paid += share_out(a_case(taken=former), part, insurance_room=0).reporter
        former += part

    assert paid == share_out(a_case(), sum(parts), insurance_room=0).reporter


def test_share_out__nobody_reported__leaves_the_share_to_the_rest() -> None:
    shares = share_out(a_case(reporter=None), WEI_PER_COIN, insurance_room=10**30)

    assert (shares.reporter, shares.insurance) == (0, WEI_PER_COIN)


def test_inv_stake_12__ranks__compare_the_least_with_the_most() -> None:
    silence = replace(RULE, offence_class=OffenceClass.MISSED)

    assert is_ranked(silence, RULE)
    assert not is_ranked(silence, replace(RULE, correlated=True))
    assert not is_ranked(silence, replace(RULE, base_bps=1_001))
    assert not is_ranked(silence, replace(RULE, base_bps=0))


@given(
    amounts=st.lists(st.integers(1, 10**21), min_size=1, max_size=8), free=st.integers(10, 10**22)
)
def test_insurance__collected_in_any_order__pays_the_pot_and_no_more(
    amounts: list[int], free: int
) -> None:
    pool = Insurance(free=free)
    for number, amount in enumerate(amounts):
        pool.register(number.to_bytes(32, "big"), f"victim {number}", amount, 1)

    pot = pool.close_round(2)
    paid = [pool.collect(n.to_bytes(32, "big"), 2)[1] for n in reversed(range(len(amounts)))]

    assert pot == min(sum(amounts), free // 10) == sum(paid)
    assert pool.held == free - pot
    assert all(part <= amount for part, amount in zip(paid[::-1], amounts, strict=True))


def test_insurance__round_in_its_first_epoch__stays_open() -> None:
    pool = Insurance(free=1_000)
    pool.register(bytes(32), "victim", 5, 7)

    for epoch in (6, 7):
        with pytest.raises(WrongState):
            pool.close_round(epoch)
    with pytest.raises(WrongState):
        pool.collect(bytes(32), 7)
    assert pool.close_round(8) == 5


def test_offence_id__every_field__changes_it() -> None:
    finding = Finding(1, 257, 3, bytes(32))
    others = {
        offence_id(1, b"\x01" * 20, finding),
        offence_id(2, b"\x01" * 20, finding),
        offence_id(1, b"\x02" * 20, finding),
        offence_id(1, b"\x01" * 20, replace(finding, offence=2)),
        offence_id(1, b"\x01" * 20, replace(finding, pool=258)),
        offence_id(1, b"\x01" * 20, replace(finding, subject=b"\x01" * 32)),
    }

    assert len(others) == 6
    assert offence_id(1, b"\x01" * 20, replace(finding, epoch=4)) in others
    assert commitment_of(b"a", b"\x01" * 20, bytes(32)) != commitment_of(
        b"a", b"\x02" * 20, bytes(32)
    )


def test_reverts__of_court_and_ledger__do_not_overlap() -> None:
    assert not set(COURT_REVERTS) & set(REVERTS)
