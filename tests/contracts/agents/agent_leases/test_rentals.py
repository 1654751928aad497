"""Rent is prepaid, earned by the second, and comes back for time that was not used."""

import boa
import pytest

from tests.support.agents import Piece, agents_contract
from tests.support.agents_leases import DAY, DELIVER, HOUR, OBJECT, PRICE, LeaseSite
from tests.support.refusal import Refused

HELD = 2 * HOUR * PRICE


def paid(site: LeaseSite, *accounts: str) -> tuple[int, ...]:
    return tuple(site.credit(one) for one in accounts)


def test_rent__offered__renter_may_use_it_and_owner_earns_by_the_second(
    site: LeaseSite, owner: str, renter: str, token: int
) -> None:
    site.offer(token)

    lease = site.rent(token, renter)

    assert site.nft.authorizedUsersOf(token) == [renter]
    boa.env.time_travel(seconds=600)
    site.leases.collect(lease)
    assert paid(site, owner, renter) == (600 * PRICE, 0)
    boa.env.time_travel(seconds=2 * HOUR)
    site.leases.collect(lease)
    assert paid(site, owner, renter) == (HELD, 0)
    assert site.leases.lease(lease).until == 0
    assert site.nft.authorizedUsersOf(token) == []


def test_inv_agt_13__token_moves__earned_until_then_and_the_rest_comes_back(
    site: LeaseSite, owner: str, renter: str, stranger: str, token: int, piece: Piece
) -> None:
    site.offer(token)
    lease = site.rent(token, renter)
    boa.env.time_travel(seconds=900)
    site.move(token, piece, stranger)
    boa.env.time_travel(seconds=4 * HOUR)

    site.leases.collect(lease)

    assert paid(site, owner, renter, stranger) == (900 * PRICE, HELD - 900 * PRICE, 0)
    assert site.leases.lease(lease).until == 0


def test_inv_agt_13__token_moves_twice__renter_pays_what_was_collected(
    site: LeaseSite, owner: str, renter: str, stranger: str, token: int, piece: Piece
) -> None:
    site.offer(token)
    lease = site.rent(token, renter)
    boa.env.time_travel(seconds=300)
    site.leases.collect(lease)
    boa.env.time_travel(seconds=300)
    later = site.move(token, piece, stranger)
    boa.env.time_travel(seconds=300)
    site.move(token, later, owner)

    site.leases.collect(lease)

    assert paid(site, owner, renter) == (300 * PRICE, HELD - 300 * PRICE)


@pytest.mark.parametrize(("after", "earned"), [(60, HOUR), (HOUR + 60, HOUR + 60)])
def test_end_lease__by_the_renter__pays_the_shortest_time_at_least(
    site: LeaseSite, owner: str, renter: str, token: int, after: int, earned: int
) -> None:
    site.offer(token)
    lease = site.rent(token, renter)
    boa.env.time_travel(seconds=after)

    site.leases.end_lease(lease, sender=renter)

    assert paid(site, owner, renter) == (earned * PRICE, HELD - earned * PRICE)
    assert site.nft.authorizedUsersOf(token) == []
    site.leases.withdraw(boa.eval("empty(address)"), HELD - earned * PRICE, renter, sender=renter)
    assert boa.env.get_balance(site.leases.address) == earned * PRICE


def test_rent__out_of_credit_and_again_after_the_end__new_lease(
    site: LeaseSite, renter: str, token: int
) -> None:
    site.offer(token)
    site.rent(token, renter, seconds=HOUR)
    boa.env.time_travel(seconds=HOUR)
    nobody = boa.eval("empty(address)")
    site.leases.deposit(renter, nobody, HOUR * PRICE, value=HOUR * PRICE, sender=renter)

    second = site.leases.rent(token, HOUR, site.leases.rent_of(token), sender=renter)

    assert second == site.leases.lease_count() == 2
    assert site.credit(renter) == 0


def test_lease__owner_sets_another_price__runs_as_it_was(
    site: LeaseSite, owner: str, renter: str, token: int
) -> None:
    site.offer(token)
    lease = site.rent(token, renter)

    site.offer(token, price=7 * PRICE)
    boa.env.time_travel(seconds=DAY)
    site.leases.collect(lease)

    assert paid(site, owner, renter) == (HELD, 0)


def test_rent__not_offered_any_more__refused(
    site: LeaseSite, renter: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("leases: not for rent"):
        site.rent(token, renter)
    site.offer(token, expiry=boa.env.timestamp + 60)
    boa.env.time_travel(seconds=60)
    with unmoved("leases: not for rent"):
        site.rent(token, renter)
    site.offer(token)
    site.move(token, piece, stranger)
    with unmoved("leases: not for rent"):
        site.rent(token, renter)


def test_rent__other_terms_than_offered__refused(
    site: LeaseSite, renter: str, token: int, unmoved: Refused
) -> None:
    site.offer(token)
    boa.env.set_balance(renter, 10**20)

    for seconds in (HOUR - 1, DAY + 1):
        with unmoved("leases: too short or long"):
            site.rent(token, renter, seconds=seconds)
    terms = site.leases.rent_of(token)
    with unmoved("credits: not that much"):
        site.leases.rent(token, HOUR, terms, value=HOUR * PRICE - 1, sender=renter)
    site.rent(token, renter)
    with unmoved("leases: runs already"):
        site.rent(token, renter)


def test_locked_token__is_not_let(
    site: LeaseSite, stranger: str, token: int, unmoved: Refused
) -> None:
    site.offer(token)
    site.tokens.lock(token)

    with unmoved("leases: token is locked"):
        site.rent(token, stranger)
    with unmoved("leases: token is locked"):
        site.offer(token)


def test_set_rent__stranger_or_upside_down__refused(
    site: LeaseSite, stranger: str, token: int, unmoved: Refused
) -> None:
    nobody = boa.eval("empty(address)")
    with unmoved("leases: not its owner"):
        site.leases.set_rent(token, (1, nobody, 1, 2, 2**40), sender=stranger)
    with unmoved("leases: shortest > longest"):
        site.offer(token, shortest=DAY + 1)


def test_end_lease__by_others_or_when_over__refused(
    site: LeaseSite, owner: str, renter: str, token: int, unmoved: Refused
) -> None:
    site.offer(token)
    lease = site.rent(token, renter)

    with unmoved("leases: not the renter"):
        site.leases.end_lease(lease, sender=owner)
    boa.env.time_travel(seconds=2 * HOUR)
    with unmoved("leases: over already"):
        site.leases.end_lease(lease, sender=renter)


def test_collect__no_lease_or_one_that_has_ended__refused(
    site: LeaseSite, renter: str, token: int, unmoved: Refused
) -> None:
    site.offer(token)
    lease = site.rent(token, renter)
    boa.env.time_travel(seconds=DAY)
    site.leases.collect(lease)

    for one in (0, lease, 9):
        with unmoved("leases: no such lease"):
            site.leases.collect(one)


def test_lease__owner_revokes_the_user__refused(
    site: LeaseSite, owner: str, renter: str, token: int, unmoved: Refused
) -> None:
    site.offer(token)
    site.rent(token, renter)

    with unmoved("agent_nft: leased"):
        site.nft.revokeAuthorization(token, renter, sender=owner)


def test_deploy__no_collection_or_no_window__refused(site: LeaseSite, stranger: str) -> None:
    deployer = agents_contract("AgentLeases")

    with boa.reverts("leases: no contract"):
        deployer.deploy(stranger, DELIVER, OBJECT)
    for windows in ((0, OBJECT), (DELIVER, 0)):
        with boa.reverts("leases: no window"):
            deployer.deploy(site.nft.address, *windows)
