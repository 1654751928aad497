"""What is signed: digests, and every order or offer that is refused, with nothing moved."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from offchain.agents.orders import (
    NOBODY,
    OrderKind,
    SellOrder,
    least_bid,
    market_domain,
    offer_types,
    order_types,
)
from offchain.core.hashing import keccak
from tests.support.agents_market import (
    FEE_BPS,
    KEY,
    MODES,
    NATIVE,
    PRICE,
    ROYALTY_BPS,
    WEEK,
    WINDOWS,
    MarketSite,
    accept,
    agents_deployer,
    an_auction,
    an_offer,
    an_order,
    bid,
    boa_fields,
    buy,
    conserves,
    fund,
    pass_,
    raw,
    signed,
    take_offer,
)

Unmoved = Callable[[str], AbstractContextManager[None]]
OTHER = bytes(range(20))


def test_digests__contract_python_and_eth_account__agree(site: MarketSite) -> None:
    domain = {
        "name": "Apogee AgentMarket",
        "version": "1",
        "chainId": int(boa.env.evm.patch.chain_id),
        "verifyingContract": site.market.address,
    }
    for one, types, asked in (
        (an_order(site), order_types(), site.market.order_digest),
        (an_offer(site), offer_types(), site.market.offer_digest),
    ):
        message = {
            k: "0x" + v.hex() if isinstance(v, bytes) else v for k, v in one.message().items()
        }
        [name] = types
        fields = [{"name": field, "type": kind} for field, kind in types[name]]
        encoded = encode_typed_data(domain, {name: fields}, message)
        secret = keccak(b"somebody")
        signed_by_it = Account.sign_message(encoded, secret).signature

        digest = one.digest(site.domain())

        assert digest == bytes(asked(boa_fields(one)))
        assert bytes(signed_by_it) == bytes(Account.unsafe_sign_hash(digest, secret).signature)
    assert site.domain() == bytes(site.market.domain_separator())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"collection": OTHER}, "orders: another collection"),
    ({"taker": OTHER}, "orders: for another buyer"),
    ({"kind": 0}, "orders: unknown kind"),
    ({"kind": 4}, "orders: unknown kind"),
    ({"end_price": PRICE - 1}, "orders: malformed"),
    ({"min_step": 500}, "orders: malformed"),
    ({"kind": OrderKind.DUTCH, "end_price": PRICE + 1}, "orders: malformed"),
    ({"kind": OrderKind.DUTCH, "min_step": 1}, "orders: malformed"),
    ({"kind": OrderKind.ENGLISH, "min_step": 500}, "market: is an auction"),
    ({"data_root": keccak(b"another")}, "goods: data changed"),
    ({"account": OTHER, "account_state": 1}, "goods: wallet changed"),
    ({"royalty_max": ROYALTY_BPS - 1}, "goods: royalty too high"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_buy__order_is_not_one_to_take__is_refused(
    site: MarketSite, unmoved: Unmoved, changes: dict[str, Any], reason: str
) -> None:
    with unmoved(reason):
        buy(site, an_order(site, **changes))


def test_buy__too_soon_or_too_late__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    early, good = an_order(site, start=site.now + 1), an_order(site)
    same = an_order(site, kind=OrderKind.DUTCH, start=site.now, end=site.now)
    with unmoved("orders: not yet"):
        buy(site, early)
    with unmoved("orders: malformed"):
        buy(site, same)
    pass_(WEEK)
    with boa.env.anchor():
        buy(site, good)
    pass_(1)

    with unmoved("orders: expired"):
        buy(site, good)
    with boa.reverts("orders: expired"):
        site.market.price_of(boa_fields(good))


@pytest.mark.parametrize("field", SellOrder.__dataclass_fields__)
def test_inv_agt_15__any_field_of_an_order_is_changed__is_not_signed_any_more(
    site: MarketSite, unmoved: Unmoved, field: str
) -> None:
    order = an_order(site)
    signature = signed(site, order)
    fields = dict(order.message())
    name = list(fields)[list(SellOrder.__dataclass_fields__).index(field)]
    before = order.digest(site.domain())
    value = fields[name]
    other = bytes([1]) + value[1:] if isinstance(value, bytes) else value + 1
    if field in ("price", "end_price"):
        changed = an_order(site, price=PRICE + 1, end_price=PRICE + 1)
    elif field == "kind":
        changed = an_order(site, kind=OrderKind.DUTCH)
    elif field == "min_step":
        changed = an_auction(site, end=order.end)
    elif field == "taker":
        changed = an_order(site, taker=site.buyer.raw)
    elif field in ("start", "end"):
        changed = an_order(site, **{field: value - 1})
    elif field == "collection":
        changed = None
    else:
        changed = an_order(site, **{"data_root": order.data_root} | {field: other})
    if changed is None:
        return
    assert before != changed.digest(site.domain())
    call = site.market.bid if field == "min_step" else site.market.buy
    more = (PRICE,) if field == "min_step" else ()

    with unmoved("orders: not signed"):
        call(boa_fields(changed), signature, KEY, *more, sender=site.buyer.address)


def test_buy__own_order__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    with unmoved("orders: own order"):
        buy(site, sender=site.seller.address)


def test_buy__order_is_for_this_buyer__only_he_may(site: MarketSite, unmoved: Unmoved) -> None:
    order = an_order(site, taker=site.buyer.raw)
    with unmoved("orders: for another buyer"):
        buy(site, order, sender=site.rival.address)
    assert site.market.price_of(boa_fields(order)) == PRICE

    assert buy(site, order)


def test_buy__order_served_before__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    order = an_order(site)
    sale = buy(site, order)
    with unmoved("goods: data changed"), boa.env.anchor():
        accept(site, sale)
        site.goods.move(site.token_id, site.buyer.address, site.seller.address)
        buy(site, order)
    pass_(1_801)
    site.market.refund(sale, sender=site.stranger)

    with unmoved("orders: nonce used"):
        buy(site, order, sender=site.rival.address)


def test_cancel__nonce_was_cancelled__order_and_offer_are_dead(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order, offer = an_order(site, nonce=258), an_offer(site, nonce=2**256 - 1)
    site.market.cancel(258, sender=site.seller.address)
    site.market.cancel(2**256 - 1, sender=site.buyer.address)

    with unmoved("orders: nonce used"):
        buy(site, order)
    with unmoved("orders: nonce used"):
        take_offer(site, offer)
    with unmoved("orders: nonce used"):
        site.market.cancel(258, sender=site.seller.address)
    assert not site.market.is_used(site.seller.address, 257)
    assert not site.market.is_used(site.rival.address, 258)


def test_buy__signed_for_another_chain_or_market__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order, chain_id = an_order(site), int(boa.env.evm.patch.chain_id)
    for domain in (
        market_domain(chain_id=chain_id + 1, market=raw(site.market)),
        market_domain(chain_id=chain_id, market=OTHER),
    ):
        foreign = site.seller.signer.sign_digest(order.digest(domain))
        with unmoved("orders: not signed"):
            buy(site, order, signature=foreign)


def test_buy__signature_is_bad__is_refused(site: MarketSite, unmoved: Unmoved) -> None:
    order = an_order(site)
    good = signed(site, order)
    half = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = good[:32] + (half - int.from_bytes(good[32:64])).to_bytes(32) + bytes([55 - good[64]])
    bad = (b"", good[:64], good + b"\x00", high, bytes(65), signed(site, order, site.rival))
    for signature in bad:
        with unmoved("orders: not signed"):
            buy(site, order, signature=signature)
    with unmoved("orders: not signed"):
        buy(site, an_order(site, seller=NOBODY), signature=bytes(65))


def test_buy__seller_is_a_contract__his_own_word_counts(site: MarketSite, unmoved: Unmoved) -> None:
    party = str(site.party.address)
    site.goods.move(site.token_id, site.seller.address, party)
    approve = site.nft.approve.prepare_calldata(site.market.address, site.token_id)
    site.party.act(site.nft.address, approve)
    fund(site, party, NATIVE, PRICE)
    order = an_order(site, seller=raw(party))
    digest = order.digest(site.domain())
    with unmoved("orders: not signed"):
        buy(site, order, signature=b"word")
    site.party.vouch(digest, b"word")
    for mode in ("revert", "burn", "long"):
        site.party.set_mode(MODES[mode], NATIVE, b"")
        with unmoved("orders: not signed"):
            buy(site, order, signature=b"word")
    site.party.set_mode(0, NATIVE, b"")

    accept(site, buy(site, order, signature=b"word"))

    assert conserves(site)


def test_buy__data_wallet_or_owner_changed_in_flight__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order = an_order(site, account=raw(site.wallet), account_state=3)
    with unmoved("goods: wallet changed"):
        buy(site, order)
    site.wallet.set_state(3)
    for mode in ("revert", "burn"):
        site.wallet.set_mode(MODES[mode], NATIVE, b"")
        with unmoved("goods: wallet changed"):
            buy(site, order)
    site.wallet.set_mode(0, NATIVE, b"")
    with boa.env.anchor():
        buy(site, order)
    with boa.env.anchor():
        site.goods.change_data(site.token_id, site.seller.address)
        with unmoved("goods: data changed"):
            buy(site, order)
    site.goods.move(site.token_id, site.seller.address, site.stranger)

    with unmoved("goods: not the owner's"):
        buy(site, order)


def test_buy__wallet_is_not_made_yet__has_state_zero(site: MarketSite) -> None:
    assert buy(site, an_order(site, account=OTHER, account_state=0))


def test_buy__market_is_not_approved_or_token_is_locked__is_refused(
    site: MarketSite, unmoved: Unmoved
) -> None:
    order = an_order(site)
    with boa.env.anchor():
        site.goods.approve(site.seller.address, site.market.address, is_allowed=False)
        with unmoved("agent_nft: not approved"):
            buy(site, order)
    buy(site, order)

    with unmoved("agent_nft: locked"):
        buy(site, an_order(site, nonce=2), sender=site.rival.address)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (KEY[:63], "delivery_key: not 64 bytes"),
        (KEY[:63] + bytes([KEY[63] ^ 1]), "delivery_key: not on the curve"),
        (bytes(64), "delivery_key: not on the curve"),
        (b"\xff" * 64, "delivery_key: not on the curve"),
    ],
)
def test_buy__nothing_can_be_sealed_to_the_key__is_refused(
    site: MarketSite, unmoved: Unmoved, key: bytes, reason: str
) -> None:
    with unmoved(reason):
        buy(site, key=key)


def test_price__dutch__falls_along_a_line_and_never_below(site: MarketSite) -> None:
    order = an_order(
        site, kind=OrderKind.DUTCH, price=1_000, end_price=101, start=site.now, end=site.now + 7
    )
    prices = []
    for _ in range(8):
        prices.append(int(site.market.price_of(boa_fields(order))))
        assert prices[-1] == order.price_at(site.now)
        pass_(1)

    assert prices == [1_000, 872, 744, 615, 487, 358, 230, 101]


def test_buy__dutch__pays_the_price_of_the_moment(site: MarketSite) -> None:
    order = an_order(site, kind=OrderKind.DUTCH, end_price=3, end=site.now + 100)
    pass_(50)

    sale = buy(site, order)

    assert order.price_at(site.now) == site.market.sale(sale).price == 500_003
    accept(site, sale)
    assert conserves(site)


def test_constructor__misbuilt__is_refused(site: MarketSite) -> None:
    deployer, nft, treasury = agents_deployer("AgentMarket"), site.nft.address, site.treasury
    for arguments, reason in (
        ((site.stranger, treasury, FEE_BPS, WINDOWS), "goods: no contract"),
        ((nft, NATIVE, FEE_BPS, WINDOWS), "payouts: no treasury"),
        ((nft, treasury, 251, WINDOWS), "payouts: fee too high"),
        ((nft, treasury, FEE_BPS, (0, 1, 1)), "market: windows out of range"),
        ((nft, treasury, FEE_BPS, (1, 1, 36 * 3_600 - 1)), "market: windows out of range"),
    ):
        with boa.reverts(reason):
            deployer.deploy(*arguments)
    assert least_bid(100, 500) == 105
    assert bid(site, an_auction(site), PRICE)
