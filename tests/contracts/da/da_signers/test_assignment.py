"""The pure parts of assignment on chain, against the model, for any number of quorums."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.bls import SecretKey
from offchain.core.layout import N
from offchain.da.quorums import (
    MIN_QUORUM_SIGNERS,
    Member,
    Quorum,
    Signer,
    assign,
    blob_seed,
    draw_table,
    owner_of_row,
    quorum_count_for,
    slot_ranges,
)

PROBE = """
# pragma version 0.4.3
from contracts.da import assignment
from contracts.da import quorum_table
from contracts.da import membership
from contracts.da import table_draw

initializes: membership
initializes: quorum_table
initializes: table_draw[membership := membership, quorum_table := quorum_table]


@external
def slot_of(seed: bytes32, quorums: uint256, row: uint256) -> uint256:
    return assignment._slot_of(seed, quorums, row)


@external
def quorum_of(seed: bytes32, quorums: uint256) -> uint256:
    return assignment._quorum_of(seed, quorums)


@external
def blob_seed(epoch_seed: bytes32, blob_id: bytes32, entropy: bytes32) -> bytes32:
    return assignment._blob_seed(epoch_seed, blob_id, entropy)


@external
def fill(ends: DynArray[uint256, 1024]):
    first: uint256 = 0
    index: uint256 = 0
    for end: uint256 in ends:
        quorum_table._append(7, index, index + 1, (first << 16) | end, b"")
        first = end
        index += 1
    quorum_table.counts[7] = index


@view
@external
def owner(slot: uint256) -> uint256:
    return quorum_table._operator_at(7, quorum_table._index_of_slot(7, slot))


@view
@external
def owner_of_row(seed: bytes32, quorums: uint256, row: uint256) -> uint256:
    return quorum_table._operator_at(
        7, quorum_table._index_of_slot(7, assignment._slot_of(seed, quorums, row))
    )


@external
def quorum_count_for(members: uint256) -> uint256:
    return table_draw._quorum_count_for(members)
"""
WORDS = st.binary(min_size=32, max_size=32)


@pytest.fixture(scope="module")
def probe() -> VyperContract:
    return boa.loads(PROBE, name="AssignmentProbe")


@given(seed=WORDS, quorums=st.integers(1, 8), rows=st.lists(st.integers(0, N - 1), max_size=6))
def test_slot_of__any_seed_and_quorums__equals_the_model(
    probe: VyperContract, seed: bytes, quorums: int, rows: list[int]
) -> None:
    expected = assign(seed, quorums)

    assert expected.quorum_id == probe.quorum_of(seed, quorums)
    assert [expected.slot_of(row) for row in rows] == [
        probe.slot_of(seed, quorums, row) for row in rows
    ]


@given(epoch_seed=WORDS, blob_id=WORDS, entropy=WORDS)
def test_blob_seed__any_words__equals_the_model(
    probe: VyperContract, epoch_seed: bytes, blob_id: bytes, entropy: bytes
) -> None:
    assert blob_seed(epoch_seed, blob_id, entropy) == probe.blob_seed(epoch_seed, blob_id, entropy)


@pytest.mark.parametrize("signers", [1, 2, 3, 513, 1_023, 1_024])
def test_inv_da_10__owner_of_slot__is_found_among_any_number_of_signers(
    probe: VyperContract, signers: int
) -> None:
    ends = [N * (index + 1) // signers for index in range(signers)]
    for start in range(0, signers, 1_024):
        probe.fill(ends[start : start + 1_024])
    for slot in {0, 1, N // 2, N - 1, *(end - 1 for end in ends[:5]), *(end for end in ends[:5])}:
        if slot < N:
            expected = next(index for index, end in enumerate(ends) if slot < end) + 1

            assert expected == probe.owner(slot)
    with boa.reverts("quorum_table: no such slot"):
        probe.owner(N)


@given(
    weights=st.lists(st.integers(1, 10**24), min_size=1, max_size=40),
    seed=WORDS,
    quorums=st.integers(1, 8),
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=6),
)
def test_inv_da_10__any_table_and_seed__chain_and_model_name_the_same_owner(
    probe: VyperContract, weights: list[int], seed: bytes, quorums: int, rows: list[int]
) -> None:
    ranges = [cut for cut in slot_ranges(weights) if cut[0] < cut[1]]
    signers = [Signer(number + 1, *cut, bytes(32)) for number, cut in enumerate(ranges)]
    quorum = Quorum(tuple(signers), SecretKey(1).public_key())
    assignment = assign(seed, quorums)
    probe.fill([end for _, end in ranges])

    for row in rows:
        expected = owner_of_row(quorum, assignment, row)

        assert expected == probe.owner_of_row(seed, quorums, row)


def test_quorum_count__members__one_below_1024_then_one_per_512(probe: VyperContract) -> None:
    for members in (0, 1, 511, 512, 1_023, 1_024, 1_535, 1_536, 4_096):
        expected = max(1, members // MIN_QUORUM_SIGNERS)

        assert expected == quorum_count_for(members) == probe.quorum_count_for(members)


def test_draw_table__1100_members__cuts_two_quorums_of_equal_heads() -> None:
    key = SecretKey(5).public_key()
    members = [Member(number + 1, 10**18, key) for number in range(1_100)]

    table = draw_table(members, bytes(32))

    assert [len(quorum.signers) for quorum in table.quorums] == [550, 550]
    assert all(quorum.signers[-1].end_slot == N for quorum in table.quorums)
    assert {page.position for page in table.pages} >= {0, 64, 550, 614}
    assert sum(len(page.operator_ids) for page in table.pages) == 1_100
