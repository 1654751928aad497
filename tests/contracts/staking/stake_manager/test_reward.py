"""Rewards, commission, claims, and votes at past times."""

import boa

from tests.support.staking import (
    COIN,
    DA,
    DAY,
    EPOCH,
    STORAGE,
    AnOperator,
    StakingSite,
    a_wallet,
    next_epoch,
)


def floored(amount: int) -> range:
    """A share earns whole units of 2**-128 wei, so a claim may be a wei short, never over."""
    return range(amount - 1, amount + 1)


def test_reward__own_and_delegated__split_by_stake_less_commission(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str, stranger: str
) -> None:
    site.stake.reward(delegated, value=40 * COIN, sender=stranger)

    assert site.stake.claimable(operator.owner, delegated) == 13 * COIN
    assert site.stake.claimable(delegator, delegated) in floored(27 * COIN)


def test_claim__delegator_and_owner__paid_where_they_say_once(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str, stranger: str, refuses
) -> None:
    site.stake.reward(delegated, value=40 * COIN, sender=stranger)
    purse = a_wallet("purse", wealth=0)

    assert site.stake.claim(delegated, purse, sender=delegator) in floored(27 * COIN)
    assert site.stake.claim(delegated, purse, sender=operator.owner) == 13 * COIN

    assert boa.env.get_balance(purse) in floored(40 * COIN)
    for account in (delegator, operator.owner, stranger):
        with refuses("stake: nothing to claim"):
            site.stake.claim(delegated, purse, sender=account)


def test_reward__pool_without_stake__refused(
    site: StakingSite, operator: AnOperator, stranger: str, refuses
) -> None:
    with refuses("rewards: no stake"):
        site.stake.reward(operator.pool(STORAGE), value=COIN, sender=stranger)


def test_reward__late_delegator__earns_only_what_came_after(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    site.stake.reward(delegated, value=40 * COIN, sender=stranger)
    site.stake.delegate(delegated, 0, value=300 * COIN, sender=stranger)

    site.stake.reward(delegated, value=70 * COIN, sender=stranger)

    assert site.stake.claimable(stranger, delegated) in floored(27 * COIN)
    assert site.stake.claimable(delegator, delegated) in floored(54 * COIN)


def test_reward__after_exit__claim_survives_the_position(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    site.stake.reward(delegated, value=40 * COIN, sender=stranger)
    site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)

    site.stake.reward(delegated, value=10 * COIN, sender=stranger)

    assert site.stake.claim(delegated, delegator, sender=delegator) in floored(27 * COIN)


def test_reward__slashed_to_nothing__rewards_are_never_slashed(
    site: StakingSite, delegated: int, delegator: str, operator: AnOperator, stranger: str
) -> None:
    site.stake.reward(delegated, value=40 * COIN, sender=stranger)

    site.stake.slash(delegated, site.stake.current_epoch(), 400 * COIN, 0, sender=site.court)

    assert site.stake.claim(delegated, delegator, sender=delegator) in floored(27 * COIN)
    assert site.stake.claim(delegated, operator.owner, sender=operator.owner) == 13 * COIN
    assert boa.env.get_balance(site.stake.address) <= 1


def test_inv_stake_8__odd_rewards__paid_never_exceed_funded_and_rest_is_dust(
    site: StakingSite, operator: AnOperator, stranger: str
) -> None:
    pool = operator.pool(DA)
    holders = [a_wallet(f"holder {number}") for number in range(7)]
    for place, holder in enumerate(holders):
        site.stake.delegate(pool, 0, value=COIN // 100 + 7**place, sender=holder)
    staked = boa.env.get_balance(site.stake.address)
    funded = sum(range(1, 40, 3))
    for amount in range(1, 40, 3):
        site.stake.reward(pool, value=amount, sender=stranger)

    for account in [*holders, operator.owner]:
        if site.stake.claimable(account, pool):
            site.stake.claim(pool, account, sender=account)

    rest = boa.env.get_balance(site.stake.address) - staked
    assert 0 <= rest < 1 + len(holders)
    assert rest < funded


def test_commission__lowered_at_once_raised_after_the_delay(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str, stranger: str
) -> None:
    pool = delegated
    site.stake.set_commission(DA, 2_000, sender=operator.owner)
    site.stake.reward(pool, value=40 * COIN, sender=stranger)
    still_old = site.stake.claim(pool, delegator, sender=delegator)
    boa.env.time_travel(seconds=29 * DAY)
    site.stake.reward(pool, value=40 * COIN, sender=stranger)
    raised = site.stake.claim(pool, delegator, sender=delegator)

    site.stake.set_commission(DA, 0, sender=operator.owner)
    site.stake.reward(pool, value=40 * COIN, sender=stranger)

    assert still_old in floored(27 * COIN)
    assert raised in floored(24 * COIN)
    assert site.stake.claim(pool, delegator, sender=delegator) in floored(30 * COIN)


def test_commission__too_high_or_not_own__refused(
    site: StakingSite, operator: AnOperator, stranger: str, refuses
) -> None:
    with refuses("rewards: commission > 100 %"):
        site.stake.set_commission(DA, 10_001, sender=operator.owner)
    with refuses("registry: not an owner"):
        site.stake.set_commission(DA, 1, sender=stranger)


def test_inv_stake_17__past_votes__never_change(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str
) -> None:
    then = boa.env.timestamp
    voters = (delegator, operator.owner)
    counted = [site.stake.votes_at(account, delegated, then) for account in voters]
    site.stake.request_exit(delegated, 100 * COIN, 0, sender=delegator)
    next_epoch()
    site.stake.slash(delegated, site.stake.current_epoch(), 150 * COIN, 0, sender=site.court)
    next_epoch()
    site.stake.leave(DA, sender=operator.owner)
    next_epoch()

    assert counted == [300 * COIN, 100 * COIN]
    assert counted == [site.stake.votes_at(account, delegated, then) for account in voters]
    assert site.stake.votes_at(delegator, delegated, then + EPOCH) == 200 * COIN
    # 37.5 of the exit's bucket and 0 of the own stake fell; what is active kept its price part
    slashed = site.stake.votes_at(delegator, delegated, then + 2 * EPOCH)
    assert 0 < slashed < 200 * COIN
    assert site.stake.votes_at(delegator, delegated, then + 3 * EPOCH) == 0


def test_votes__stake_of_the_same_block__counts_nothing(
    site: StakingSite, operator: AnOperator, delegator: str
) -> None:
    next_epoch(2)
    site.stake.delegate(operator.pool(DA), 0, value=300 * COIN, sender=delegator)

    assert site.stake.votes_at(delegator, operator.pool(DA), boa.env.timestamp) == 0
    assert site.stake.weight_at(operator.pool(DA), site.stake.current_epoch()) == 100 * COIN


def test_votes__future_time__refused(
    site: StakingSite, delegated: int, delegator: str, refuses
) -> None:
    with refuses("stake: not past"):
        site.stake.votes_at(delegator, delegated, boa.env.timestamp + 1)


def test_reward__division_with_a_remainder__is_carried_into_the_next(
    site: StakingSite, delegated: int, stranger: str
) -> None:
    """The carry is under 2**-17 wei a reward: only the stored word shows it."""
    one, shares = 2**128, 300 * COIN
    site.stake.set_commission(DA, 0, sender=site.stake.operator(1).owner)
    for _ in range(3):
        site.stake.reward(delegated, value=4, sender=stranger)

    carry = site.stake.eval(f"rewards.carries[{delegated}]")
    accrued = site.stake.eval(f"rewards.accrued[{delegated}][0]")

    assert accrued * shares + carry == 3 * 3 * one
    assert carry == 3 * 3 * one % shares


def test_reward__holder_of_a_wiped_generation_returns__earns_in_the_new_one_only(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    site.stake.reward(delegated, value=40 * COIN, sender=stranger)
    site.stake.slash(delegated, site.stake.current_epoch(), 400 * COIN, 0, sender=site.court)
    site.stake.delegate(delegated, 0, value=8 * COIN, sender=delegator)
    earned_before = site.stake.claimable(delegator, delegated)

    site.stake.reward(delegated, value=10 * COIN, sender=stranger)

    assert earned_before in floored(27 * COIN)
    assert site.stake.claim(delegated, delegator, sender=delegator) in floored(36 * COIN)
