"""Rows follow stake, and nobody chooses them: counted, simulated and attacked; all seeded.

Chi-square limits are the 99.99 % points of their degrees of freedom. Every number here follows from
fixed seeds, so a test that passes once passes always.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.bls import SecretKey
from offchain.core.hashing import keccak
from offchain.core.layout import K, N
from offchain.da.quorums import (
    Member,
    Quorum,
    Signer,
    assign,
    blob_seed,
    draw_table,
    owner_of_row,
    runs_of,
    slot_ranges,
)

KEY = SecretKey(7).public_key()
STAKES = (1_000, 700, 400, 300, 200, 150, 120, 90, 60, 30, 12, 10)
LIMITS = {1: 15.14, 7: 29.88, 11: 37.37, 15: 44.26, 31: 69.05}  # 99.99 % by degrees of freedom
EPOCHS = 10_000
BLOBS = 6_000


def a_quorum(stakes: Sequence[int] = STAKES) -> Quorum:
    signers = [Signer(n + 1, *cut, bytes(32)) for n, cut in enumerate(slot_ranges(stakes))]
    return Quorum(tuple(signers), KEY)


def a_seed(*parts: int | str) -> bytes:
    return keccak(repr(parts).encode())


def chi_square(counts: Counter[int], expected: dict[int, float]) -> float:
    return sum((counts[key] - mean) ** 2 / mean for key, mean in expected.items())


def of_one(values: Iterable[int], size: int) -> float:
    """Chi-square of values that should be uniform over `size`."""
    counts = Counter(values)
    mean = counts.total() / size
    return chi_square(counts, dict.fromkeys(range(size), mean))


@pytest.mark.parametrize("row", [0, 1, K - 1, K, 2_050, N - 1])
def test_owner_of_a_row__over_many_blobs__follows_stake(row: int) -> None:
    quorum = a_quorum()
    owners = Counter(
        owner_of_row(quorum, assign(a_seed("blob", number), 1), row) for number in range(BLOBS)
    )

    expected = {one.operator_id: BLOBS * one.slices / N for one in quorum.signers}
    assert chi_square(owners, expected) < LIMITS[len(STAKES) - 1]


def test_data_rows__over_many_blobs__follow_stake_like_all_rows() -> None:
    """A data row is worth more to a reader; nobody gets more of them than of others."""
    quorum = a_quorum()
    held: Counter[int] = Counter()
    blobs = 300
    for number in range(blobs):
        assignment = assign(a_seed("data", number), 1)
        for signer in quorum.signers:
            held[signer.operator_id] += sum(row < K for row in assignment.rows_of(signer))

    assert held.total() == blobs * K
    for signer in quorum.signers:
        assert held[signer.operator_id] / (blobs * K) == pytest.approx(signer.slices / N, rel=0.05)


def test_assign__over_many_blobs__spreads_quorums_steps_and_offsets_evenly() -> None:
    drawn = [assign(a_seed("spread", number), 8) for number in range(BLOBS)]

    assert of_one((one.quorum_id for one in drawn), 8) < LIMITS[7]
    assert of_one((one.step * 16 // N for one in drawn), 16) < LIMITS[15]
    assert of_one((one.offset * 32 // N for one in drawn), 32) < LIMITS[31]


def test_places__over_10000_epochs__are_even_for_every_operator() -> None:
    """Sixteen operators; where each stands in the order of the draw, epoch by epoch."""
    members = 16
    places: dict[int, list[int]] = {operator: [] for operator in range(1, members + 1)}
    for epoch in range(EPOCHS):
        [ordered] = runs_of(list(places), a_seed("epoch", epoch))
        for place, operator in enumerate(ordered):
            places[operator].append(place)

    for drawn in places.values():
        assert of_one(drawn, members) < LIMITS[15]


def test_coalition__over_10000_epochs__has_its_share_of_slots_within_three_sigma() -> None:
    """D5: stake of a quarter, in one piece or split over many ids, holds a quarter of the slots."""
    honest = [100] * 9
    for pieces in ([300], [100] * 3, [10] * 30):
        stakes = dict(enumerate([*honest, *pieces], start=1))
        total = sum(stakes.values())
        coalition = set(range(len(honest) + 1, len(stakes) + 1))
        shares = []
        for epoch in range(EPOCHS):
            [ordered] = runs_of(list(stakes), a_seed("coalition", len(pieces), epoch))
            ranges = zip(ordered, slot_ranges([stakes[one] for one in ordered]), strict=True)
            shares.append(sum(end - first for one, (first, end) in ranges if one in coalition))

        exact = N * sum(pieces) / total
        assert all(abs(share - exact) <= len(pieces) for share in shares)
        sigma = max((fmean((share - exact) ** 2 for share in shares) / len(shares)) ** 0.5, 1e-9)
        assert abs(fmean(shares) - exact) <= 3 * sigma


def test_coalition__two_quorums__has_its_share_of_each_within_three_sigma() -> None:
    """1,100 members cut in two: heads of a fifth are hypergeometric in each half."""
    members, coalition, epochs = 1_100, 220, 250
    heads = []
    for epoch in range(epochs):
        first, second = runs_of(range(1, members + 1), a_seed("halves", epoch))
        assert len(first) == len(second) == members // 2
        heads.append(sum(operator <= coalition for operator in first))

    share = coalition / members
    sigma = (members / 2 * share * (1 - share) * (members / 2) / (members - 1)) ** 0.5
    assert abs(fmean(heads) - members / 2 * share) <= 3 * sigma / epochs**0.5
    assert max(abs(count - members / 2 * share) for count in heads) <= 5 * sigma


@given(numbers=st.lists(st.integers(8, 10**6), min_size=3, max_size=3, unique=True))
def test_inv_da_11__other_keys__same_places_and_slots(numbers: list[int]) -> None:
    """Grinding keys: nothing in the draw but the seal and the sum depends on them."""
    seed, ids = a_seed("keys"), (4, 9, 2)

    def places(keys: Sequence[int]) -> list[tuple[int, int, int]]:
        members = [
            Member(one, 100 + one, SecretKey(key).public_key())
            for one, key in zip(ids, keys, strict=True)
        ]
        signers = draw_table(members, seed).quorums[0].signers
        return [(one.operator_id, one.first_slot, one.end_slot) for one in signers]

    assert places((1, 2, 3)) == places(numbers)


@given(seed=st.binary(min_size=32, max_size=32), quorums=st.integers(1, 8))
def test_inv_da_11__any_seed_a_proposer_finds__gives_nobody_another_row_more(
    seed: bytes, quorums: int
) -> None:
    """Grinding block hashes: a seed moves rows over slots, never slots over signers."""
    assignment = assign(seed, quorums)

    for signer in a_quorum().signers:
        assert len(assignment.rows_of(signer)) == signer.slices


def test_inv_da_11__payer_grinds_salts_before_paying__gets_its_stakes_share_all_the_same() -> None:
    """It picks the blob id that is best under its guess of the coming hash; the hash is another."""
    quorum, epoch_seed, rounds, tries = a_quorum(), a_seed("table"), 1_500, 8
    friend = quorum.signers[2]
    won = guessed = 0
    for number in range(rounds):
        guess, truth = a_seed("guess", number), a_seed("truth", number)
        ids = [a_seed("salt", number, attempt) for attempt in range(tries)]
        best = next((one for one in ids if _owns(quorum, epoch_seed, one, guess, friend)), ids[0])
        guessed += _owns(quorum, epoch_seed, best, guess, friend)
        won += _owns(quorum, epoch_seed, best, truth, friend)

    share = friend.slices / N
    assert guessed / rounds > 4 * share
    assert abs(won - rounds * share) <= 3 * (rounds * share * (1 - share)) ** 0.5


def test_inv_da_11__proposer_withholds_once__at_most_doubles_a_rare_event() -> None:
    """One other seed: a quorum that is bad with chance p is met with chance at most 2p - p^2."""
    source, rounds, bad, quorums = random.Random(3), 4_000, {0}, 8
    met = 0
    for _ in range(rounds):
        first, second = (assign(source.randbytes(32), quorums).quorum_id for _ in range(2))
        met += first in bad or second in bad

    chance = len(bad) / quorums
    bound = 2 * chance - chance**2
    sigma = (rounds * bound * (1 - bound)) ** 0.5
    assert abs(met - rounds * bound) <= 3 * sigma


def _owns(quorum: Quorum, seed: bytes, blob_id: bytes, entropy: bytes, signer: Signer) -> bool:
    """Whether the signer answers for row 0."""
    slot = assign(blob_seed(seed, blob_id, entropy), 1).slot_of(0)
    return signer.first_slot <= slot < signer.end_slot
