"""The draw of relayers: by stake, without repeats, the same for everybody."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.attestation.draw import (
    MAX_ATTEMPTS,
    SEATS,
    candidates_of,
    draw_relayers,
    seed_of,
)
from offchain.core.hashing import keccak
from offchain.staking.tree import Leaf, StakeTree


def a_tree(*weights: int) -> StakeTree:
    """Operators 1, 2, ... with these weights, one seat each."""
    leaves = {
        seat: Leaf(seat + 1, weight, keccak(bytes([seat]))) for seat, weight in enumerate(weights)
    }
    return StakeTree(leaves)


def test_draw__of_ten_relayers__seats_five_different_ones_by_what_was_attempted() -> None:
    tree = a_tree(*[100] * 10)

    drawn = draw_relayers(seed_of(b"\x01" * 32), tree)

    assert len(drawn.members) == SEATS == len(set(drawn.members))
    first_seen = list(dict.fromkeys(tree.leaves[seat].operator_id for seat in drawn.attempts))
    assert list(drawn.members) == first_seen
    assert len(candidates_of(drawn, tree)) == len(drawn.attempts)


def test_draw__of_fewer_relayers_than_seats__seats_everybody_and_shows_no_more() -> None:
    tree = a_tree(100, 100, 100, 100)

    drawn = draw_relayers(seed_of(b"\x02" * 32), tree)

    assert sorted(drawn.members) == [1, 2, 3, 4]
    assert tree.leaves[drawn.attempts[-1]].operator_id == drawn.members[-1]


def test_draw__of_nobody__seats_nobody() -> None:
    drawn = draw_relayers(seed_of(b"\x03" * 32), a_tree())

    assert drawn.members == drawn.attempts == ()


def test_draw__over_many_epochs__follows_the_stake() -> None:
    tree = a_tree(900, *[10] * 10)
    first = Counter(
        draw_relayers(seed_of(keccak(bytes([epoch]))), tree).members[0] for epoch in range(200)
    )

    assert 160 <= first[1] <= 199  # nine tenths of the weight: 180 of 200


@given(
    weights=st.lists(st.integers(1, 10**24), min_size=1, max_size=20),
    randomness=st.binary(min_size=32, max_size=32),
)
def test_draw__of_any_weights__repeats_nobody_and_ends(
    weights: list[int], randomness: bytes
) -> None:
    tree = a_tree(*weights)

    drawn = draw_relayers(seed_of(randomness), tree)

    assert len(set(drawn.members)) == len(drawn.members) <= min(SEATS, len(weights))
    assert len(drawn.attempts) <= MAX_ATTEMPTS
    assert drawn == draw_relayers(seed_of(randomness), tree)


@pytest.mark.parametrize("epoch", [1, 2])
def test_seed__of_another_epoch__differs(epoch: int) -> None:
    assert seed_of(bytes([epoch]) * 32) != seed_of(bytes([epoch + 1]) * 32)
