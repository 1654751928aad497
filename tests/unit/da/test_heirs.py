"""Heirs: the same for everybody, by stake, and nobody else's rows move."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.core.layout import N
from offchain.da.duties import Duties, duties_of
from offchain.da.heirs import LOT_ROWS, heir_of, heirs_in_order, lots_of, rows_after
from offchain.da.quorums import Signer, assign
from tests.support.da_network import a_secret

KEY = a_secret(1).public_key()


def some_duties(ends: list[int], seed: bytes) -> Duties:
    """Signers 1.. whose slot ranges end at `ends`, the last at N."""
    signers = [
        Signer(operator, first, end, bytes(32))
        for operator, (first, end) in enumerate(pairwise([0, *ends]), 1)
    ]
    seats = [(signer, KEY, f"http://node-{signer.operator_id}") for signer in signers]
    return duties_of(1, seed, assign(seed, 1), seats, 2_048)


@st.composite
def quorums(draw: st.DrawFn) -> Duties:
    """Two to forty signers with any slots, any seed."""
    cuts = draw(st.sets(st.integers(1, N - 1), min_size=1, max_size=39))
    return some_duties([*sorted(cuts), N], draw(st.binary(min_size=32, max_size=32)))


def gone_of(data: st.DataObject, duties: Duties) -> set[int]:
    operators = [duty.operator for duty in duties.members]
    return data.draw(st.sets(st.sampled_from(operators), max_size=len(operators) - 1))


@given(quorums())
def test_inv_da_22__lots__every_row_once_and_bounded(duties: Duties) -> None:
    lots = lots_of(duties)

    assert sorted(row for lot in lots for row in lot.rows) == list(range(N))
    assert all(1 <= len(lot.rows) <= LOT_ROWS for lot in lots)
    assert len({lot.name for lot in lots}) == len(lots)


@given(quorums())
def test_inv_da_22__order_of_heirs__everybody_else_once(duties: Duties) -> None:
    for lot in lots_of(duties)[:8]:
        heirs = [heir.operator for heir in heirs_in_order(duties, lot)]

        assert sorted([*heirs, lot.owner.operator]) == [d.operator for d in duties.members]


@given(quorums(), st.data())
def test_inv_da_22__one_more_goes__only_what_it_held_moves(
    duties: Duties, data: st.DataObject
) -> None:
    gone = gone_of(data, duties)
    living = [d.operator for d in duties.members if d.operator not in gone]
    leaver = data.draw(st.sampled_from(living))
    before, after = rows_after(duties, gone), rows_after(duties, gone | {leaver})

    for operator in set(living) - {leaver}:
        assert set(before[operator]) <= set(after[operator])
    moved = {row for operator in after for row in set(after[operator]) - set(before[operator])}
    assert moved == (set(before[leaver]) if after else set())


@given(quorums(), st.data())
def test_inv_da_22__anybody_left__every_row_has_one_holder(
    duties: Duties, data: st.DataObject
) -> None:
    held = rows_after(duties, gone_of(data, duties))

    assert sorted(row for rows in held.values() for row in rows) == list(range(N))


@given(quorums(), st.data())
def test_inv_da_22__order_in_which_they_went__does_not_matter(
    duties: Duties, data: st.DataObject
) -> None:
    gone = gone_of(data, duties)
    lot = data.draw(st.sampled_from(lots_of(duties)))
    heir = heir_of(duties, lot, gone)
    assume(heir is not None)  # all but the owner may be gone

    for one in gone:
        earlier = heir_of(duties, lot, gone - {one})
        assert earlier == heir or (earlier is not None and earlier.operator == one)


def test_heir_of__everybody_else_is_gone__nobody() -> None:
    duties = some_duties([1_000, N], bytes(32))
    lot = lots_of(duties)[0]

    assert heir_of(duties, lot, {1, 2}) is None
    assert heir_of(duties, lot, {1}) == duties.members[1]


def test_inv_da_22__shares_of_what_was_left__follow_slots() -> None:
    """Three heirs with 5/10, 3/10 and 2/10 of the slots that are left, over many blobs."""
    ends = [512, 512 + 1_280, 512 + 1_280 + 768, N]
    counts: Counter[int] = Counter()
    for number in range(1_500):
        duties = some_duties(ends, keccak(number.to_bytes(4, "big")))
        for lot in lots_of(duties)[:4]:
            heir = heir_of(duties, lot, {1})
            assert heir is not None
            counts[heir.operator] += 1

    total = sum(counts.values())
    expected = {2: 0.5, 3: 0.3, 4: 0.2}
    chi_square = sum((counts[o] - total * p) ** 2 / (total * p) for o, p in expected.items())
    assert chi_square < 13.8  # p = 0.001 with two degrees of freedom


@pytest.mark.parametrize("signers", [2, 1_023])
def test_order_of_heirs__smallest_and_largest_quorum__whole(signers: int) -> None:
    ends = [N * place // signers for place in range(1, signers + 1)]
    duties = some_duties(ends, keccak(b"quorum"))

    heirs = list(heirs_in_order(duties, lots_of(duties)[0]))

    assert len({heir.index for heir in heirs}) == len(heirs) == signers - 1
