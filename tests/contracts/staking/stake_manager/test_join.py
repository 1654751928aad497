"""Joining, topping up, seats, sentences and leaving."""

import boa

from offchain.staking.model import TOMBSTONE
from tests.support.staking import (
    ALIGNMENT,
    COIN,
    DA,
    DAY,
    EPOCH,
    STORAGE,
    AnOperator,
    StakingSite,
    a_member,
    an_operator,
    deploy_staking,
    next_epoch,
)


def test_join__own_stake_sent__counts_from_the_next_epoch(site: StakingSite) -> None:
    operator = an_operator(site, 1)
    pool = operator.pool(DA)

    site.stake.join(DA, 500, value=100 * COIN, sender=operator.owner)

    epoch = site.stake.current_epoch()
    assert site.stake.weight_at(pool, epoch) == 0
    assert site.stake.is_member(pool)
    next_epoch()
    assert site.stake.weight_at(pool, epoch + 1) == 100 * COIN
    assert site.stake.total_weight_at(DA, epoch + 1) == 100 * COIN
    assert site.stake.total_stake_at(DA, epoch + 1) == site.stake.total_stake() == 100 * COIN


def test_join__after_the_cutoff__counts_one_epoch_later(site: StakingSite) -> None:
    operator = an_operator(site, 1)
    epoch = site.stake.current_epoch()
    boa.env.timestamp = site.stake.epoch_cutoff(epoch + 1)

    site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)

    next_epoch(2)
    assert site.stake.weight_at(operator.pool(DA), epoch + 1) == 0
    assert site.stake.weight_at(operator.pool(DA), epoch + 2) == 100 * COIN


def test_join__below_min_stake__refused(site: StakingSite, refuses) -> None:
    operator = an_operator(site, 1)

    with refuses("stake: below MIN_STAKE"):
        site.stake.join(DA, 0, value=100 * COIN - 1, sender=operator.owner)


def test_join__no_operator__refused(site: StakingSite, stranger: str, refuses) -> None:
    with refuses("registry: not an owner"):
        site.stake.join(DA, 0, value=100 * COIN, sender=stranger)


def test_join__unknown_service__refused(site: StakingSite, refuses) -> None:
    operator = an_operator(site, 1)

    for service in (0, 6, 2**200):
        with refuses("registry: no such service"):
            site.stake.join(service, 0, value=100 * COIN, sender=operator.owner)


def test_join__twice__refused(site: StakingSite, operator: AnOperator, refuses) -> None:
    with refuses("stake: cannot join"):
        site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)


def test_join__commission_over_100_percent__refused(site: StakingSite, refuses) -> None:
    operator = an_operator(site, 1)

    with refuses("rewards: commission > 100 %"):
        site.stake.join(DA, 10_001, value=100 * COIN, sender=operator.owner)


def test_join__tombstoned__refused_everywhere(
    site: StakingSite, operator: AnOperator, refuses
) -> None:
    site.stake.slash(operator.pool(DA), 0, 0, TOMBSTONE, sender=site.court)

    with refuses("stake: cannot join"):
        site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)
    with refuses("keys: tombstoned"):
        site.stake.join(STORAGE, 0, value=100 * COIN, sender=operator.owner)
    with refuses("stake: join first"):
        site.stake.deposit(DA, value=COIN, sender=operator.owner)


def test_join__after_leaving_jail_by_leaving__sentence_still_stands(
    site: StakingSite, operator: AnOperator, refuses
) -> None:
    until = boa.env.timestamp + 3 * EPOCH
    site.stake.slash(operator.pool(DA), 0, 0, until, sender=site.court)
    site.stake.leave(DA, sender=operator.owner)

    with refuses("stake: still jailed"):
        site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)

    boa.env.timestamp = until
    site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)
    assert site.stake.is_member(operator.pool(DA))


def test_deposit__own_stake__raises_the_weight_cap(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str
) -> None:
    site.stake.delegate(delegated, 0, value=700 * COIN, sender=delegator)
    next_epoch()
    capped = site.stake.weight_at(delegated, site.stake.current_epoch())

    site.stake.deposit(DA, value=100 * COIN, sender=operator.owner)

    next_epoch()
    assert capped == 500 * COIN
    assert site.stake.weight_at(delegated, site.stake.current_epoch()) == 1_000 * COIN
    assert site.stake.stake_at(delegated, site.stake.current_epoch()) == 1_200 * COIN


def test_deposit__dust_or_not_serving__refused(
    site: StakingSite, operator: AnOperator, refuses
) -> None:
    with refuses("stake_ledger: deposit too small"):
        site.stake.deposit(DA, value=COIN // 100 - 1, sender=operator.owner)
    with refuses("stake: join first"):
        site.stake.deposit(STORAGE, value=COIN, sender=operator.owner)


def test_deposit__beyond_a_tranche__refused(
    site: StakingSite, operator: AnOperator, delegator: str, refuses
) -> None:
    boa.env.set_balance(operator.owner, 2**92)
    boa.env.set_balance(delegator, 2**92)

    with refuses("stake_ledger: tranche full"):
        site.stake.deposit(DA, value=2**91 - 100 * COIN, sender=operator.owner)
    with refuses("stake_ledger: tranche full"):
        site.stake.delegate(operator.pool(DA), 0, value=2**91, sender=delegator)


def test_seat__service_full__newcomer_needs_110_percent_of_the_least(refuses) -> None:
    site = deploy_staking(max_operators=2)
    least = a_member(site, 1, service=ALIGNMENT, own=20 * COIN)
    a_member(site, 2, service=ALIGNMENT, own=30 * COIN)
    newcomer = an_operator(site, 3)

    with boa.reverts("registry: no seat for this weight"):
        site.stake.join(ALIGNMENT, 0, value=22 * COIN - 1, sender=newcomer.owner)
    assert site.stake.is_member(least.pool(ALIGNMENT))
    site.stake.join(ALIGNMENT, 0, value=22 * COIN, sender=newcomer.owner)

    lost = site.stake.pool_state(least.pool(ALIGNMENT))
    assert (lost.status, lost.own) == (3, 20 * COIN)
    assert not site.stake.is_member(least.pool(ALIGNMENT))
    assert site.stake.is_member(newcomer.pool(ALIGNMENT))
    site.stake.force_exit(least.pool(ALIGNMENT))
    assert site.stake.pool_state(least.pool(ALIGNMENT)).own == 0


def test_seat__lost_then_more_stake__is_won_back(site: StakingSite) -> None:
    site = deploy_staking(max_operators=1)
    first = a_member(site, 1, service=ALIGNMENT, own=20 * COIN)
    second = a_member(site, 2, service=ALIGNMENT, own=30 * COIN)

    site.stake.join(ALIGNMENT, 0, value=13 * COIN, sender=first.owner)

    assert site.stake.is_member(first.pool(ALIGNMENT))
    assert site.stake.pool_state(first.pool(ALIGNMENT)).own == 33 * COIN
    assert not site.stake.is_member(second.pool(ALIGNMENT))


def test_jail__weight_gone_until_the_operator_returns(
    site: StakingSite, operator: AnOperator, delegator: str, refuses
) -> None:
    pool = operator.pool(DA)
    until = boa.env.timestamp + 2 * EPOCH

    site.stake.slash(pool, 0, 0, until, sender=site.court)

    assert not site.stake.is_member(pool)
    with refuses("stake_ledger: pool not active"):
        site.stake.delegate(pool, 0, value=COIN, sender=delegator)
    with refuses("stake: still jailed"):
        site.stake.unjail(DA, sender=operator.owner)
    boa.env.timestamp = until
    site.stake.unjail(DA, sender=operator.owner)
    assert site.stake.is_member(pool)
    with refuses("stake: not jailed"):
        site.stake.unjail(DA, sender=operator.owner)


def test_jail__shorter_sentence__the_longer_one_stands(
    site: StakingSite, operator: AnOperator
) -> None:
    long, short = boa.env.timestamp + 9 * EPOCH, boa.env.timestamp + EPOCH
    site.stake.slash(operator.pool(DA), 0, 0, long, sender=site.court)

    site.stake.slash(operator.pool(DA), 0, 0, short, sender=site.court)

    assert site.stake.pool_state(operator.pool(DA)).jailed_until == long


def test_force_exit__pool_in_order__refused(
    site: StakingSite, operator: AnOperator, stranger: str, refuses
) -> None:
    with refuses("stake: pool in order"):
        site.stake.force_exit(operator.pool(DA), sender=stranger)


def test_inv_stake_13__under_min_stake_for_a_day__anyone_closes_the_pool(
    site: StakingSite, delegated: int, operator: AnOperator, stranger: str, refuses
) -> None:
    site.stake.exit_own(DA, 100 * COIN, sender=operator.owner)
    site.stake.slash(delegated, site.stake.current_epoch(), 350 * COIN, 0, sender=site.court)
    with refuses("stake: pool in order"):
        site.stake.force_exit(delegated, sender=stranger)

    boa.env.time_travel(seconds=DAY)
    site.stake.force_exit(delegated, sender=stranger)

    closed = site.stake.pool_state(delegated)
    assert (closed.status, closed.own, closed.delegated, closed.generation) == (0, 0, 0, 1)
    with refuses("stake_ledger: nothing to close"):
        site.stake.force_exit(delegated, sender=stranger)


def test_inv_stake_13__pool_emptied_by_its_operator__anyone_frees_the_seat(
    stranger: str, refuses
) -> None:
    site = deploy_staking(max_operators=1)
    squatter = a_member(site, 1, service=ALIGNMENT, own=20 * COIN)
    pool = squatter.pool(ALIGNMENT)
    site.stake.exit_own(ALIGNMENT, 20 * COIN, sender=squatter.owner)
    with refuses("stake: pool in order"):
        site.stake.force_exit(pool, sender=stranger)

    boa.env.time_travel(seconds=DAY)
    site.stake.force_exit(pool, sender=stranger)

    assert (site.stake.pool_state(pool).status, site.registry.seat_of(pool)) == (0, 0)
    a_member(site, 2, service=ALIGNMENT, own=10 * COIN)
    with refuses("stake_ledger: nothing to close"):
        site.stake.force_exit(pool, sender=stranger)


def test_leave__nothing_left_in_the_pool__seat_given_up(
    site: StakingSite, operator: AnOperator, refuses
) -> None:
    ticket = site.stake.exit_own(DA, 100 * COIN, sender=operator.owner)

    site.stake.leave(DA, sender=operator.owner)

    assert site.registry.seat_of(operator.pool(DA)) == 0
    with refuses("stake_ledger: nothing to close"):
        site.stake.leave(DA, sender=operator.owner)
    boa.env.timestamp = site.stake.matures_at(ticket)
    assert site.stake.withdraw(ticket, operator.owner, sender=operator.owner) == 100 * COIN


def test_inv_stake_13__jailed_and_tombstoned__everybody_still_gets_out(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str, stranger: str
) -> None:
    site.stake.slash(delegated, 0, 0, 2**63, sender=site.court)
    early = site.stake.request_exit(delegated, 100 * COIN, 0, sender=delegator)
    site.stake.slash(operator.pool(DA), 0, 0, TOMBSTONE, sender=site.court)
    site.stake.force_exit(delegated, sender=stranger)
    late = site.stake.request_exit(delegated, 200 * COIN, 0, sender=delegator)

    boa.env.time_travel(seconds=30 * DAY)

    assert site.stake.withdraw(early, delegator, sender=delegator) == 100 * COIN
    assert site.stake.withdraw(late, delegator, sender=delegator) == 200 * COIN
    own = site.stake.withdraw(late - 1, operator.owner, sender=operator.owner)
    assert own == 100 * COIN
    assert boa.env.get_balance(site.stake.address) == 0


def test_leave__then_join_again__delegators_keep_their_claim(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str, refuses
) -> None:
    site.stake.leave(DA, sender=operator.owner)
    site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)

    with refuses("stake_ledger: exit old shares"):
        site.stake.delegate(delegated, 0, value=COIN, sender=delegator)
    site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    site.stake.delegate(delegated, 0, value=COIN, sender=delegator)

    assert site.stake.shares_of(delegator, delegated) == (COIN, 1)
