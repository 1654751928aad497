"""Slashing: who pays, in which order, for which epoch, and what nobody can escape."""

from collections.abc import Callable

import boa
import pytest

from offchain.staking.model import TOMBSTONE
from tests.support.staking import (
    COIN,
    DA,
    DAY,
    AnOperator,
    StakingSite,
    a_key,
    a_wallet,
    key_bytes,
    next_epoch,
    proof_of_possession,
)


def test_slash__by_anyone_but_the_court__refused(
    site: StakingSite, delegated: int, operator: AnOperator, stranger: str, refuses
) -> None:
    epoch = site.stake.current_epoch()

    for caller in (operator.owner, stranger, site.governance):
        with refuses("stake: not the court"):
            site.stake.slash(delegated, epoch, COIN, 0, sender=caller)


def test_slash__epoch_not_final__refused(site: StakingSite, delegated: int, refuses) -> None:
    with refuses("epoch_clock: not final"):
        site.stake.slash(delegated, site.stake.current_epoch() + 1, COIN, 0, sender=site.court)


def test_inv_stake_6__delegated_pays_only_when_own_is_gone(
    site: StakingSite, delegated: int
) -> None:
    epoch = site.stake.current_epoch()

    first = site.stake.slash(delegated, epoch, 100 * COIN, 0, sender=site.court)
    untouched = site.stake.pool_state(delegated)
    second = site.stake.slash(delegated, epoch, 30 * COIN, 0, sender=site.court)

    assert (first, second) == (100 * COIN, 30 * COIN)
    assert (untouched.own, untouched.delegated) == (0, 300 * COIN)
    assert site.stake.pool_state(delegated).delegated == 270 * COIN
    assert boa.env.get_balance(site.court) == 130 * COIN


def test_inv_stake_2__all_slashes_of_an_epoch__at_most_its_stake(
    site: StakingSite, delegated: int, delegator: str
) -> None:
    epoch = site.stake.current_epoch()
    site.stake.delegate(delegated, 0, value=500 * COIN, sender=delegator)
    next_epoch(3)

    taken = sum(
        site.stake.slash(delegated, epoch, 170 * COIN, 0, sender=site.court) for _ in range(4)
    )

    assert taken == 400 * COIN == site.stake.slashed_at(delegated, epoch)
    assert site.stake.stake_at(delegated, epoch) == 400 * COIN
    assert site.stake.exposed(delegated, epoch) == 500 * COIN


def test_inv_stake_4__left_on_an_earlier_day__loses_nothing(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    site.stake.delegate(delegated, 0, value=300 * COIN, sender=stranger)
    next_epoch()
    early = site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    boa.env.time_travel(seconds=2 * DAY)
    epoch = site.stake.current_epoch()

    site.stake.slash(delegated, epoch, 10**9 * COIN, 0, sender=site.court)

    boa.env.time_travel(seconds=40 * DAY)
    assert site.stake.withdraw(early, delegator, sender=delegator) == 300 * COIN


def test_slash__exit_requested_after_the_fault__pays_its_part(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    site.stake.delegate(delegated, 0, value=300 * COIN, sender=stranger)
    next_epoch(2)
    epoch = site.stake.current_epoch()
    ticket = site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    boa.env.time_travel(seconds=3 * DAY)

    site.stake.slash(delegated, epoch, 400 * COIN, 0, sender=site.court)

    boa.env.time_travel(seconds=40 * DAY)
    assert site.stake.withdraw(ticket, delegator, sender=delegator) == 150 * COIN
    assert site.stake.pool_state(delegated).delegated == 150 * COIN


def an_exit(site: StakingSite, pool: int, operator: AnOperator, delegator: str) -> None:
    site.stake.request_exit(pool, 300 * COIN, 0, sender=delegator)


def an_own_exit(site: StakingSite, pool: int, operator: AnOperator, delegator: str) -> None:
    site.stake.exit_own(DA, 100 * COIN, sender=operator.owner)


def a_redelegation(site: StakingSite, pool: int, operator: AnOperator, delegator: str) -> None:
    site.stake.request_exit(pool, 300 * COIN, pool, sender=delegator)


def a_rotation(site: StakingSite, pool: int, operator: AnOperator, delegator: str) -> None:
    key = a_key(77)
    proof = proof_of_possession(site, operator.owner, key)
    site.registry.rotate_key(key_bytes(key), proof, sender=operator.owner)


def a_departure(site: StakingSite, pool: int, operator: AnOperator, delegator: str) -> None:
    site.stake.leave(DA, sender=operator.owner)


def a_return(site: StakingSite, pool: int, operator: AnOperator, delegator: str) -> None:
    site.stake.leave(DA, sender=operator.owner)
    site.stake.join(DA, 0, value=100 * COIN, sender=operator.owner)
    site.stake.exit_own(DA, 100 * COIN, sender=operator.owner)


ESCAPES = (an_exit, an_own_exit, a_redelegation, a_rotation, a_departure, a_return)
Escape = Callable[[StakingSite, int, AnOperator, str], None]


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("days", [0, 27])
def test_inv_stake_3__no_escape_lowers_what_is_exposed(
    site: StakingSite,
    delegated: int,
    operator: AnOperator,
    delegator: str,
    escape: Escape,
    days: int,
) -> None:
    epoch = site.stake.current_epoch()
    exposed = site.stake.exposed(delegated, epoch)

    escape(site, delegated, operator, delegator)
    boa.env.time_travel(seconds=days * DAY)

    assert site.stake.exposed(delegated, epoch) >= exposed
    assert site.stake.slash(delegated, epoch, 10**9 * COIN, 0, sender=site.court) == 400 * COIN


@pytest.mark.parametrize("escape", ESCAPES)
def test_race__slash_before_or_after_the_escape__takes_the_same(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str, escape: Escape
) -> None:
    epoch = site.stake.current_epoch()
    with boa.env.anchor():
        escape(site, delegated, operator, delegator)
        after = site.stake.slash(delegated, epoch, 150 * COIN, 0, sender=site.court)

    before = site.stake.slash(delegated, epoch, 150 * COIN, 0, sender=site.court)

    assert before == after == 150 * COIN


def test_slash__to_nothing_then_refill__old_shares_stay_dead(
    site: StakingSite, delegated: int, delegator: str, stranger: str, refuses
) -> None:
    site.stake.slash(delegated, site.stake.current_epoch(), 400 * COIN, 0, sender=site.court)
    wiped = site.stake.pool_state(delegated)

    site.stake.delegate(delegated, 0, value=5 * COIN, sender=stranger)

    assert (wiped.own, wiped.delegated, wiped.shares, wiped.generation) == (0, 0, 0, 1)
    assert site.stake.shares_of(stranger, delegated) == (5 * COIN, 1)
    with refuses("stake_ledger: nothing to exit"):
        site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    assert site.stake.delegate(delegated, 0, value=COIN, sender=delegator) == COIN
    assert site.stake.shares_of(delegator, delegated) == (COIN, 1)


def test_slash__to_a_price_under_2_to_minus_20__remainder_is_still_theirs(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    rest = 300 * COIN >> 21
    epoch = site.stake.current_epoch()

    site.stake.slash(delegated, epoch, 400 * COIN - rest, 0, sender=site.court)
    site.stake.delegate(delegated, 0, value=COIN, sender=stranger)
    ticket = site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)

    assert site.stake.pool_state(delegated).generation == 1
    boa.env.time_travel(seconds=40 * DAY)
    assert site.stake.withdraw(ticket, delegator, sender=delegator) == rest
    assert site.stake.pool_state(delegated).delegated == COIN


def test_slash__bucket_wiped_on_its_own_day__later_exits_start_at_price_one(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    dead = site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    epoch = site.stake.current_epoch()
    site.stake.slash(delegated, epoch, 400 * COIN, 0, sender=site.court)
    site.stake.delegate(delegated, 0, value=7 * COIN, sender=stranger)

    ticket = site.stake.request_exit(delegated, 7 * COIN, 0, sender=stranger)

    assert site.stake.ticket(ticket).generation == 1
    boa.env.time_travel(seconds=40 * DAY)
    assert site.stake.withdraw(ticket, stranger, sender=stranger) == 7 * COIN
    assert site.stake.withdraw(dead, delegator, sender=delegator) == 0


def test_inv_stake_7__equal_shares__equal_wei(site: StakingSite, operator: AnOperator) -> None:
    pool = operator.pool(DA)
    holders = [a_wallet(f"holder {number}") for number in range(5)]
    for holder in holders:
        site.stake.delegate(pool, 0, value=10 * COIN, sender=holder)
    next_epoch(2)
    site.stake.slash(
        pool, site.stake.current_epoch(), 100 * COIN + 10**18 + 3, 0, sender=site.court
    )

    tickets = [site.stake.request_exit(pool, 10 * COIN, 0, sender=holder) for holder in holders]
    boa.env.time_travel(seconds=40 * DAY)
    paid = [
        site.stake.withdraw(ticket, holder, sender=holder)
        for ticket, holder in zip(tickets, holders, strict=True)
    ]

    assert max(paid) - min(paid) <= 1
    assert sum(paid) == 50 * COIN - 10**18 - 3
    assert boa.env.get_balance(site.stake.address) == 0


def test_reserve__more_than_112_bits__refused(site: StakingSite, delegated: int, refuses) -> None:
    with refuses("stake: reservation too large"):
        site.stake.reserve(delegated, 2**112, sender=site.court)
    with refuses("stake: not reserved"):
        site.stake.release(delegated, 1, sender=site.court)
    with refuses("stake: no open case"):
        site.stake.close_case(delegated, sender=site.court)
    with refuses("stake: jailed too long"):
        site.stake.slash(delegated, 0, 0, 2**64, sender=site.court)


def test_tombstone__member_of_two_services__weightless_in_both(
    site: StakingSite, operator: AnOperator, delegator: str, refuses
) -> None:
    site.stake.join(3, 0, value=20 * COIN, sender=operator.owner)

    site.stake.slash(operator.pool(DA), 0, 0, TOMBSTONE, sender=site.court)

    assert site.stake.operator(operator.operator_id).tombstoned
    for service in (DA, 3):
        assert not site.stake.is_member(operator.pool(service))
        assert site.stake.pool_state(operator.pool(service)).status == 4
        with refuses("stake_ledger: pool not active"):
            site.stake.delegate(operator.pool(service), 0, value=COIN, sender=delegator)
    with refuses("keys: tombstoned"):
        a_rotation(site, 0, operator, delegator)
    assert site.stake.exit_own(DA, 100 * COIN, sender=operator.owner) == 1


def test_slash__receiver_of_court_refuses__nothing_moves(
    site: StakingSite, delegated: int, operator: AnOperator
) -> None:
    assert site.stake.slash(delegated, site.stake.current_epoch(), 0, 0, sender=site.court) == 0
    assert site.stake.pool_state(delegated).own == 100 * COIN


def test_slash__bucket_to_a_price_under_2_to_minus_20__closes_and_still_pays_the_rest(
    site: StakingSite, delegated: int, delegator: str, stranger: str
) -> None:
    rest = 300 * COIN >> 21
    old = site.stake.request_exit(delegated, 300 * COIN, 0, sender=delegator)
    epoch = site.stake.current_epoch()
    site.stake.slash(delegated, epoch, 400 * COIN - rest, 0, sender=site.court)
    site.stake.delegate(delegated, 0, value=7 * COIN, sender=stranger)

    new = site.stake.request_exit(delegated, 7 * COIN, 0, sender=stranger)

    assert site.stake.ticket(new).generation == 1
    assert site.stake.exposed(delegated, epoch) == 7 * COIN
    boa.env.time_travel(seconds=40 * DAY)
    assert site.stake.withdraw(old, delegator, sender=delegator) == rest
    assert site.stake.withdraw(new, stranger, sender=stranger) == 7 * COIN
    assert boa.env.get_balance(site.stake.address) == 0


def test_slash__exits_of_many_days__all_from_the_offence_on_pay(
    site: StakingSite, delegated: int, delegator: str
) -> None:
    epoch = site.stake.current_epoch()
    tickets = []
    for _ in range(10):
        tickets.append(site.stake.request_exit(delegated, 30 * COIN, 0, sender=delegator))
        boa.env.time_travel(seconds=2 * DAY + 7)

    site.stake.slash(delegated, epoch, 250 * COIN, 0, sender=site.court)

    boa.env.time_travel(seconds=40 * DAY)
    for ticket in tickets:
        assert site.stake.withdraw(ticket, delegator, sender=delegator) == 15 * COIN
