"""Seats, covers and the chain of values, without a contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.bls import SecretKey
from offchain.core.errors import InvalidInput
from offchain.staking.beacon import (
    SEATS,
    BeaconHistory,
    BeaconId,
    SeatTaken,
    absences,
    build_contribution,
    seats_of,
    sign_for,
)
from offchain.staking.tree import (
    MAX_OPERATORS,
    TREE_DEPTH,
    InvalidSeat,
    Leaf,
    StakeTree,
    draw_point,
    node_digest,
)

ALL = 2**SEATS - 1
BEACON = BeaconId(1, b"\x07" * 20)
WEIGHTS = st.dictionaries(
    st.integers(0, MAX_OPERATORS - 1), st.integers(1, 10**24), min_size=1, max_size=40
)
SEED = st.binary(min_size=32, max_size=32)
KEYS = [SecretKey.from_seed(bytes([number]) * 32) for number in range(1, 5)]


def a_tree(weights: dict[int, int]) -> StakeTree:
    return StakeTree({s: Leaf(s + 1, w, s.to_bytes(32, "big")) for s, w in weights.items()})


@given(weights=WEIGHTS, seed=SEED)
def test_seats__any_weights__are_all_held_once_and_in_proportion(
    weights: dict[int, int], seed: bytes
) -> None:
    tree = a_tree(weights)

    held = seats_of(tree, seed)

    assert sum(held.values()) == ALL
    for seat, bits in held.items():
        assert bits.bit_count() <= -(-SEATS * weights[seat] // tree.total_wei) + 1


@given(weights=WEIGHTS, which=st.integers(0, 10**6))
def test_path__any_leaf__folds_to_the_root(weights: dict[int, int], which: int) -> None:
    tree = a_tree(weights)
    seat = sorted(weights)[which % len(weights)]
    path = tree.path(seat)

    node, total = tree.leaves[seat].digest(), weights[seat]
    for level in range(TREE_DEPTH):
        other, other_sum = path.siblings[level], path.sums_wei[level]
        if (seat >> level) & 1:
            node = node_digest(other, node, other_sum, total)
        else:
            node = node_digest(node, other, total, other_sum)
        total += other_sum

    assert (node, total) == (tree.root, tree.total_wei)
    assert path.first_wei == sum(weight for place, weight in weights.items() if place < seat)


@given(weights=WEIGHTS, chosen=st.integers(1, 10**6))
def test_cover__any_leaves__tiles_the_whole_tree(weights: dict[int, int], chosen: int) -> None:
    tree = a_tree(weights)
    seats = sorted(weights)[:: chosen % len(weights) + 1]

    cover = tree.cover(seats)

    assert [leaf.operator_id - 1 for leaf in cover.opened] == seats
    assert sum(1 << ((word >> 128) & 255) for word in cover.words) == MAX_OPERATORS
    assert sum(word & (2**128 - 1) for word in cover.words) == tree.total_wei


def test_tree__seat_outside_or_empty__is_refused() -> None:
    tree = a_tree({3: 5})

    with pytest.raises(InvalidSeat):
        a_tree({MAX_OPERATORS: 1})
    with pytest.raises(InvalidSeat):
        tree.path(4)
    with pytest.raises(InvalidSeat):
        tree.cover([4])
    with pytest.raises(InvalidSeat):
        tree.seat_at(5)
    with pytest.raises(InvalidInput):
        draw_point(bytes(32), 0, strata=32, total_wei=0)
    assert seats_of(StakeTree({}), bytes(32)) == {}


def test_contribution__without_a_seat_holder__is_refused() -> None:
    tree = a_tree({0: 100})

    with pytest.raises(InvalidInput):
        build_contribution(tree, bytes(32), epoch=1, signatures={}, keys={})
    with pytest.raises(InvalidInput):
        build_contribution(tree, bytes(32), epoch=1, signatures={9: KEYS[0].sign(b"m")}, keys={})


def test_absences__after_some_seats_came__list_exactly_the_others() -> None:
    tree = a_tree({0: 100, 1: 300, 2: 50})
    held = seats_of(tree, bytes(32))
    present = held[1]

    missing = absences(tree, bytes(32), epoch=5, bitmap=present)

    assert sum(1 << item.stratum for item in missing) == ALL ^ present
    assert all(held[item.tree_seat] >> item.stratum & 1 for item in missing)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_inv_stake_16__history__depends_on_the_set_of_seats_only(order: tuple[int, ...]) -> None:
    history, once = BeaconHistory(BEACON), BeaconHistory(BEACON)
    prior = history.value_at(4)
    signatures = [sign_for(key, BEACON, 5, prior) for key in KEYS[:3]]

    for place in order:
        history.contribute(5, 1 << place, [signatures[place]])
    once.contribute(5, 0b111, signatures)

    assert history.value_at(5) == once.value_at(5)
    assert history.value_at(9) == once.value_at(9) != history.value_at(10)
    with pytest.raises(SeatTaken):
        history.contribute(5, 1, [signatures[0]])
    assert history.is_weak(5)
