"""What audits draw and decide, and how a settled batch is opened for the courts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.audit_draw import (
    MAX_ATTEMPTS,
    MAX_DRAWS,
    Ballot,
    candidates_of,
    committee_of,
    draws_of,
    needed,
    penalty_of,
    request_id,
    span_of,
    tally,
)
from offchain.compute.batch import BatchItem
from offchain.compute.model import Finish, Receipt, SignedReceipt
from offchain.compute.shown import SettledBatch, receipt_fields
from offchain.compute.sum_tree import root_of
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.staking.tree import Leaf, StakeTree

SEED = keccak(b"seed")


def a_tree(*weights: int) -> StakeTree:
    return StakeTree(
        {
            number: Leaf(number + 1, weight, keccak(words(number)))
            for number, weight in enumerate(weights)
        }
    )


def an_item(payer: bytes, prices: tuple[int, ...]) -> BatchItem:
    receipt = Receipt(
        request_id=SEED,
        payer=payer,
        provider=bytes(20),
        service=SEED,
        price_version=1,
        request_hash=SEED,
        response_hash=SEED,
        model_hash=SEED,
        commitment=SEED,
        input_tokens=1,
        output_tokens=1,
        price=0,
        nonce=0,
        time=0,
        finish=Finish.STOP,
    )
    leaves = tuple(
        SignedReceipt(replace(receipt, price=price, nonce=nonce), bytes(65))
        for nonce, price in enumerate(prices, 1)
    )
    return BatchItem(payer, SEED, 1, bytes(20), sum(prices), 0, leaves)


@pytest.mark.parametrize(
    ("leaves", "draws"), [(1, 1), (100, 1), (101, 2), (200, 2), (6_400, 64), (10**6, MAX_DRAWS)]
)
def test_draws_of__leaves__one_in_a_hundred_rounded_up(leaves: int, draws: int) -> None:
    assert draws == draws_of(leaves)


@given(st.integers(1, 10**30), st.integers(1, MAX_DRAWS))
def test_penalty_of__all_draws__cover_twice_what_the_batch_moved(total: int, draws: int) -> None:
    penalty = penalty_of(total, draws)

    assert draws * penalty * 9_900 >= 2 * total * 10_000
    assert (penalty - 1) * draws * 9_900 < 2 * total * 10_000 or penalty == 1


@given(st.integers(1, 10**30), st.integers(1, MAX_DRAWS), st.booleans())
def test_span_of__draws_of_a_batch__one_in_each_part(
    total: int, draws: int, is_whole: bool
) -> None:
    for number in range(draws):
        span = span_of(SEED, number, draws=draws, total=total, is_whole=is_whole)
        low, high = number * total // draws, (number + 1) * total // draws
        assert low <= span.first <= span.last <= max(high - 1, low)


def test_committee_of__weights__members_differ_and_the_provider_is_none_of_them() -> None:
    tree = a_tree(30, 20, 30, 40, 40)

    for number in range(50):
        committee = committee_of(keccak(words(number)), tree, seats=3, barred=5)
        assert len(set(committee.members)) == 3
        assert 5 not in committee.members
        assert len(candidates_of(committee, tree)) == len(committee.attempts) <= MAX_ATTEMPTS


def test_committee_of__too_few_operators__whoever_was_found() -> None:
    assert committee_of(SEED, a_tree(), seats=3, barred=1).members == ()
    alone = committee_of(SEED, a_tree(7), seats=3, barred=1)
    assert (alone.members, len(alone.attempts)) == ((), MAX_ATTEMPTS)
    two = committee_of(SEED, a_tree(7, 7, 7), seats=3, barred=1)
    assert sorted(two.members) == [2, 3]


def test_ballot__any_field_changed__another_commitment() -> None:
    ballot = Ballot(1, 1, 7, 0, SEED, SEED)
    others = [
        replace(ballot, audit=2),
        replace(ballot, rnd=2),
        replace(ballot, operator_id=8),
        replace(ballot, failed=1),
        replace(ballot, statistics=bytes(32)),
        replace(ballot, salt=bytes(32)),
    ]

    assert len({one.commitment() for one in [ballot, *others]}) == 7
    assert request_id(1, 5) != request_id(2, 5) and request_id(1, 5) >> 255 == 1


@pytest.mark.parametrize(
    ("votes", "seats", "rnd", "failed", "decided"),
    [
        ([1, 1, 0], 3, 1, 1, 3),
        ([3, 1, 2], 3, 1, 3, 3),
        ([0, 0], 3, 1, 0, 3),
        ([1, 0], 3, 1, 0, 2),
        ([1], 3, 1, 0, 0),
        ([1] * 5 + [0] * 2, 7, 2, 1, 3),
        ([1] * 4 + [0] * 3, 7, 2, 0, 2),
        ([0] * 5, 7, 2, 0, 3),
    ],
)
def test_tally__votes__each_draw_by_its_own_majority(
    votes: list[int], seats: int, rnd: int, failed: int, decided: int
) -> None:
    verdict = tally(votes, seats=seats, rnd=rnd, draws=2)

    assert (verdict.failed, verdict.decided) == (failed, decided)
    assert verdict.is_split(2) == (decided != 3)


def test_needed__seats_of_both_rounds__as_the_protocol_says() -> None:
    assert [needed(seats, 1) for seats in (2, 3)] == [2, 2]
    assert [needed(seats, 2) for seats in (2, 3, 4, 5, 6, 7)] == [2, 3, 3, 4, 5, 5]


def test_settled_batch__every_unit__opens_the_leaf_that_it_pays_for() -> None:
    items = [an_item(bytes([1]) * 20, (3, 1, 4)), an_item(bytes([2]) * 20, (1, 5))]
    batch = SettledBatch.of(9, items)

    places = [batch.place_of(unit) for unit in range(batch.total)]

    wanted = [(0, 0)] * 3 + [(0, 1)] + [(0, 2)] * 4 + [(1, 0)] + [(1, 1)] * 5
    assert wanted == places
    assert [batch.first_unit(0, leaf) for leaf in range(3)] == [0, 3, 4]
    for index, leaf in set(places):
        hashed, item = batch.hashed(index, leaf), items[index]
        node = item.tree.levels[0][leaf]
        assert hashed.hash == node.hash and len(hashed.path) % 56 == 0
        root = root_of(node, leaf, len(item.leaves), item.tree.path(leaf))
        assert root == item.tree.root
        assert batch.leaf(index, leaf).fields()[1] == receipt_fields(item.leaves[leaf].receipt)
    assert batch.item(1).fields()[:2] == (9, 1)
    assert keccak(b"\x02", words(*batch.item(1).item)) == batch.tree.levels[0][1].hash
