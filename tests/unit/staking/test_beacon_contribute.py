"""Which seats a relayer signs for, and when it signs nothing."""

from dataclasses import replace

import pytest

from offchain.core.bls import PublicKey, SecretKey, aggregate_signatures, verify
from offchain.core.hashing import keccak
from offchain.staking.beacon import BeaconId, message_of, seats_of
from offchain.staking.contribute import BeaconView, TreeMismatch, absent, decide
from offchain.staking.events import WeightSet
from offchain.staking.model import PoolId
from offchain.staking.tree import Leaf, StakeTree
from offchain.staking.weight_book import weights_at

KEYS = {number: SecretKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3)}
RELAYER = 4


@pytest.fixture
def view() -> BeaconView:
    tree = StakeTree(
        {
            number - 1: Leaf(number, 100 * number, keccak(key.public_key().eip2537()))
            for number, key in KEYS.items()
        }
    )
    return BeaconView(
        beacon=BeaconId(1, b"\x05" * 20),
        epoch=9,
        is_open=True,
        prior=b"\x06" * 32,
        bitmap=0,
        tree=tree,
        root=tree.root,
    )


def test_decide__own_seats_missing__signs_for_exactly_those(view: BeaconView) -> None:
    held = seats_of(view.tree, view.prior)

    mine = decide(view, {1: KEYS[1], 3: KEYS[3]})

    assert mine
    assert mine.bitmap == held[0] | held[2]
    assert [leaf.operator_id for leaf in mine.cover.opened] == [1, 3]
    assert [PublicKey.parse(raw) for raw in mine.keys] == [
        KEYS[1].public_key(),
        KEYS[3].public_key(),
    ]
    message = message_of(view.beacon, 9, view.prior)
    parts = [KEYS[number].sign(message) for number in (1, 3)]
    assert mine.aggregate == aggregate_signatures(parts).eip2537()
    assert verify(KEYS[1].public_key(), message, parts[0])


def test_decide__nothing_owed__signs_nothing(view: BeaconView) -> None:
    held = seats_of(view.tree, view.prior)

    assert decide(replace(view, is_open=False), KEYS) is None
    assert decide(replace(view, bitmap=held[0]), {1: KEYS[1]}) is None
    assert decide(view, {7: KEYS[1]}) is None
    assert decide(view, {1: KEYS[2]}) is None


def test_decide__tree_does_not_fold_to_the_root__signs_nothing(view: BeaconView) -> None:
    with pytest.raises(TreeMismatch):
        decide(replace(view, root=bytes(32)), KEYS)


def test_absent__some_seats_are_in__names_the_others_but_not_the_spared(view: BeaconView) -> None:
    held = seats_of(view.tree, view.prior)
    begun = replace(view, is_open=False, bitmap=held[0])

    found = absent(begun, spared={2})

    assert {one.leaf.operator_id for one in found} == {3}
    assert sum(1 << one.stratum for one in found) == held[2]
    assert absent(replace(begun, bitmap=2**32 - 1), spared=()) == []
    with pytest.raises(TreeMismatch):
        absent(replace(begun, root=bytes(32)), spared=())


def test_weights_at__later_changes_and_other_services__do_not_count() -> None:
    first, second = PoolId(1 << 8 | RELAYER), PoolId(2 << 8 | RELAYER)
    events = [
        WeightSet(first, 3, 0, 100, 100),
        WeightSet(second, 3, 1, 100, 100),
        WeightSet(PoolId(3 << 8 | 1), 3, 0, 100, 100),
        WeightSet(first, 4, 0, 0, 0),
        WeightSet(second, 4, 0, 70, 70),
        WeightSet(second, 6, 0, 90, 90),
    ]

    assert [event.weight for event in weights_at(events, 3).values()] == [100, 100]
    assert {seat: event.weight for seat, event in weights_at(events, 5).items()} == {0: 70, 1: 100}
    assert weights_at(events, 2) == {}
