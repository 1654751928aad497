"""Tables and assignments as pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.bls import SecretKey, aggregate_keys
from offchain.core.layout import N
from offchain.da.quorums import (
    Member,
    TableInvalid,
    absent_signer,
    assign,
    blob_seed,
    draw_table,
    owner_of_row,
    rank,
)

KEYS = [SecretKey(number + 1).public_key() for number in range(12)]
WEIGHTS = st.lists(
    st.one_of(st.just(0), st.integers(1, 10**24), st.sampled_from([10**20, 10**26])),
    min_size=1,
    max_size=12,
).filter(any)
SEEDS = st.binary(min_size=32, max_size=32)


def members_of(weights: list[int]) -> list[Member]:
    return [Member(number + 1, weight, KEYS[number]) for number, weight in enumerate(weights)]


@given(weights=WEIGHTS, seed=SEEDS)
def test_inv_da_10__any_weights__ranges_are_whole_and_within_one_slice_of_exact(
    weights: list[int], seed: bytes
) -> None:
    quorum = draw_table(members_of(weights), seed).quorums[0]

    ends = [signer.end_slot for signer in quorum.signers]
    starts = [signer.first_slot for signer in quorum.signers]
    assert starts == [0, *ends[:-1]]
    assert ends[-1] == N
    held = {signer.operator_id: signer.slices for signer in quorum.signers}
    for number, weight in enumerate(weights):
        assert abs(held.get(number + 1, 0) - N * weight / sum(weights)) <= 1
    assert all(slices > 0 for slices in held.values())
    assert quorum.key == aggregate_keys([KEYS[operator - 1] for operator in held])


@given(weights=WEIGHTS, seed=SEEDS, page_size=st.integers(1, 5))
def test_draw_table__any_page_size__pages_name_every_member_once_in_rank(
    weights: list[int], seed: bytes, page_size: int
) -> None:
    table = draw_table(members_of(weights), seed, page_size=page_size)

    given_ids = [one for page in table.pages for one in page.operator_ids]
    assert given_ids == sorted(range(1, len(weights) + 1), key=lambda one: rank(seed, one))
    assert [page.position for page in table.pages] == list(range(0, len(weights), page_size))
    assert {page.total_weight for page in table.pages} == {sum(weights)}


@given(seed=SEEDS, quorums=st.integers(1, 8))
def test_assign__any_seed__maps_rows_to_slots_one_to_one(seed: bytes, quorums: int) -> None:
    assignment = assign(seed, quorums)

    assert {assignment.slot_of(row) for row in range(N)} == set(range(N))
    assert 0 <= assignment.quorum_id < quorums


@given(weights=WEIGHTS, seed=SEEDS)
def test_rows_of__all_signers__cover_every_row_once(weights: list[int], seed: bytes) -> None:
    quorum = draw_table(members_of(weights), seed).quorums[0]
    assignment = assign(seed, 1)

    rows = [row for signer in quorum.signers for row in assignment.rows_of(signer)]

    assert sorted(rows) == list(range(N))
    for signer in quorum.signers:
        first = assignment.rows_of(signer)[0]
        assert owner_of_row(quorum, assignment, first) == signer.operator_id


def test_draw_table__nobody_or_no_weight__is_refused() -> None:
    with pytest.raises(TableInvalid):
        draw_table([], bytes(32))
    with pytest.raises(TableInvalid):
        draw_table(members_of([0, 0]), bytes(32))


def test_absent_signer__of_a_table__carries_its_range() -> None:
    quorum = draw_table(members_of([1, 1, 2]), bytes(32)).quorums[0]
    signer = quorum.signers[1]

    absent = absent_signer(quorum, 1, KEYS[signer.operator_id - 1])

    assert (absent.index, absent.first_slot, absent.end_slot) == (
        1,
        signer.first_slot,
        signer.end_slot,
    )


@given(seed=SEEDS, blob=SEEDS, entropy=SEEDS)
def test_blob_seed__any_input_altered__is_another(seed: bytes, blob: bytes, entropy: bytes) -> None:
    flipped = bytes([seed[0] ^ 1]) + seed[1:]

    assert blob_seed(seed, blob, entropy) != blob_seed(flipped, blob, entropy)
