"""Credits: what comes in and goes out, and receivers and tokens that misbehave."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import boa

from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import NOBODY
from tests.support.agents_market import (
    FUNDS,
    KEY,
    MODES,
    NATIVE,
    PRICE,
    MarketSite,
    accept,
    an_order,
    boa_fields,
    buy,
    conserves,
    deliver,
    fund,
    pass_until,
    raw,
    signed,
)

Unmoved = Callable[[str], AbstractContextManager[None]]
FEE_MODE, LIE_MODE, REVERT_MODE, REENTER_MODE = 1, 2, 3, 4


def test_deposit__coin_and_token__are_credited_to_whom_is_named(site: MarketSite) -> None:
    token = site.currency.address
    fund(site, site.treasury, NATIVE, 5)
    fund(site, site.treasury, token, 7)

    assert tuple(site.market.credit_of(site.treasury, one) for one in (NATIVE, token)) == (5, 7)
    assert conserves(site)


def test_deposit__is_not_exact__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    token, payer = site.currency.address, site.stranger
    site.currency.mint(payer, 1_000)
    for currency, amount, value, reason in (
        (NATIVE, 5, 4, "credits: wrong value"),
        (token, 5, 5, "credits: wrong value"),
        (NATIVE, 0, 0, "credits: nothing to pay"),
    ):
        with unmoved(reason):
            site.market.deposit(payer, currency, amount, value=value, sender=payer)
    with unmoved("credits: no account"):
        site.market.deposit(NATIVE, NATIVE, 1, value=1, sender=payer)
    for mode, reason in (
        (FEE_MODE, "credits: another amount came"),
        (LIE_MODE, "credits: token refused"),
        (REVERT_MODE, "token: refused"),
    ):
        site.currency.set_mode(mode, NATIVE, b"")
        with unmoved(reason):
            site.market.deposit(payer, token, 500, sender=payer)


def test_withdraw__own_credit__goes_where_its_owner_says(
    site: MarketSite, unmoved: Unmoved
) -> None:
    buyer, token = site.buyer.address, site.currency.address
    with unmoved("credits: not that much"):
        site.market.withdraw(NATIVE, FUNDS + 1, buyer, sender=buyer)
    with unmoved("credits: no receiver"):
        site.market.withdraw(NATIVE, 1, NATIVE, sender=buyer)
    with unmoved("credits: nothing to pay"):
        site.market.withdraw(NATIVE, 0, buyer, sender=buyer)
    before = boa.env.get_balance(site.treasury)

    site.market.withdraw(NATIVE, FUNDS, site.treasury, sender=buyer)
    site.market.withdraw(token, FUNDS, site.treasury, sender=buyer)

    assert before + FUNDS == boa.env.get_balance(site.treasury)
    assert site.currency.balanceOf(site.treasury) == FUNDS
    assert conserves(site)


def test_withdraw__receiver_or_token_refuses__credit_stays(
    site: MarketSite, unmoved: Unmoved
) -> None:
    buyer, party = site.buyer.address, site.party.address
    site.party.set_mode(MODES["revert"], NATIVE, b"")
    with unmoved("credits: receiver refused"):
        site.market.withdraw(NATIVE, 1, party, sender=buyer)
    site.currency.set_mode(LIE_MODE, NATIVE, b"")
    with unmoved("credits: token refused"):
        site.market.withdraw(site.currency.address, 1, buyer, sender=buyer)
    site.currency.set_mode(REVERT_MODE, NATIVE, b"")
    with unmoved("token: refused"):
        site.market.withdraw(site.currency.address, 1, buyer, sender=buyer)


def test_withdraw__receiver_calls_back__gets_nothing_twice(site: MarketSite) -> None:
    party = str(site.party.address)
    fund(site, party, NATIVE, 100)
    again = site.market.withdraw.prepare_calldata(NATIVE, 50, party)
    site.party.set_mode(MODES["reenter"], site.market.address, again)

    site.party.act(site.market.address, again)

    assert not site.party.reentered()
    assert (site.market.credit_of(party, NATIVE), boa.env.get_balance(party)) == (50, 50)
    assert conserves(site)


def test_deposit__token_calls_back__nothing_is_entered_twice(site: MarketSite) -> None:
    token, buyer = site.currency.address, site.buyer.address
    inner = site.market.withdraw.prepare_calldata(token, 1, buyer)
    site.currency.set_mode(REENTER_MODE, site.market.address, inner)

    fund(site, buyer, token, 10)

    assert not site.currency.reentered()
    assert conserves(site)


def test_inv_agt_14__royalty_receiver_takes_no_money__nobody_is_held_up(site: MarketSite) -> None:
    party = site.party.address
    site.party.set_mode(MODES["revert"], NATIVE, b"")
    sale = buy(site, an_order(site, token=site.goods.mint(site.seller.address, party, 1_000)))

    accept(site, sale)

    assert site.market.credit_of(party, NATIVE) == PRICE // 10
    assert site.market.sale(sale).state == SaleState.SETTLED
    assert conserves(site)


def test_royalty__of_nothing__is_nobodys(site: MarketSite) -> None:
    token = site.goods.mint(site.seller.address, site.creator, 0)
    sale = buy(site, an_order(site, token=token, royalty_max=0))

    accept(site, sale)

    assert site.market.credit_of(site.creator, NATIVE) == 0
    assert conserves(site)


def test_buy__seller_has_no_bond_or_buyer_no_money__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    seller, order = site.seller.address, an_order(site)
    with unmoved("credits: not that much"):
        buy(site, an_order(site, price=FUNDS + 1, end_price=FUNDS + 1))
    token_order = an_order(site, currency=raw(site.currency))
    with unmoved("credits: wrong value"):
        buy(site, token_order, value=1)
    site.market.withdraw(NATIVE, FUNDS, seller, sender=seller)

    with unmoved("credits: not that much"):
        buy(site, order)


def test_inv_agt_15__order_in_a_token__is_paid_in_that_token_only(
    site: MarketSite, unmoved: Unmoved
) -> None:
    buyer, token = site.buyer.address, site.currency.address
    order = an_order(site, currency=raw(site.currency))
    assert order.currency != NOBODY
    with boa.env.anchor():
        site.market.withdraw(token, FUNDS, buyer, sender=buyer)
        with unmoved("credits: not that much"):
            buy(site, order)

    sale = buy(site, order)

    assert site.market.credit_of(buyer, NATIVE) == FUNDS
    assert site.market.credit_of(buyer, token) == FUNDS - PRICE
    assert conserves(site)
    site.currency.set_mode(REVERT_MODE, NATIVE, b"")
    accept(site, sale)
    assert site.market.sale(sale).state == SaleState.SETTLED


def test_dispute__bond_is_sent_or_credited__is_held(site: MarketSite, unmoved: Unmoved) -> None:
    buyer = site.buyer.address
    sale = buy(site)
    deliver(site, sale)
    rest = site.market.credit_of(buyer, NATIVE)
    site.market.withdraw(NATIVE, rest, buyer, sender=buyer)
    with unmoved("credits: not that much"):
        site.market.dispute(sale, sender=buyer)
    bond = site.market.bond_of(PRICE)

    site.market.dispute(sale, value=bond, sender=buyer)

    assert conserves(site)


def test_settle__contract_buyer_that_takes_nothing__cannot_hold_it_up(site: MarketSite) -> None:
    party = str(site.party.address)
    fund(site, party, NATIVE, PRICE)
    order = an_order(site)
    call = site.market.buy.prepare_calldata(boa_fields(order), signed(site, order), KEY)
    site.party.act(site.market.address, call)
    sale = int(site.market.sale_count())
    site.party.set_mode(MODES["revert"], NATIVE, b"")
    outputs, digests = deliver(site, sale)
    pass_until(site, sale)

    site.market.settle(sale, outputs, digests, sender=site.stranger)

    assert party == str(site.nft.ownerOf(site.token_id))
    assert conserves(site)
