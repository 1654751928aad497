"""Delegating, leaving, being paid out and moving on."""

import boa
import pytest
from eth.exceptions import Revert

from tests.support.staking import (
    COIN,
    CONTRACTS,
    DA,
    DAY,
    RELAYER,
    STORAGE,
    AnOperator,
    StakingSite,
    a_member,
    a_wallet,
    next_epoch,
)

RECEIVER = CONTRACTS.parent / "tests" / "contracts" / "staking" / "hostile_receiver.vy"
UNBONDING_DAYS = {DA: 28, STORAGE: 11, RELAYER: 28}


def test_delegate__first_deposit__price_one(
    site: StakingSite, operator: AnOperator, delegator: str
) -> None:
    minted = site.stake.delegate(operator.pool(DA), COIN, value=COIN, sender=delegator)

    assert minted == COIN
    assert site.stake.shares_of(delegator, operator.pool(DA)) == (COIN, 0)
    assert boa.env.get_balance(site.stake.address) == 101 * COIN


def test_delegate__dust__refused(
    site: StakingSite, operator: AnOperator, delegator: str, refuses
) -> None:
    with refuses("stake_ledger: deposit too small"):
        site.stake.delegate(operator.pool(DA), 0, value=COIN // 100 - 1, sender=delegator)


def test_delegate__fewer_shares_than_asked__refused(
    site: StakingSite, operator: AnOperator, delegator: str, refuses
) -> None:
    with refuses("stake_ledger: too few shares"):
        site.stake.delegate(operator.pool(DA), COIN + 1, value=COIN, sender=delegator)


def test_delegate__open_case__refused_until_closed(
    site: StakingSite, operator: AnOperator, delegator: str, refuses
) -> None:
    site.stake.open_case(operator.pool(DA), sender=site.court)

    with refuses("stake_ledger: case open"):
        site.stake.delegate(operator.pool(DA), 0, value=COIN, sender=delegator)
    site.stake.close_case(operator.pool(DA), sender=site.court)

    assert site.stake.delegate(operator.pool(DA), 0, value=COIN, sender=delegator) == COIN


def test_delegate__pool_that_never_was__refused(site: StakingSite, delegator: str, refuses) -> None:
    with refuses("stake_ledger: pool not active"):
        site.stake.delegate(77 << 8 | DA, 0, value=COIN, sender=delegator)


def test_request_exit__more_than_held_or_nothing__refused(
    site: StakingSite, delegated: int, delegator: str, stranger: str, refuses
) -> None:
    with refuses("stake_ledger: exceeds shares"):
        site.stake.request_exit(delegated, 300 * COIN + 1, 0, sender=delegator)
    with refuses("stake_ledger: exceeds shares"):
        site.stake.request_exit(delegated, 1, 0, sender=stranger)
    with refuses("stake_ledger: nothing to exit"):
        site.stake.request_exit(delegated, 0, 0, sender=delegator)
    with refuses("stake: no such pool"):
        site.stake.request_exit(delegated, COIN, 2**40, sender=delegator)


def test_exit_own__more_than_own_or_nothing__refused(
    site: StakingSite, operator: AnOperator, refuses
) -> None:
    with refuses("stake_ledger: exceeds own stake"):
        site.stake.exit_own(DA, 100 * COIN + 1, sender=operator.owner)
    with refuses("stake_ledger: nothing to exit"):
        site.stake.exit_own(DA, 0, sender=operator.owner)


def test_request_exit__weight__leaves_at_the_next_cutoff(
    site: StakingSite, delegated: int, delegator: str
) -> None:
    epoch = site.stake.current_epoch()

    site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)

    next_epoch()
    assert site.stake.stake_at(delegated, epoch) == 400 * COIN
    assert site.stake.stake_at(delegated, epoch + 1) == 100 * COIN


@pytest.mark.parametrize("service", [DA, STORAGE, RELAYER])
def test_withdraw__one_second_early__refused_then_paid(
    site: StakingSite, delegator: str, service: int, refuses
) -> None:
    operator = a_member(site, 9, service=service, own=100 * COIN)
    site.stake.delegate(operator.pool(service), 0, value=50 * COIN, sender=delegator)
    next_epoch(2)
    last_epoch = site.stake.current_epoch()
    ticket = site.stake.request_exit(operator.pool(service), 50 * COIN, 0, sender=delegator)
    last_day = site.stake.day_of(last_epoch)
    genesis = site.stake.epoch_start(0)
    due = genesis + (last_day + 1 + UNBONDING_DAYS[service]) * DAY
    assert due == site.stake.matures_at(ticket)

    boa.env.timestamp = due - 1
    with refuses("stake_ledger: not matured"):
        site.stake.withdraw(ticket, delegator, sender=delegator)
    boa.env.timestamp = due

    home = a_wallet("home", wealth=0)
    assert site.stake.withdraw(ticket, home, sender=delegator) == 50 * COIN
    assert boa.env.get_balance(home) == 50 * COIN


def test_withdraw__foreign_or_spent_ticket__refused(
    site: StakingSite, delegated: int, delegator: str, stranger: str, refuses
) -> None:
    ticket = site.stake.request_exit(delegated, COIN, 0, sender=delegator)
    boa.env.time_travel(seconds=40 * DAY)

    with refuses("stake: not the ticket's owner"):
        site.stake.withdraw(ticket, stranger, sender=stranger)
    site.stake.withdraw(ticket, delegator, sender=delegator)
    with refuses("stake_ledger: no such ticket"):
        site.stake.withdraw(ticket, delegator, sender=delegator)
    with refuses("stake_ledger: no such ticket"):
        site.stake.redelegate(ticket, sender=stranger)


def test_withdraw__money_reserved__pays_only_what_is_free(
    site: StakingSite, delegated: int, delegator: str, operator: AnOperator, refuses
) -> None:
    ticket = site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    site.stake.exit_own(DA, 100 * COIN, sender=operator.owner)
    site.stake.reserve(delegated, 250 * COIN, sender=site.court)
    boa.env.time_travel(seconds=40 * DAY)

    assert site.stake.withdraw(ticket, delegator, sender=delegator) == 150 * COIN
    with refuses("exit_buckets: reserved"):
        site.stake.withdraw(ticket, delegator, sender=delegator)
    site.stake.release(delegated, 250 * COIN, sender=site.court)

    assert site.stake.withdraw(ticket, delegator, sender=delegator) == 150 * COIN
    assert site.stake.reserved(delegated) == 0


def test_redelegate__matured__anyone_moves_it_to_the_named_pool(
    site: StakingSite, delegated: int, delegator: str, rival: AnOperator, stranger: str, refuses
) -> None:
    then = rival.pool(DA)
    ticket = site.stake.request_exit(delegated, 300 * COIN, then, sender=delegator)
    with refuses("stake_ledger: not matured"):
        site.stake.redelegate(ticket, sender=stranger)
    boa.env.time_travel(seconds=40 * DAY)

    minted = site.stake.redelegate(ticket, sender=stranger)

    assert minted == 300 * COIN
    assert site.stake.shares_of(delegator, then) == (300 * COIN, 0)
    assert site.stake.pool_state(then).delegated == 300 * COIN


def test_redelegate__no_pool_named__refused(
    site: StakingSite, delegated: int, delegator: str, refuses
) -> None:
    ticket = site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    boa.env.time_travel(seconds=40 * DAY)

    with refuses("stake: no pool named"):
        site.stake.redelegate(ticket, sender=delegator)


def test_redelegate__named_pool_closed__owner_withdraws_instead(
    site: StakingSite, delegated: int, delegator: str, rival: AnOperator, refuses
) -> None:
    ticket = site.stake.request_exit(delegated, 300 * COIN, rival.pool(DA), sender=delegator)
    site.stake.leave(DA, sender=rival.owner)
    boa.env.time_travel(seconds=40 * DAY)

    with refuses("stake_ledger: pool not active"):
        site.stake.redelegate(ticket, sender=delegator)

    assert site.stake.withdraw(ticket, delegator, sender=delegator) == 300 * COIN


@pytest.mark.parametrize("mode", [1, 2])
def test_inv_stake_13__receiver_reverts_or_burns__only_its_own_payment_fails(
    site: StakingSite, operator: AnOperator, delegator: str, mode: int
) -> None:
    receiver = boa.load(str(RECEIVER))
    hostile = receiver.address
    boa.env.set_balance(hostile, 10 * COIN)
    pool = operator.pool(DA)
    for account in (hostile, delegator):
        site.stake.delegate(pool, 0, value=10 * COIN, sender=account)
    tickets = {
        account: site.stake.request_exit(pool, 10 * COIN, 0, sender=account)
        for account in (hostile, delegator)
    }
    boa.env.time_travel(seconds=40 * DAY)
    receiver.set_mode(mode, site.stake.address, b"")

    with boa.reverts():
        site.stake.withdraw(tickets[hostile], hostile, sender=hostile, gas=3_000_000)

    assert site.stake.withdraw(tickets[delegator], delegator, sender=delegator) == 10 * COIN
    receiver.set_mode(0, site.stake.address, b"")
    assert site.stake.withdraw(tickets[hostile], hostile, sender=hostile) == 10 * COIN


def test_withdraw__receiver_calls_again__is_paid_once(
    site: StakingSite, operator: AnOperator, delegated: int
) -> None:
    receiver = boa.load(str(RECEIVER))
    hostile = receiver.address
    boa.env.set_balance(hostile, 10 * COIN)
    pool = operator.pool(DA)
    site.stake.delegate(pool, 0, value=10 * COIN, sender=hostile)
    first = site.stake.request_exit(pool, 4 * COIN, 0, sender=hostile)
    second = site.stake.request_exit(pool, 6 * COIN, 0, sender=hostile)
    boa.env.time_travel(seconds=40 * DAY)

    for again in (first, second):
        payload = site.stake.withdraw.prepare_calldata(again, hostile)
        receiver.set_mode(3, site.stake.address, payload)
        if again == first:
            assert site.stake.withdraw(first, hostile, sender=hostile) == 4 * COIN
        assert not receiver.reentered()

    assert boa.env.get_balance(hostile) == 4 * COIN


def test_inv_stake_8__deposit_then_exit__returns_at_most_the_deposit(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    site.stake.slash(delegated, site.stake.current_epoch(), 133 * COIN + 7, 0, sender=site.court)
    deposit = COIN + 123_456_789

    shares = site.stake.delegate(delegated, 0, value=deposit, sender=stranger)
    ticket = site.stake.request_exit(delegated, shares, 0, sender=stranger)
    boa.env.time_travel(seconds=40 * DAY)
    paid = site.stake.withdraw(ticket, stranger, sender=stranger)

    assert deposit - 2 <= paid <= deposit


def test_coins_sent_without_a_call__refused_and_forced_ones_ignored(
    site: StakingSite, delegated: int, stranger: str
) -> None:
    with pytest.raises(Revert):
        boa.env.raw_call(site.stake.address, sender=stranger, value=COIN)
    boa.env.set_balance(site.stake.address, 10**6 * COIN)

    assert site.stake.delegate(delegated, 0, value=COIN, sender=stranger) == COIN


def test_exit_own__more_shares_than_a_bucket_holds__refused(
    site: StakingSite, operator: AnOperator, refuses
) -> None:
    """Only a coin with over 2**91 wei can get there: a wiped bucket entered again and again."""
    whole = 2**91 - 1
    boa.env.set_balance(operator.owner, 2**94)
    site.stake.deposit(DA, value=whole - 100 * COIN, sender=operator.owner)
    next_epoch(2)
    epoch = site.stake.current_epoch()
    site.stake.exit_own(DA, whole, sender=operator.owner)
    site.stake.slash(operator.pool(DA), epoch, whole - (whole >> 20), 0, sender=site.court)
    site.stake.deposit(DA, value=whole, sender=operator.owner)
    site.stake.exit_own(DA, whole, sender=operator.owner)
    site.stake.deposit(DA, value=whole, sender=operator.owner)

    with refuses("exit_buckets: amount too large"):
        site.stake.exit_own(DA, whole, sender=operator.owner)


def test_withdraw__part_of_a_slashed_ticket__burns_shares_rounded_up(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str, stranger: str
) -> None:
    """At price 2/3 one wei costs two shares; burning one would leave the rest too much."""
    epoch = site.stake.current_epoch()
    ticket = site.stake.request_exit(delegated, 150 * COIN, 0, sender=delegator)
    site.stake.request_exit(delegated, 150 * COIN, 0, sender=delegator)
    site.stake.slash(delegated, epoch, 200 * COIN, 0, sender=site.court)
    site.stake.reserve(delegated, 200 * COIN - 1, sender=site.court)
    boa.env.time_travel(seconds=40 * DAY)

    assert site.stake.withdraw(ticket, delegator, sender=delegator) == 1
    assert site.stake.ticket(ticket).shares == 150 * COIN - 2
    site.stake.release(delegated, 200 * COIN - 1, sender=site.court)
    assert site.stake.withdraw(ticket, delegator, sender=delegator) == 100 * COIN - 2
    assert site.stake.withdraw(ticket + 1, delegator, sender=delegator) == 100 * COIN + 1


@pytest.mark.parametrize(("seconds_before_start", "later"), [(10, 0), (9, 1), (1, 1)])
def test_request_exit__around_the_last_cutoff_of_a_day__day_of_the_last_counting_epoch(
    site: StakingSite, delegated: int, delegator: str, seconds_before_start: int, later: int
) -> None:
    """Epochs 6k - 1 and 6k are of different days; from the cut-off of 6k on, 6k still counts."""
    first_of_day = (site.stake.current_epoch() // 6 + 2) * 6
    boa.env.timestamp = site.stake.epoch_start(first_of_day) - seconds_before_start

    ticket = site.stake.request_exit(delegated, COIN, 0, sender=delegator)

    boa.env.time_travel(seconds=DAY)
    day = site.stake.day_of(first_of_day - 1) + later
    assert site.stake.ticket(ticket).day == day
    counted = site.stake.stake_at(delegated, first_of_day)
    assert counted == (400 if later else 399) * COIN
