"""The tree and the court: it holds a pool's old weight until anyone reweighs the pool."""

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.staking.model import TOMBSTONE
from offchain.staking.tree import Leaf, StakeTree
from tests.support.staking import (
    ALIGNMENT,
    COIN,
    DA,
    EPOCH,
    AnOperator,
    StakingSite,
    a_key,
    a_member,
    deploy_staking,
    key_bytes,
    next_epoch,
    proof_of_possession,
)


def told(site: StakingSite, pool: int) -> int:
    """What the tree of the next epoch says of the only member of a service."""
    next_epoch()
    epoch = site.stake.current_epoch()
    return site.stake.total_weight_at(pool & 255, epoch)


def test_reweigh__after_a_slash__tree_hears_of_it_from_the_next_epoch_on(
    site: StakingSite, operator: AnOperator, stranger: str
) -> None:
    pool = operator.pool(DA)
    site.stake.delegate(pool, 0, value=300 * COIN, sender=stranger)
    next_epoch(2)
    epoch = site.stake.current_epoch()

    site.stake.slash(pool, epoch, 10 * COIN, 0, sender=site.court)
    next_epoch()
    stale = site.stake.current_epoch()
    site.stake.reweigh(pool, sender=stranger)

    assert site.stake.weight_at(pool, stale) == 390 * COIN
    assert site.stake.total_weight_at(DA, stale) == 400 * COIN
    assert told(site, pool) == site.stake.weight_at(pool, stale + 1) == 390 * COIN
    assert site.stake.total_stake_at(DA, stale + 1) == site.stake.total_stake() == 390 * COIN
    assert site.stake.total_weight_at(DA, stale) == 400 * COIN
    leaf = Leaf(1, 390 * COIN, keccak(key_bytes(operator.key)))
    assert site.stake.tree_root_at(DA, stale + 1) == StakeTree({0: leaf}).root


def test_reweigh__tree_knows_already__refused(
    site: StakingSite, delegated: int, operator: AnOperator, stranger: str, refuses
) -> None:
    with refuses("stake: weight is told"):
        site.stake.reweigh(delegated, sender=stranger)
    with refuses("stake: weight is told"):
        site.stake.reweigh(999 << 8 | DA, sender=stranger)
    site.stake.slash(delegated, site.stake.current_epoch(), COIN, 0, sender=site.court)
    site.stake.reweigh(delegated, sender=stranger)

    with refuses("stake: weight is told"):
        site.stake.reweigh(delegated, sender=stranger)


def test_untold__several_slashes_of_two_pools__counts_pools(
    site: StakingSite, delegated: int, operator: AnOperator, rival: AnOperator, stranger: str
) -> None:
    next_epoch()
    epoch = site.stake.current_epoch()
    for pool in (delegated, delegated, rival.pool(DA)):
        site.stake.slash(pool, epoch, COIN, 0, sender=site.court)
    assert (site.stake.untold(DA), site.stake.untold(2)) == (2, 0)

    site.stake.reweigh(rival.pool(DA), sender=stranger)
    assert site.stake.untold(DA) == 1

    site.stake.deposit(DA, value=COIN, sender=operator.owner)
    assert site.stake.untold(DA) == 0


@pytest.mark.parametrize("sentence", [2**40, TOMBSTONE])
def test_slash__with_a_sentence__member_no_more_at_once_and_in_the_tree_when_told(
    site: StakingSite, operator: AnOperator, stranger: str, sentence: int
) -> None:
    pool = operator.pool(DA)
    next_epoch(2)
    epoch = site.stake.current_epoch()

    taken = site.stake.slash(pool, epoch, 30 * COIN, sentence, sender=site.court)

    assert taken == 30 * COIN
    assert not site.stake.is_member(pool)
    assert site.stake.weight_at(pool, epoch) == 100 * COIN
    assert told(site, pool) == 100 * COIN
    assert site.stake.weight_at(pool, epoch + 1) == 0
    site.stake.reweigh(pool, sender=stranger)
    assert told(site, pool) == 0
    assert site.registry.aggregate_key(DA) == bytes(128)
    assert site.stake.untold(DA) == 0


def test_slash__under_min_stake__member_no_more_at_once(
    site: StakingSite, operator: AnOperator, stranger: str
) -> None:
    pool = operator.pool(DA)
    next_epoch(2)

    site.stake.slash(pool, site.stake.current_epoch(), 1, 0, sender=site.court)

    assert not site.stake.is_member(pool)
    assert site.stake.untold(DA) == 1
    site.stake.reweigh(pool, sender=stranger)
    assert told(site, pool) == 0


def test_slash__pool_that_left__nothing_to_tell(site: StakingSite, operator: AnOperator) -> None:
    pool = operator.pool(DA)
    next_epoch(2)
    epoch = site.stake.current_epoch()
    site.stake.leave(DA, sender=operator.owner)

    assert site.stake.slash(pool, epoch, 30 * COIN, TOMBSTONE, sender=site.court) == 30 * COIN

    assert site.stake.pool_state(pool).status == 0
    assert site.stake.operator(1).tombstoned
    assert site.stake.untold(DA) == 0


def test_slash__tombstone__keeps_its_seat_until_closed_even_when_empty(
    site: StakingSite, operator: AnOperator, stranger: str, refuses
) -> None:
    pool = operator.pool(DA)
    next_epoch(2)
    site.stake.slash(pool, site.stake.current_epoch(), 100 * COIN, TOMBSTONE, sender=site.court)
    assert site.registry.seat_of(pool) == 1

    site.stake.force_exit(pool, sender=stranger)

    assert (site.registry.seat_of(pool), site.stake.pool_state(pool).status) == (0, 0)
    assert site.stake.untold(DA) == 0
    assert told(site, pool) == 0
    with refuses("stake: pool in order"):
        site.stake.force_exit(pool, sender=stranger)
    with refuses("keys: tombstoned"):
        site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)


def test_join__full_service_with_a_tombstone__takes_that_seat_and_the_tombstone_stays(
    stranger: str,
) -> None:
    site = deploy_staking(max_operators=2)
    guilty = a_member(site, 1, service=ALIGNMENT, own=500 * COIN)
    a_member(site, 2, service=ALIGNMENT, own=20 * COIN)
    pool = guilty.pool(ALIGNMENT)
    site.stake.slash(pool, 0, 0, TOMBSTONE, sender=site.court)
    site.stake.reweigh(pool, sender=stranger)

    newcomer = a_member(site, 3, service=ALIGNMENT, own=10 * COIN)

    assert site.stake.is_member(newcomer.pool(ALIGNMENT))
    assert (site.stake.pool_state(pool).status, site.registry.seat_of(pool)) == (4, 0)
    with boa.reverts("stake_ledger: pool not active"):
        site.stake.delegate(pool, 0, value=COIN, sender=stranger)
    site.stake.force_exit(pool, sender=stranger)
    assert site.stake.pool_state(pool).own == 0


def test_unjail__before_anyone_reweighed__tree_never_lost_the_pool(
    site: StakingSite, operator: AnOperator
) -> None:
    pool = operator.pool(DA)
    until = boa.env.timestamp + EPOCH
    site.stake.slash(pool, 0, 0, until, sender=site.court)
    boa.env.timestamp = until

    site.stake.unjail(DA, sender=operator.owner)

    assert site.stake.untold(DA) == 0
    assert told(site, pool) == 100 * COIN
    assert site.stake.weight_at(pool, site.stake.current_epoch()) == 100 * COIN


def test_reweigh__key_rotated_in_between__leaf_and_sum_carry_the_new_key(
    site: StakingSite, operator: AnOperator, delegator: str, stranger: str
) -> None:
    pool = operator.pool(DA)
    site.stake.delegate(pool, 0, value=200 * COIN, sender=delegator)
    next_epoch(2)
    site.stake.slash(pool, site.stake.current_epoch(), 50 * COIN, 0, sender=site.court)

    fresh = a_key(77)
    proof = proof_of_possession(site, operator.owner, fresh)
    site.registry.rotate_key(key_bytes(fresh), proof, sender=operator.owner)
    site.stake.reweigh(pool, sender=stranger)

    assert told(site, pool) == 250 * COIN
    root = StakeTree({0: Leaf(1, 250 * COIN, keccak(key_bytes(fresh)))}).root
    assert site.stake.tree_root_at(DA, site.stake.current_epoch()) == root
    assert site.registry.aggregate_key(DA) == key_bytes(fresh)
