"""Rents and fees in ERC-20: good tokens, and those that keep a fee, lie, refuse or call back."""

from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.agents import NOBODY, Piece, support_contract
from tests.support.agents_leases import FEE, HOUR, KEY, PRICE, LeaseSite
from tests.support.refusal import Refused, refusing
from tests.support.staking import a_wallet

KEEPS_A_FEE, LIES, REVERTS, CALLS_BACK = 1, 2, 3, 4
HELD = 2 * HOUR * PRICE


@dataclass(frozen=True, slots=True)
class Purse:
    """Somebody's credit in a token at AgentLeases."""

    site: LeaseSite
    token: Any

    def credit(self, account: str) -> int:
        return int(self.site.leases.credit_of(account, self.token.address))

    def deposit(self, account: str, amount: int, **changes: Any) -> None:
        self.token.mint(account, amount)
        self.site.leases.deposit(account, self.token.address, amount, sender=account, **changes)

    def withdraw(self, account: str, amount: int) -> None:
        self.site.leases.withdraw(self.token.address, amount, account, sender=account)

    def picture(self, *accounts: str) -> tuple[Any, ...]:
        here = self.site.leases.address
        holders = (here, *accounts)
        return (
            [self.credit(one) for one in holders],
            [self.site.credit(one) for one in holders],
            [self.token.balanceOf(one) for one in accounts],
            self.token.balanceOf(here) - sum(self.credit(one) for one in accounts),
            self.site.leases.lease_count(),
            self.site.leases.order_count(),
        )


@pytest.fixture
def purse(site: LeaseSite) -> Purse:
    return Purse(site, support_contract("hostile_token").deploy())


@pytest.fixture
def kept(purse: Purse, owner: str, renter: str, buyer: str) -> Refused:
    return refusing(lambda: purse.picture(owner, renter, buyer))


def test_rent_in_tokens__out_of_credit__earned_refunded_and_withdrawn_to_the_unit(
    site: LeaseSite, purse: Purse, owner: str, renter: str, token: int
) -> None:
    site.offer(token, currency=purse.token.address)
    purse.deposit(renter, HELD)
    terms = site.leases.rent_of(token)

    lease = site.leases.rent(token, 2 * HOUR, terms, sender=renter)
    boa.env.time_travel(seconds=HOUR + 1)
    site.leases.end_lease(lease, sender=renter)

    earned = (HOUR + 1) * PRICE
    assert (purse.credit(owner), purse.credit(renter)) == (earned, HELD - earned)
    assert purse.token.balanceOf(site.leases.address) == HELD
    purse.withdraw(owner, earned)
    purse.withdraw(renter, HELD - earned)
    assert purse.token.balanceOf(site.leases.address) == 0
    assert purse.token.balanceOf(owner) == earned


def test_clone_in_tokens__delivered__owner_and_creator_are_paid_in_it(
    purse: Purse, owner: str, creator: str, buyer: str, token: int, piece: Piece
) -> None:
    site = purse.site
    site.license(token, currency=purse.token.address)
    purse.deposit(buyer, FEE)
    terms = site.leases.licence_of(token), site.nft.data_root(token)

    order = site.leases.order_clone(token, KEY, *terms, sender=buyer)
    site.deliver(order, piece, by=owner)
    site.leases.settle_clone(order, sender=buyer)

    assert (purse.credit(creator), purse.credit(owner)) == (FEE // 20, FEE - FEE // 20)
    assert site.credit(owner) == 0


def test_inv_agt_15__coin_for_an_offer_in_tokens__refused(
    site: LeaseSite, purse: Purse, renter: str, buyer: str, token: int, kept: Refused
) -> None:
    site.offer(token, currency=purse.token.address)
    site.license(token, currency=purse.token.address)

    with kept("credits: wrong value"):
        site.rent(token, renter)
    with kept("credits: wrong value"):
        site.order(token, buyer)
    site.leases.deposit(renter, NOBODY, HELD, value=HELD, sender=renter)
    with kept("credits: not that much"):
        terms = site.leases.rent_of(token)
        site.leases.rent(token, 2 * HOUR, terms, sender=renter)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (KEEPS_A_FEE, "credits: another amount came"),
        (LIES, "credits: token refused"),
        (REVERTS, "token: refused"),
    ],
)
def test_deposit__token_that_takes_a_fee_or_lies_or_refuses__refused(
    purse: Purse, renter: str, kept: Refused, mode: int, reason: str
) -> None:
    purse.token.mint(renter, HELD)
    purse.token.set_mode(mode, renter, b"")

    with kept(reason):
        purse.site.leases.deposit(renter, purse.token.address, HELD, sender=renter)


@pytest.mark.parametrize(
    ("mode", "reason"), [(LIES, "credits: token refused"), (REVERTS, "token: refused")]
)
def test_withdraw__token_that_lies_or_refuses__credit_stays(
    purse: Purse, renter: str, kept: Refused, mode: int, reason: str
) -> None:
    purse.deposit(renter, HELD)
    purse.token.set_mode(mode, renter, b"")

    with kept(reason):
        purse.withdraw(renter, HELD)
    purse.token.set_mode(0, renter, b"")
    purse.withdraw(renter, HELD)
    assert purse.token.balanceOf(renter) == HELD


@pytest.mark.parametrize("step", ["deposit", "withdraw"])
def test_token_that_calls_back__every_function__finds_the_door_shut(
    site: LeaseSite, purse: Purse, renter: str, token: int, step: str
) -> None:
    """ERC-777 and its like: the receiver's or the token's code runs in the middle."""
    purse.deposit(renter, HELD)
    leases = site.leases
    for call in (
        leases.withdraw.prepare_calldata(purse.token.address, HELD, renter),
        leases.deposit.prepare_calldata(renter, purse.token.address, 1),
        leases.collect.prepare_calldata(1),
    ):
        purse.token.set_mode(CALLS_BACK, leases.address, call)
        if step == "deposit":
            purse.deposit(renter, 1)
        else:
            purse.withdraw(renter, 1)
        assert not purse.token.reentered()
    assert purse.token.balanceOf(leases.address) == purse.credit(renter)


def test_withdraw__receiver_of_coin_calls_back__paid_once(
    site: LeaseSite, purse: Purse, token: int
) -> None:
    party = support_contract("market_party").deploy()
    sponsor = a_wallet("sponsor")
    site.leases.deposit(party.address, NOBODY, 2 * FEE, value=2 * FEE, sender=sponsor)
    again = site.leases.withdraw.prepare_calldata(NOBODY, FEE, party.address)
    party.set_mode(4, site.leases.address, again)

    party.act(site.leases.address, again)

    assert not party.reentered()
    assert boa.env.get_balance(party.address) == FEE
    assert site.credit(party.address) == FEE


def test_withdraw__receiver_of_coin_refuses__credit_stays(
    site: LeaseSite, renter: str, unmoved: Refused
) -> None:
    party = support_contract("market_party").deploy()
    party.set_mode(1, party.address, b"")
    boa.env.set_balance(renter, FEE)
    site.leases.deposit(renter, NOBODY, FEE, value=FEE, sender=renter)

    with unmoved("credits: receiver refused"):
        site.leases.withdraw(NOBODY, FEE, party.address, sender=renter)


def test_deposit__nothing_nobody_or_another_value__refused(
    site: LeaseSite, purse: Purse, renter: str, kept: Refused
) -> None:
    boa.env.set_balance(renter, 10)
    with kept("credits: no account"):
        site.leases.deposit(NOBODY, NOBODY, 1, value=1, sender=renter)
    with kept("credits: nothing to pay"):
        site.leases.deposit(renter, NOBODY, 0, sender=renter)
    with kept("credits: wrong value"):
        site.leases.deposit(renter, NOBODY, 2, value=1, sender=renter)
    purse.token.mint(renter, 1)
    with kept("credits: wrong value"):
        site.leases.deposit(renter, purse.token.address, 1, value=1, sender=renter)
