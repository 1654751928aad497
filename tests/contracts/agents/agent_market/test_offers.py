"""Offers: signed by buyers, taken by owners; each that is refused, with nothing moved."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import boa
import pytest

from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import Offer
from offchain.core.hashing import keccak
from tests.support.agents_market import (
    NATIVE,
    PRICE,
    RIVAL_KEY,
    ROYALTY_BPS,
    WEEK,
    MarketSite,
    accept,
    an_offer,
    boa_fields,
    conserves,
    fund,
    pass_,
    raw,
    take_offer,
)

Unmoved = Callable[[str], AbstractContextManager[None]]
OTHER = bytes(range(20))


def test_offer__owner_takes_it__buyer_pays_out_of_credit(site: MarketSite) -> None:
    sale = take_offer(site)

    accept(site, sale)

    assert site.market.sale(sale).state == SaleState.SETTLED
    assert site.buyer.address.lower() == str(site.nft.ownerOf(site.token_id)).lower()
    assert conserves(site)


def test_offer__any_token__its_owner_takes_it(site: MarketSite, unmoved: Unmoved) -> None:
    free = an_offer(site, token=0, data_root=bytes(32))
    with unmoved("orders: malformed"):
        take_offer(site, an_offer(site, token=0))
    with unmoved("orders: malformed"):
        take_offer(site, an_offer(site, token=0, data_root=bytes(32), account=OTHER))

    assert take_offer(site, free)


OFFERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"collection": OTHER}, {}, "orders: another collection"),
    ({"token": 9}, {}, "orders: another token"),
    ({"data_root": keccak(b"another")}, {}, "goods: data changed"),
    ({"account": OTHER, "account_state": 1}, {}, "goods: wallet changed"),
    ({"price": 10**10}, {}, "credits: not that much"),
    ({"key_hash": keccak(RIVAL_KEY)}, {}, "market: another key"),
    ({}, {"royalty": ROYALTY_BPS - 1}, "goods: royalty too high"),
    ({}, {"signature": bytes(65)}, "orders: not signed"),
]


@pytest.mark.parametrize(("changes", "call", "reason"), OFFERS)
def test_offer__is_not_one_to_take__is_refused(
    site: MarketSite, unmoved: Unmoved, changes: dict[str, Any], call: dict[str, Any], reason: str
) -> None:
    with unmoved(reason):
        take_offer(site, an_offer(site, **changes), **call)


@pytest.mark.parametrize("field", Offer.__dataclass_fields__)
def test_inv_agt_15__any_field_of_an_offer_is_changed__is_not_signed_any_more(
    site: MarketSite, field: str
) -> None:
    offer = an_offer(site)
    value = getattr(offer, field)
    other = bytes([value[0] ^ 1]) + value[1:] if isinstance(value, bytes) else value + 1

    changed = an_offer(site, **{field: other})

    assert bytes(site.market.offer_digest(boa_fields(changed))) != offer.digest(site.domain())


def test_offer__expired_taken_by_no_owner_or_twice__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    offer = an_offer(site)
    with unmoved("orders: own order"):
        take_offer(site, offer, sender=site.buyer.address)
    with unmoved("goods: not the owner's"):
        take_offer(site, offer, sender=site.rival.address)
    with boa.env.anchor():
        pass_(WEEK + 1)
        with unmoved("orders: expired"):
            take_offer(site, offer)
    sale = take_offer(site, offer)
    pass_(1_801)
    site.market.refund(sale, sender=site.stranger)

    with unmoved("orders: nonce used"):
        take_offer(site, offer)


def test_offer__buyer_is_a_contract__his_own_word_counts(site: MarketSite) -> None:
    party = str(site.party.address)
    fund(site, party, NATIVE, PRICE)
    offer = an_offer(site, buyer=raw(party))
    site.party.vouch(offer.digest(site.domain()), b"word")

    sale = take_offer(site, offer, signature=b"word")

    assert party == site.market.sale(sale).buyer
    assert conserves(site)
