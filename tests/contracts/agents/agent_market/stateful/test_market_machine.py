"""Token, account and market under any order of actions: they agree with the model, nothing is lost.

Orders are signed at one time and taken at another, so that data, wallet, owner and nonce change in
flight; two tokens, three traders, two currencies.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from offchain.agents.market_book import BookSale, BookToken, MarketBook
from offchain.agents.onchain_market import MarketWindows, SaleState
from offchain.agents.orders import OrderKind, SellOrder
from tests.support.agents_market import (
    DELIVER,
    FEE_BPS,
    KEY,
    OBJECTION,
    RIVAL_KEY,
    ROYALTY_BPS,
    SHOW,
    WINDOWS,
    Fields,
    MarketSite,
    Trader,
    an_order,
    boa_fields,
    conserves,
    proofs_of,
    raw,
    signed,
)
from tests.support.native_evm import return_to

WHICH = st.integers(0, 5)
PRICES = st.sampled_from([0, 1, 999, 10**8, 6 * 10**8])
TIMES = st.sampled_from([1, DELIVER + 1, OBJECTION + 1, SHOW + 1, 39 * 3_600])
READY: list[MarketSite] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(agent_market: MarketSite) -> Iterator[None]:
    with boa.env.anchor():
        return_to("agent market")
        READY.append(agent_market)
        yield
    READY.clear()


class Market(RuleBasedStateMachine):
    """Everybody tries everything; what the model refuses the contract refuses for its reason."""

    @initialize()
    def begin(self) -> None:
        self.site = READY[0]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.moment = boa.env.timestamp
        site = self.site
        self.traders = (site.seller, site.buyer, site.rival)
        self.currencies = site.currencies()
        second = site.goods.mint(site.rival.address, site.creator, ROYALTY_BPS)
        self.accounts = {one: site.goods.open_account(one) for one in (site.token_id, second)}
        self.model = MarketBook(FEE_BPS, MarketWindows(*WINDOWS), site.treasury)
        for token, account in self.accounts.items():
            boa.env.set_balance(account.address, 10**6)
            owner = str(site.nft.ownerOf(token)).lower()
            self.model.tokens[token] = BookToken(owner, site.creator, ROYALTY_BPS)
        for who in site.accounts():
            for currency in self.currencies:
                self.model.credits[who, currency] = site.market.credit_of(who, currency)
        self.orders: list[tuple[SellOrder, bytes, int, int | None]] = []
        self.auctions: dict[int, SellOrder] = {}
        self.shown: dict[int, tuple[list[Fields], list[bytes]]] = {}
        self.nonce = 0
        self.sign(0, 10**8, 0, is_auction=False, is_watched=True)
        self.buy(0, 1)

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            boa.env.timestamp = self.moment
            self.anchor.__exit__(None, None, None)

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def try_(self, reason: str, call: Callable[[], Any]) -> bool:
        """Whether it went through; refused for exactly this reason where there is one."""
        if not reason:
            call()
            return True
        with boa.reverts(reason):
            call()
        return False

    def pick(self, which: int) -> int:
        """One of the newest sales."""
        newest = list(self.model.sales)[-3:]
        return newest[which % len(newest)]

    def owner(self, token: int) -> Trader:
        address = self.model.tokens[token].owner
        return next(one for one in self.traders if one.address.lower() == address.lower())

    # Orders

    @rule(
        which=WHICH,
        price=PRICES,
        coin=st.integers(0, 1),
        is_auction=st.booleans(),
        is_watched=st.booleans(),
    )
    def sign(self, which: int, price: int, coin: int, is_auction: bool, is_watched: bool) -> None:
        token = list(self.accounts)[which % 2]
        self.nonce += 1
        state = self.model.tokens[token].wallet_state
        order = an_order(
            self.site,
            seller=self.owner(token).raw,
            token=token,
            price=price,
            end_price=price,
            kind=OrderKind.ENGLISH if is_auction else OrderKind.FIXED,
            min_step=500 if is_auction else 0,
            end=self.now + 100_000,
            currency=raw(self.currencies[coin]),
            account=raw(self.accounts[token]) if is_watched else bytes(20),
            account_state=state if is_watched else 0,
            nonce=self.nonce,
        )
        signature = signed(self.site, order, self.owner(token))
        version = self.model.tokens[token].version
        self.orders.append((order, signature, version, state if is_watched else None))

    def draft(self, which: int, buyer: Trader, price: int = -1) -> tuple[Fields, bytes, BookSale]:
        order, signature, version, state = self.orders[-1 - which % len(self.orders[-3:])]
        seller = next(one for one in self.traders if one.raw == order.seller)
        sale = BookSale(
            state=SaleState.NONE,
            seller=seller.address,
            buyer=buyer.address,
            token=order.token,
            currency=self.currencies[0 if order.currency == bytes(20) else 1],
            price=max(price, order.price),
            royalty_max=ROYALTY_BPS,
            until=order.end,
            version=version,
            nonce=(seller.address, order.nonce),
            wallet_state=state,
            min_step=order.min_step,
            first_price=order.price if order.kind == OrderKind.ENGLISH else None,
        )
        return boa_fields(order), signature, sale

    def why_not_order(self, sale: BookSale) -> str:
        if sale.seller == sale.buyer:
            return "orders: own order"
        return "orders: expired" if self.now > sale.until else ""

    @rule(which=WHICH, who=st.integers(0, 2))
    def buy(self, which: int, who: int) -> None:
        buyer = self.traders[who]
        fields, signature, sale = self.draft(which, buyer)
        if sale.min_step:
            return
        reason = self.why_not_order(sale) or self.model.why_not_buy(sale, self.now)
        key, market = RIVAL_KEY if who == 2 else KEY, self.site.market
        if self.try_(reason, lambda: market.buy(fields, signature, key, sender=buyer.address)):
            self.model.buy(sale, self.now)

    @rule(which=WHICH, who=st.integers(0, 2), more=st.integers(0, 3))
    def bid(self, which: int, who: int, more: int) -> None:
        bidder, market = self.traders[who], self.site.market
        order = self.orders[-1 - which % len(self.orders[-3:])][0]
        if order.kind != OrderKind.ENGLISH:
            return
        known = int(market.auction_of(order.digest(self.site.domain())))
        base = self.model.sales[known].price if known else order.price
        price = base + base * more * 3 // 100 + more
        fields, signature, draft = self.draft(which, bidder, price)
        sale = self.model.sales.get(known, draft)
        if not known:
            reason = self.why_not_order(draft) or self.model.why_not_open(draft)
        else:
            reason = self.model.why_not_bid(sale, bidder.address, price, self.now)
            if sale.state == SaleState.AUCTION and sale.seller == bidder.address:
                reason = "orders: own order"
        key = RIVAL_KEY if who == 2 else KEY
        call = lambda: market.bid(fields, signature, key, price, sender=bidder.address)
        if not self.try_(reason, call):
            return
        if known:
            self.model.bid(sale, bidder.address, price, self.now)
        else:
            draft = replace(draft, state=SaleState.AUCTION)
            self.auctions[self.model.open_auction(draft, self.now)] = order

    @rule(which=WHICH)
    def close(self, which: int) -> None:
        if not self.auctions:
            return
        number = list(self.auctions)[which % len(self.auctions)]
        fields, sale = boa_fields(self.auctions[number]), self.model.sales[number]
        call = lambda: self.site.market.close(number, fields, sender=self.site.stranger)
        if self.try_(self.model.why_not_close(sale, self.now), call):
            self.model.close(number, self.now)

    # Deliveries

    @rule(which=WHICH, at_once=st.booleans())
    def deliver(self, which: int, at_once: bool) -> None:
        number = self.pick(which)
        sale, market = self.model.sales[number], self.site.market
        reason = self.model.why_not_deliver(sale, self.now)
        proofs = [] if reason else proofs_of(self.site, number)
        if at_once:
            if self.try_(reason, lambda: market.accept(number, proofs, sender=sale.buyer)):
                self.model.settle(number)
        elif self.try_(reason, lambda: market.deliver(number, proofs, sender=self.site.stranger)):
            self.model.deliver(sale, self.now)
            self.shown[number] = (self.site.goods.outputs(proofs), self.site.goods.digests())

    @rule(which=WHICH, is_buyer=st.booleans())
    def confirm(self, which: int, is_buyer: bool) -> None:
        number = self.pick(which)
        sale = self.model.sales[number]
        outputs, _ = self.shown.get(number, ([], []))
        reason = self.model.why_not_confirm(number, self.now)
        sender = sale.buyer if is_buyer else self.site.stranger
        if not is_buyer and sale.state == SaleState.DELIVERED:
            reason = "market: not the buyer"
        call = lambda: self.site.market.confirm(number, outputs, sender=sender)
        if self.try_(reason, call):
            self.model.settle(number)

    @rule(which=WHICH)
    def dispute(self, which: int) -> None:
        number = self.pick(which)
        sale = self.model.sales[number]
        call = lambda: self.site.market.dispute(number, sender=sale.buyer)
        if self.try_(self.model.why_not_dispute(sale, self.now), call):
            self.model.dispute(sale, self.now)

    @rule(which=WHICH)
    def prove(self, which: int) -> None:
        number = self.pick(which)
        if number in self.shown and not self.model.sales[number].is_false:
            self.site.goods.prove_false(self.shown[number][1][0])
            self.model.sales[number].is_false = True

    # Ends

    @rule(which=WHICH)
    def settle(self, which: int) -> None:
        number = self.pick(which)
        outputs, digests = self.shown.get(number, ([], []))
        call = lambda: self.site.market.settle(number, outputs, digests, sender=self.site.stranger)
        if self.try_(self.model.why_not_settle(number, self.now), call):
            self.model.settle(number)

    @rule(which=WHICH)
    def refund(self, which: int) -> None:
        number = self.pick(which)
        call = lambda: self.site.market.refund(number, sender=self.site.stranger)
        if self.try_(self.model.why_not_refund(number, self.now), call):
            self.model.refund(number, self.now)

    @rule(which=WHICH)
    def refund_false(self, which: int) -> None:
        number = self.pick(which)
        digests = self.shown.get(number, ([], []))[1]
        call = lambda: self.site.market.refund_false(number, digests, sender=self.site.stranger)
        if self.try_(self.model.why_not_refund_false(number), call):
            self.model.refund_false(number, self.now)

    # What else goes on

    @rule(seconds=TIMES)
    def wait(self, seconds: int) -> None:
        boa.env.timestamp += seconds

    @rule(which=WHICH)
    def change_data(self, which: int) -> None:
        token = list(self.accounts)[which % 2]
        record = self.model.tokens[token]
        reason = "agent_nft: locked" if record.is_locked(self.now) else ""
        if self.try_(reason, lambda: self.site.goods.change_data(token, record.owner)):
            record.version += 1

    @rule(which=WHICH)
    def spend(self, which: int) -> None:
        token = list(self.accounts)[which % 2]
        record, account = self.model.tokens[token], self.accounts[token]
        reason = LOCKED if record.is_locked(self.now) else ""
        call = lambda: account.execute(record.owner, 1, b"", 0, sender=record.owner)
        if self.try_(reason, call):
            record.wallet_state += 1

    @rule(who=st.integers(0, 2), coin=st.integers(0, 1))
    def withdraw(self, who: int, coin: int) -> None:
        account, currency = self.traders[who].address, self.currencies[coin]
        amount = self.model.credits[account, currency] // 2
        if amount:
            self.site.market.withdraw(currency, amount, account, sender=account)
            self.model.credits[account, currency] -= amount

    # Invariants

    @invariant()
    def invariant_agt_3_money_is_conserved(self) -> None:
        for who in self.site.accounts():
            for currency in self.currencies:
                credit = self.site.market.credit_of(who, currency)
                assert credit == self.model.credits[who, currency]
        assert conserves(self.site)

    @invariant()
    def invariant_agt_4_sales_stand_as_in_the_model(self) -> None:
        for number, sale in list(self.model.sales.items())[-3:]:
            record = self.site.market.sale(number)
            assert (sale.state, sale.price) == (int(record.state), record.price)
            assert sale.buyer.lower() == str(record.buyer).lower()
            assert sale.state.is_final or sale.until == record.until

    @invariant()
    def invariant_agt_10_a_locked_token_stays_as_it_is(self) -> None:
        for token, record in self.model.tokens.items():
            owner, epoch = self.site.nft.ownerOf(token), self.site.nft.epoch_of(token)[0]
            assert record.owner.lower() == str(owner).lower()
            assert record.epoch == epoch
            assert record.is_locked(self.now) == self.site.nft.is_locked(token)
            assert record.wallet_state == self.accounts[token].state()
            assert str(owner) == str(self.accounts[token].owner())


LOCKED = "agent_account: token is locked"
TestMarket = Market.TestCase
TestMarket.settings = settings(max_examples=5, stateful_step_count=18)
