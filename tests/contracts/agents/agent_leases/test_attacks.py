"""What an owner tries on those who pay him, and renters and buyers on him and on each other."""

from typing import Any

import boa
import pytest

from tests.support.agents import NOBODY, Piece, forms
from tests.support.agents_leases import DELIVER, FEE, HOUR, KEY, OBJECT, PRICE, LeaseSite
from tests.support.refusal import Refused
from tests.support.staking import a_wallet

DEAR = "0x" + "0d" * 20  # a currency in which the renter happens to have credit


def test_order__owner_puts_other_data_in_before_he_delivers__refused_and_paid_back(
    site: LeaseSite, owner: str, buyer: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    """Nobody could prove such a clone false: its data are exactly the token's."""
    site.license(token)
    order = site.order(token, buyer)
    rubbish = Piece("rubbish")
    site.tokens.keep(rubbish)
    site.nft.update(token, *forms((rubbish,)), 0, sender=owner)

    with unmoved("leases: data changed"):
        site.deliver(order, rubbish, by=owner)
    site.leases.refund_clone(order)

    assert site.credit(buyer) == FEE
    assert boa.env.get_balance(site.leases.address) == FEE
    assert site.leases.clones_of(token) == 0


def test_order__owner_changes_data_on_the_way__refused(
    site: LeaseSite, owner: str, buyer: str, token: int, unmoved: Refused
) -> None:
    site.license(token)
    seen = site.leases.licence_of(token), site.nft.data_root(token)
    rubbish = Piece("rubbish")
    site.tokens.keep(rubbish)
    site.nft.update(token, *forms((rubbish,)), 0, sender=owner)
    boa.env.set_balance(buyer, FEE)

    with unmoved("leases: data changed"):
        site.leases.order_clone(token, KEY, *seen, value=FEE, sender=buyer)


@pytest.mark.parametrize(
    "changes",
    [
        {"fee": FEE + 1},
        {"currency": DEAR},
        {"royalty_bps": 1_000},
        {"may_clone_again": False},
        {"max_clones": 3},
        {"expiry": 2**40},
    ],
)
def test_order__owner_changes_the_licence_on_the_way__refused(
    site: LeaseSite, buyer: str, token: int, unmoved: Refused, changes: dict[str, Any]
) -> None:
    site.license(token)
    seen = site.leases.licence_of(token), site.nft.data_root(token)
    boa.env.set_balance(buyer, 2 * FEE)

    site.license(token, **changes)

    with unmoved("leases: licence changed"):
        site.leases.order_clone(token, KEY, *seen, value=FEE, sender=buyer)


@pytest.mark.parametrize(
    "changes",
    [{"price": PRICE + 1}, {"currency": DEAR}, {"shortest": 2 * HOUR}, {"longest": 3 * HOUR}],
)
def test_rent__owner_changes_the_terms_on_the_way__refused(
    site: LeaseSite, renter: str, token: int, unmoved: Refused, changes: dict[str, Any]
) -> None:
    site.offer(token)
    seen = site.leases.rent_of(token)
    boa.env.set_balance(renter, 10**20)

    site.offer(token, **changes)

    with unmoved("leases: terms changed"):
        site.leases.rent(token, 2 * HOUR, seen, value=2 * HOUR * PRICE, sender=renter)


def test_end_lease__owner_has_the_token_locked__renter_leaves_all_the_same(
    site: LeaseSite, owner: str, renter: str, token: int
) -> None:
    """An owner whose own contract locks it again and again would hold the renter to the end."""
    site.offer(token)
    lease = site.rent(token, renter)
    boa.env.time_travel(seconds=HOUR)
    site.tokens.lock(token)

    site.leases.end_lease(lease, sender=renter)

    assert (site.credit(owner), site.credit(renter)) == (HOUR * PRICE, HOUR * PRICE)
    assert site.nft.authorizedUsersOf(token) == []


def test_users__33_renters__the_last_one_waits_for_a_place(
    site: LeaseSite, token: int, unmoved: Refused
) -> None:
    site.offer(token)
    for number in range(32):
        site.rent(token, a_wallet(f"renter {number}"), seconds=HOUR)
    late = a_wallet("late renter")

    with unmoved("agent_nft: 32 users"):
        site.rent(token, late)
    boa.env.time_travel(seconds=HOUR)
    site.rent(token, late)

    assert site.nft.authorizedUsersOf(token) == [late]


def test_windows__their_very_edges__one_side_each(
    site: LeaseSite, owner: str, buyer: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.license(token)
    late, order = site.order(token, buyer), site.order(token, buyer)
    boa.env.time_travel(seconds=DELIVER - 1)
    site.deliver(order, piece, by=owner)
    with unmoved("leases: may still come"):
        site.leases.refund_clone(late)
    boa.env.time_travel(seconds=1)
    site.leases.refund_clone(late)
    boa.env.time_travel(seconds=OBJECT - 2)
    with unmoved("leases: buyer's time runs"):
        site.leases.settle_clone(order, sender=owner)
    boa.env.time_travel(seconds=1)
    site.leases.settle_clone(order, sender=owner)

    assert site.credit(buyer) == FEE
    assert site.credit(owner) == FEE - FEE // 20


def test_clone_proven_false_after_the_buyers_time__not_settled_yet__paid_back(
    site: LeaseSite, owner: str, buyer: str, token: int, piece: Piece
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    _, digest = site.deliver(order, piece, by=owner)
    boa.env.time_travel(seconds=OBJECT)
    site.tokens.verifier.prove(digest)

    site.leases.refund_false_clone(order, [digest])

    assert site.credit(buyer) == FEE


def test_licence__owner_sells_the_token_after_the_clone_came__former_owner_is_paid(
    site: LeaseSite, owner: str, buyer: str, stranger: str, token: int, piece: Piece
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    site.deliver(order, piece, by=owner)
    site.move(token, piece, stranger)

    site.leases.settle_clone(order, sender=buyer)

    assert site.credit(owner) == FEE - FEE // 20
    assert site.credit(stranger) == 0


def test_locked_token__clone_that_was_ordered_before__waits_and_is_paid_back(
    site: LeaseSite, buyer: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    site.tokens.lock(token, seconds=DELIVER)

    with unmoved("agent_nft: locked"):
        site.deliver(order, piece, by=buyer)
    boa.env.time_travel(seconds=DELIVER)
    site.leases.refund_clone(order)

    assert site.credit(buyer) == FEE


def test_withdraw__to_nobody_or_to_itself_or_more_than_there_is__refused(
    site: LeaseSite, buyer: str, unmoved: Refused
) -> None:
    boa.env.set_balance(buyer, FEE)
    site.leases.deposit(buyer, NOBODY, FEE, value=FEE, sender=buyer)

    for to in (NOBODY, site.leases.address):
        with unmoved("credits: no receiver"):
            site.leases.withdraw(NOBODY, FEE, to, sender=buyer)
    with unmoved("credits: not that much"):
        site.leases.withdraw(NOBODY, FEE + 1, buyer, sender=buyer)
    with unmoved("credits: nothing to pay"):
        site.leases.withdraw(NOBODY, 0, buyer, sender=buyer)
