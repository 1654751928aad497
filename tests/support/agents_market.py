"""AgentMarket on the real collection, with traders, a currency, and a trading contract.

Builders make signed orders and sales in any state; oracles are tests/support/agent_goods.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import boa
from coincurve import PrivateKey

from offchain.agents.orders import (
    NOBODY,
    Offer,
    OrderKind,
    SellOrder,
    market_domain,
    seal_of,
)
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import Digest, keccak
from tests.support.agent_goods import Fields, RealGoods, agents_deployer, raw, twin_deployer
from tests.support.staking import COIN, a_wallet

DELIVER, OBJECTION, SHOW = 1_800, 86_400, 7_200
WINDOWS: Final = (DELIVER, OBJECTION, SHOW)
SLACK: Final = 12 * 3_600
FEE_BPS: Final = 250
ROYALTY_BPS: Final = 1_000
PRICE: Final = 1_000_003  # so that shares round
FUNDS: Final = 10**9
WEEK: Final = 7 * 86_400
NATIVE: Final = "0x" + "00" * 20
DISPUTED, SETTLED, REFUNDED = 8, 16, 32
MODES: Final = {"good": 0, "revert": 1, "burn": 2, "long": 3, "reenter": 4}


@dataclass(frozen=True, slots=True)
class Trader:
    """Somebody with a key."""

    signer: LocalSigner

    @property
    def address(self) -> str:
        return told(self.signer.address)

    @property
    def raw(self) -> bytes:
        return self.signer.address


@dataclass(frozen=True, slots=True)
class MarketSite:
    """Everything wired; `token_id` is the seller's, approved, and the market holds credits."""

    goods: RealGoods
    market: Any
    currency: Any
    party: Any
    wallet: Any
    seller: Trader
    buyer: Trader
    rival: Trader
    creator: str
    treasury: str
    stranger: str
    token_id: int

    @property
    def nft(self) -> Any:
        return self.goods.nft

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def domain(self) -> Digest:
        chain_id = int(boa.env.evm.patch.chain_id)
        return market_domain(chain_id=chain_id, market=raw(self.market))

    def accounts(self) -> list[str]:
        """Everybody whose credit may differ from zero."""
        traders = [one.address for one in (self.seller, self.buyer, self.rival)]
        return [*traders, self.creator, self.treasury, self.stranger, str(self.party.address)]

    def currencies(self) -> tuple[str, str]:
        return NATIVE, str(self.currency.address)


def told(address: bytes) -> str:
    return "0x" + address.hex()


def boa_fields(order: SellOrder | Offer) -> Fields:
    """As titanoboa takes them: addresses are text."""
    return tuple(
        told(one) if isinstance(one, bytes) and len(one) == len(NOBODY) else one
        for one in order.fields()
    )


def a_trader(name: str) -> Trader:
    trader = Trader(LocalSigner.from_secret(keccak(b"trader", name.encode())))
    boa.env.set_balance(trader.address, 10**9 * COIN)
    return trader


@cache
def delivery_key(name: str) -> bytes:
    """A one-time key, x || y."""
    secret = PrivateKey(keccak(b"delivery key", name.encode()))
    return secret.public_key.format(compressed=False)[1:]


KEY: Final = delivery_key("buyer")
RIVAL_KEY: Final = delivery_key("rival")


def deploy_market(goods: RealGoods) -> MarketSite:
    """A market of `goods`: a seller with token and bonds, buyers with coins and token credit."""
    seller, buyer, rival = (a_trader(name) for name in ("seller", "buyer", "rival"))
    creator, treasury = a_wallet("creator"), a_wallet("treasury")
    market = agents_deployer("AgentMarket").deploy(goods.nft.address, treasury, FEE_BPS, WINDOWS)
    currency = twin_deployer("hostile_token").deploy()
    token_id = goods.mint(seller.address, creator, ROYALTY_BPS)
    for one in (seller, buyer, rival):
        goods.approve(one.address, market.address)
    site = MarketSite(
        goods=goods,
        market=market,
        currency=currency,
        party=twin_deployer("market_party").deploy(),
        wallet=twin_deployer("market_party").deploy(),
        seller=seller,
        buyer=buyer,
        rival=rival,
        creator=creator,
        treasury=treasury,
        stranger=a_wallet("stranger"),
        token_id=token_id,
    )
    for one in (seller, buyer, rival):
        fund(site, one.address, NATIVE, FUNDS)
        fund(site, one.address, str(currency.address), FUNDS)
    return site


def fund(site: MarketSite, account: str, currency: str, amount: int) -> None:
    """Credit an account."""
    is_coin = currency == NATIVE
    if not is_coin:
        site.currency.mint(site.stranger, amount)
    value = amount if is_coin else 0
    site.market.deposit(account, currency, amount, value=value, sender=site.stranger)


def an_order(site: MarketSite, **changes: Any) -> SellOrder:
    """A fixed price for the seller's token, good for a week."""
    price = changes.get("price", PRICE)
    order = SellOrder(
        seller=site.seller.raw,
        collection=raw(site.nft),
        token=site.token_id,
        kind=OrderKind.FIXED,
        price=price,
        end_price=price,
        currency=NOBODY,
        data_root=bytes(site.nft.data_root(changes.get("token", site.token_id))),
        account=NOBODY,
        account_state=0,
        royalty_max=ROYALTY_BPS,
        min_step=0,
        start=site.now,
        end=site.now + WEEK,
        nonce=1,
        taker=NOBODY,
    )
    return replace(order, **changes)


def an_auction(site: MarketSite, **changes: Any) -> SellOrder:
    """An English auction of an hour, steps of 5 %."""
    defaults = {"kind": OrderKind.ENGLISH, "min_step": 500, "end": site.now + 3_600}
    return an_order(site, **(defaults | changes))


def an_offer(site: MarketSite, **changes: Any) -> Offer:
    """The buyer's offer for the seller's token."""
    offer = Offer(
        buyer=site.buyer.raw,
        collection=raw(site.nft),
        token=site.token_id,
        price=PRICE,
        currency=NOBODY,
        data_root=bytes(site.nft.data_root(site.token_id)),
        account=NOBODY,
        account_state=0,
        key_hash=keccak(KEY),
        expiry=site.now + WEEK,
        nonce=1,
    )
    return replace(offer, **changes)


def signed(site: MarketSite, order: SellOrder | Offer, by: Trader | None = None) -> bytes:
    """By the seller of an order or the buyer of an offer, unless somebody else is named."""
    signer = by or (site.seller if isinstance(order, SellOrder) else site.buyer)
    return signer.signer.sign_digest(order.digest(site.domain()))


def buy(site: MarketSite, order: SellOrder | None = None, **changes: Any) -> int:
    """The buyer takes an order, out of his credit; `sender`, `value`, `key` may be others."""
    wanted = order or an_order(site)
    sender = changes.get("sender", site.buyer.address)
    value, key = changes.get("value", 0), changes.get("key", KEY)
    signature = changes.get("signature", signed(site, wanted))
    return int(site.market.buy(boa_fields(wanted), signature, key, value=value, sender=sender))


def bid(site: MarketSite, order: SellOrder, amount: int, by: Trader | None = None) -> int:
    """A bid out of the bidder's credit."""
    bidder = by or site.buyer
    key = RIVAL_KEY if bidder is site.rival else KEY
    signature = signed(site, order)
    fields = boa_fields(order)
    return int(site.market.bid(fields, signature, key, amount, sender=bidder.address))


def take_offer(site: MarketSite, offer: Offer | None = None, **changes: Any) -> int:
    """The seller takes an offer."""
    wanted = offer or an_offer(site)
    signature = changes.get("signature", signed(site, wanted))
    key, token = changes.get("key", KEY), changes.get("token", site.token_id)
    royalty, sender = (
        changes.get("royalty", ROYALTY_BPS),
        changes.get("sender", site.seller.address),
    )
    fields = boa_fields(wanted)
    return int(site.market.take_offer(fields, signature, key, token, royalty, sender=sender))


def proofs_of(site: MarketSite, sale: int) -> list[Fields]:
    """What oracles deliver for a sale."""
    record = site.market.sale(sale)
    key = KEY if bytes(record.key_hash) == keccak(KEY) else RIVAL_KEY
    return site.goods.proofs(int(record.token), str(record.buyer), key)


def deliver(site: MarketSite, sale: int) -> tuple[list[Fields], list[bytes]]:
    """A stranger shows a delivery; outputs and digests as the events tell them."""
    proofs = proofs_of(site, sale)
    site.market.deliver(sale, proofs, sender=site.stranger)
    digests = site.goods.digests()
    assert seal_of(tuple(digests)) == bytes(site.market.sale(sale).seal)
    return site.goods.outputs(proofs), digests


def accept(site: MarketSite, sale: int) -> None:
    buyer = str(site.market.sale(sale).buyer)
    site.market.accept(sale, proofs_of(site, sale), sender=buyer)


def dispute(site: MarketSite, sale: int) -> None:
    site.market.dispute(sale, sender=site.buyer.address)


def pass_(seconds: int) -> None:
    boa.env.timestamp += seconds


def pass_until(site: MarketSite, sale: int) -> None:
    """One second after what a sale's state waits for."""
    boa.env.timestamp = int(site.market.sale(sale).until) + 1


def held(site: MarketSite, currency: str) -> int:
    """What a currency's unfinished sales hold: prices and bonds."""
    total = 0
    for number in range(1, int(site.market.sale_count()) + 1):
        sale = site.market.sale(number)
        if str(sale.currency).lower() == currency.lower() and 0 < int(sale.state) < SETTLED:
            total += sale.price + sale.bond * (2 if int(sale.state) == DISPUTED else 1)
    return total


def balance_of(site: MarketSite, currency: str) -> int:
    """What the market has of a currency."""
    if currency == NATIVE:
        return int(boa.env.get_balance(site.market.address))
    return int(site.currency.balanceOf(site.market.address))


def conserves(site: MarketSite) -> bool:
    """Whether credits and unfinished sales are all there is, in each currency."""
    return all(
        balance_of(site, one)
        == held(site, one) + sum(site.market.credit_of(who, one) for who in site.accounts())
        for one in site.currencies()
    )


def picture(site: MarketSite) -> Fields:
    """All that a refused call must leave as it was."""
    market, tokens = site.market, range(1, int(site.nft.totalSupply()) + 1)
    return (
        [market.sale(number) for number in range(1, int(market.sale_count()) + 1)],
        [market.credit_of(who, one) for who in site.accounts() for one in site.currencies()],
        [balance_of(site, one) for one in site.currencies()],
        [market.is_used(who.address, one) for who in (site.seller, site.buyer) for one in range(9)],
        [(site.nft.ownerOf(one), site.nft.data_root(one)) for one in tokens],
        [(site.nft.lock_of(one), site.nft.epoch_of(one)) for one in tokens],
    )
