"""The tree of weights: roots, totals, sums of keys and draws, against the Python twin."""

import boa
import pytest

from offchain.core.bls import PublicKey, aggregate_keys
from offchain.core.hashing import TAG_SNAPSHOT, keccak
from offchain.staking.tree import Leaf, Path, StakeTree, draw_point
from tests.support.staking import (
    COIN,
    DA,
    STORAGE,
    AnOperator,
    StakingSite,
    a_member,
    a_wallet,
    key_bytes,
    next_epoch,
)

SEED = keccak(b"a seed nobody could choose")


def a_leaf(operator: AnOperator, weight: int) -> Leaf:
    return Leaf(operator.operator_id, weight, keccak(key_bytes(operator.key)))


def prove(site: StakingSite, stratum: int, strata: int, leaf: Leaf, seat: int, path: Path) -> bool:
    return site.registry.verify_draw(
        DA,
        site.stake.current_epoch(),
        SEED,
        stratum,
        strata,
        leaf.operator_id,
        leaf.weight_wei,
        leaf.key_hash,
        seat,
        path.siblings,
        path.sums_wei,
    )


@pytest.fixture
def members(site: StakingSite) -> list[AnOperator]:
    return [a_member(site, number, own=(100 + number) * COIN) for number in range(1, 7)]


def the_tree(members: list[AnOperator]) -> StakeTree:
    weights = {seat: (100 + seat + 1) * COIN for seat in range(len(members))}
    return StakeTree({seat: a_leaf(members[seat], weight) for seat, weight in weights.items()})


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 18])
def test_inv_stake_9__each_new_height__root_is_that_of_twelve_levels(
    site: StakingSite, count: int
) -> None:
    members = [a_member(site, number, own=(100 + number) * COIN) for number in range(1, count + 1)]
    next_epoch()

    tree = the_tree(members)
    assert tree.root == site.stake.tree_root_at(DA, site.stake.current_epoch())
    assert tree.total_wei == site.stake.total_weight_at(DA, site.stake.current_epoch())


def test_inv_stake_9__members_leave_and_return__seats_are_used_again(
    site: StakingSite, members: list[AnOperator]
) -> None:
    for seat in (1, 4):
        site.stake.leave(DA, sender=members[seat].owner)
    next_epoch()
    tree = the_tree(members)
    rest = StakeTree({seat: leaf for seat, leaf in tree.leaves.items() if seat not in (1, 4)})
    assert rest.root == site.stake.tree_root_at(DA, site.stake.current_epoch())

    site.stake.join(DA, 0, value=500 * COIN, sender=members[1].owner)
    next_epoch()

    moved = StakeTree(rest.leaves | {4: a_leaf(members[1], 500 * COIN)})
    assert moved.root == site.stake.tree_root_at(DA, site.stake.current_epoch())


def test_inv_stake_9__everybody_left__root_is_empty(
    site: StakingSite, members: list[AnOperator]
) -> None:
    for member in members:
        site.stake.leave(DA, sender=member.owner)
    next_epoch()

    assert site.stake.tree_root_at(DA, site.stake.current_epoch()) == bytes(32)
    assert site.stake.total_weight_at(DA, site.stake.current_epoch()) == 0
    assert site.registry.aggregate_key(DA) == bytes(128)


def test_inv_stake_10__sum_of_keys__follows_members(
    site: StakingSite, members: list[AnOperator]
) -> None:
    next_epoch()
    epoch = site.stake.current_epoch()
    everyone = aggregate_keys([member.key.public_key() for member in members])

    site.stake.leave(DA, sender=members[0].owner)
    site.stake.slash(members[1].pool(DA), 0, 0, 2**40, sender=site.court)
    site.stake.reweigh(members[1].pool(DA))

    rest = aggregate_keys([member.key.public_key() for member in members[2:]])
    assert PublicKey.parse(site.registry.aggregate_key(DA)) == rest
    assert keccak(everyone.eip2537()) == site.registry.aggregate_key_hash_at(DA, epoch)
    next_epoch()
    assert keccak(rest.eip2537()) == site.registry.aggregate_key_hash_at(DA, epoch + 1)
    next_epoch(50)
    assert keccak(everyone.eip2537()) == site.registry.aggregate_key_hash_at(DA, epoch)


def test_snapshot__equals_its_definition(site: StakingSite, members: list[AnOperator]) -> None:
    a_member(site, 20, service=STORAGE, own=30 * COIN)
    next_epoch()
    epoch = site.stake.current_epoch()
    words = [
        TAG_SNAPSHOT,
        boa.env.evm.patch.chain_id.to_bytes(32, "big"),
        bytes(12) + bytes.fromhex(site.stake.address[2:]),
        epoch.to_bytes(32, "big"),
    ]
    for service in range(1, 6):
        words.append(site.stake.tree_root_at(service, epoch))
        words.append(site.stake.total_weight_at(service, epoch).to_bytes(32, "big"))
        words.append(site.registry.aggregate_key_hash_at(service, epoch))

    assert keccak(*words) == site.stake.snapshot(epoch)


def test_verify_draw__every_stratum__falls_on_exactly_one_operator(
    site: StakingSite, members: list[AnOperator]
) -> None:
    next_epoch()
    tree, strata = the_tree(members), 8
    for stratum in range(strata):
        point = draw_point(SEED, stratum, strata=strata, total_wei=tree.total_wei)
        drawn = [
            seat
            for seat, leaf in tree.leaves.items()
            if prove(site, stratum, strata, leaf, seat, tree.path(seat))
        ]

        assert drawn == [tree.seat_at(point)]


def test_verify_draw__any_part_of_the_path_changed__is_not_proven(
    site: StakingSite, members: list[AnOperator]
) -> None:
    next_epoch()
    tree = the_tree(members)
    seat = tree.seat_at(draw_point(SEED, 0, strata=1, total_wei=tree.total_wei))
    leaf, path = tree.leaves[seat], tree.path(seat)
    assert prove(site, 0, 1, leaf, seat, path)

    heavier = Leaf(leaf.operator_id, leaf.weight_wei + 1, leaf.key_hash)
    other = Leaf(leaf.operator_id + 1, leaf.weight_wei, leaf.key_hash)
    siblings = (keccak(b"x"), *path.siblings[1:])
    sums = (path.sums_wei[0] + 1, *path.sums_wei[1:])
    assert not prove(site, 0, 1, heavier, seat, path)
    assert not prove(site, 0, 1, other, seat, path)
    assert not prove(site, 0, 1, leaf, seat ^ 1, path)
    assert not prove(site, 0, 1, leaf, seat, Path(siblings, path.sums_wei, path.first_wei))
    assert not prove(site, 0, 1, leaf, seat, Path(path.siblings, sums, path.first_wei))
    nobody = Leaf(leaf.operator_id, 0, leaf.key_hash)
    assert not prove(site, 0, 1, nobody, 9, Path((bytes(32),) * 12, (0,) * 11 + (1,), 0))


def test_verify_draw__impossible_draws__refused(
    site: StakingSite, members: list[AnOperator]
) -> None:
    next_epoch()
    tree = the_tree(members)
    leaf, path = tree.leaves[0], tree.path(0)
    huge = Path(path.siblings, (2**128 - 1,) * 12, 0)

    with boa.reverts("stake_path: no such stratum"):
        prove(site, 3, 3, leaf, 0, path)
    with boa.reverts("stake_path: too many strata"):
        prove(site, 0, 2**32, leaf, 0, path)
    with boa.reverts("stake_path: no such seat"):
        prove(site, 0, 1, leaf, 4096, path)
    with boa.reverts("stake_path: sum too large"):
        prove(site, 0, 1, leaf, 0, huge)


def test_verify_draw__nobody_weighs_anything__refused(site: StakingSite) -> None:
    nobody = Leaf(1, 0, bytes(32))

    with boa.reverts("stake_path: no weight"):
        prove(site, 0, 1, nobody, 0, Path((bytes(32),) * 12, (0,) * 12, 0))


def test_idle_chain__gas_of_a_deposit__does_not_grow_with_epochs(
    site: StakingSite, members: list[AnOperator]
) -> None:
    pool, costs = members[0].pool(DA), []
    for number, idle in enumerate((1, 1, 5_000)):
        next_epoch(idle)
        site.stake.delegate(pool, 0, value=COIN, sender=a_wallet(f"delegator {number}"))
        costs.append(site.stake._computation.get_gas_used())

    assert abs(costs[2] - costs[1]) < 1_000
