"""Joining and leaving: who is a member of which epoch, fixed at the cut-off."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

from tests.contracts.da.conftest import Refused
from tests.support.da import DaSite, draw, endpoint_of
from tests.support.staking import COIN, CUTOFF, DA, EPOCH, a_member, an_operator, next_epoch

SMALL_CLUB = """
# pragma version 0.4.3
from contracts.da import membership

initializes: membership


@external
def enter(operator_id: uint256, epoch: uint256):
    membership._enter(operator_id, epoch, 2)
"""


def test_join__staked_operator__counts_from_the_next_open_epoch(site: DaSite) -> None:
    epoch = site.stake.current_epoch()
    operator = a_member(site.staking, 50)

    site.signers.join(endpoint_of(operator), sender=operator.owner)

    assert site.signers.is_member(operator.operator_id)
    assert not site.signers.was_member(operator.operator_id, epoch)
    assert site.signers.was_member(operator.operator_id, epoch + 1)
    assert (site.signers.member_count(epoch), site.signers.member_count(epoch + 1)) == (5, 6)
    assert endpoint_of(operator) == site.signers.endpoint(operator.operator_id)


def test_inv_da_11__join_after_the_cut_off__is_not_in_the_coming_table(site: DaSite) -> None:
    coming = site.stake.current_epoch() + 1
    early, late = a_member(site.staking, 51), a_member(site.staking, 52)
    site.signers.join(endpoint_of(early), sender=early.owner)
    boa.env.time_travel(seconds=site.stake.epoch_cutoff(coming) - boa.env.timestamp)

    site.signers.join(endpoint_of(late), sender=late.owner)

    assert site.signers.was_member(early.operator_id, coming)
    assert not site.signers.was_member(late.operator_id, coming)
    assert site.signers.was_member(late.operator_id, coming + 1)
    assert site.signers.member_count(coming) == 6


def test_join__nobody_unstaked_or_without_endpoint__is_refused(
    site: DaSite, stranger: str, refused: Refused
) -> None:
    unstaked = an_operator(site.staking, 53)
    staked = a_member(site.staking, 54)

    with refused("da_signers: not an operator"):
        site.signers.join("http://127.0.0.1:1", sender=stranger)
    with refused("da_signers: no DA stake"):
        site.signers.join("http://127.0.0.1:1", sender=unstaked.owner)
    with refused("da_signers: no endpoint"):
        site.signers.join("", sender=staked.owner)


def test_join__member__is_refused(site: DaSite, refused: Refused) -> None:
    operator = site.operators[0]

    with refused("membership: already a member"):
        site.signers.join("http://127.0.0.1:1", sender=operator.owner)


def test_enter__full_club__is_refused() -> None:
    club: VyperContract = boa.loads(SMALL_CLUB)
    club.enter(1, 1)
    club.enter(2, 1)

    with boa.reverts("membership: full"):
        club.enter(3, 1)


def test_leave__member__stays_in_tables_already_fixed(site: DaSite) -> None:
    epoch = site.stake.current_epoch()
    operator = site.operators[1]

    site.signers.leave(sender=operator.owner)

    assert not site.signers.is_member(operator.operator_id)
    assert site.signers.was_member(operator.operator_id, epoch)
    assert not site.signers.was_member(operator.operator_id, epoch + 1)
    assert (site.signers.member_count(epoch), site.signers.member_count(epoch + 1)) == (5, 4)


def test_leave__no_member__is_refused(site: DaSite, stranger: str, refused: Refused) -> None:
    operator = a_member(site.staking, 55)

    with refused("membership: not a member"):
        site.signers.leave(sender=operator.owner)
    with refused("membership: not a member"):
        site.signers.update_endpoint("http://127.0.0.1:1", sender=operator.owner)
    with refused("da_signers: not an operator"):
        site.signers.leave(sender=stranger)


def test_leave_and_join__around_a_cut_off__keeps_every_epoch_drawable(site: DaSite) -> None:
    operator = site.operators[2]
    site.signers.leave(sender=operator.owner)
    site.signers.join(endpoint_of(operator), sender=operator.owner)
    site.signers.leave(sender=operator.owner)
    boa.env.time_travel(seconds=EPOCH - CUTOFF)
    site.signers.join(endpoint_of(operator), sender=operator.owner)
    others = [one for one in site.operators if one != operator]

    boa.env.time_travel(seconds=CUTOFF)
    first = draw(site, others)
    next_epoch()
    second = draw(site)

    assert (site.signers.quorum(first, 0)[0], site.signers.quorum(second, 0)[0]) == (4, 5)


def test_update_endpoint__member__counts_at_once(site: DaSite, refused: Refused) -> None:
    operator = site.operators[0]

    site.signers.update_endpoint("http://127.0.0.1:9", sender=operator.owner)

    assert site.signers.endpoint(operator.operator_id) == "http://127.0.0.1:9"
    with refused("da_signers: no endpoint"):
        site.signers.update_endpoint("", sender=operator.owner)


def test_evict__pool_left__anybody_removes_it(
    site: DaSite, stranger: str, refused: Refused
) -> None:
    operator = site.operators[3]
    with refused("da_signers: has DA stake"):
        site.signers.evict(operator.operator_id, sender=stranger)
    site.stake.leave(DA, sender=operator.owner)

    site.signers.evict(operator.operator_id, sender=stranger)

    assert not site.signers.is_member(operator.operator_id)
    with refused("membership: not a member"):
        site.signers.evict(operator.operator_id, sender=stranger)


@pytest.mark.parametrize("share", [1, 3])
def test_inv_da_9__weight_of_an_epoch__never_exceeds_locked_stake(site: DaSite, share: int) -> None:
    operator = site.operators[0]
    epoch = site.stake.current_epoch()
    site.stake.exit_own(DA, share * 100 * COIN, sender=operator.owner)
    next_epoch()

    drawn = draw(site)

    pool = operator.pool(DA)
    assert site.stake.weight_at(pool, drawn) == (4 - share) * 100 * COIN
    assert site.stake.weight_at(pool, epoch) == 400 * COIN <= site.stake.exposed(pool, epoch)
