"""What AgentMarket does with sales, money and tokens: the model that the contract is held against.

Each act has a `why_not_...` that says the contract's reason for refusing it, empty for none, and
a method that does it. Accounts and currencies are whatever the caller names them by.
Source: docs/protocol/agents.md#market.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from offchain.agents.onchain_market import WAITING, MarketWindows, SaleState
from offchain.agents.orders import BPS, EXTENSION_SECONDS, bond_of, fee_of, least_bid

SLACK_SECONDS = 12 * 3_600
OTHER_STATE = "sale_book: another state"
TOO_LITTLE = "credits: not that much"
OVER, EARLY = "market: time is over", "market: too early"


@dataclass(slots=True)
class BookToken:
    """One token: whose it is, and which sale holds it until when."""

    owner: str
    royalty_to: str
    royalty_bps: int
    version: int = 0  # rises with every change of data
    wallet_state: int = 0
    epoch: int = 0
    held_by: int = 0
    held_until: int = 0

    def is_locked(self, now: int) -> bool:
        return now < self.held_until


@dataclass(slots=True)
class BookSale:
    """One sale."""

    state: SaleState
    seller: str
    buyer: str
    token: int
    currency: str
    price: int
    royalty_max: int
    until: int
    version: int  # of the data that were signed
    nonce: tuple[str, int]  # of whom, which
    wallet_state: int | None = None  # that was signed; none: not watched
    min_step: int = 0
    lock_until: int = 0
    is_false: bool = False
    first_price: int | None = None  # that an auction's order asks

    @property
    def bond(self) -> int:
        return bond_of(self.price if self.first_price is None else self.first_price)

    @property
    def held(self) -> int:
        """What it holds of its currency."""
        if self.state.is_final:
            return 0
        bonds = 2 if self.state == SaleState.DISPUTED else 1
        return self.price + bonds * self.bond


@dataclass(slots=True)
class MarketBook:
    """Sales from 1 on; credits by account and currency."""

    fee_bps: int
    windows: MarketWindows
    treasury: str
    tokens: dict[int, BookToken] = field(default_factory=dict)
    sales: dict[int, BookSale] = field(default_factory=dict)
    used: set[tuple[str, int]] = field(default_factory=set)
    credits: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    # Beginning

    def why_not_open(self, sale: BookSale) -> str:
        """An auction, by its first bid."""
        if reason := self._why_not_goods(sale):
            return reason
        if sale.nonce in self.used:
            return "orders: nonce used"
        lacks = self._lacks(sale.buyer, sale, sale.price)
        return TOO_LITTLE if lacks or self._lacks(sale.seller, sale, sale.bond) else ""

    def why_not_buy(self, sale: BookSale, now: int) -> str:
        """A fixed or Dutch order, or an offer, of this price."""
        is_locked = self.tokens[sale.token].is_locked(now)
        return self.why_not_open(sale) or ("agent_nft: locked" if is_locked else "")

    def buy(self, sale: BookSale, now: int) -> int:
        """The new sale's number."""
        self.used.add(sale.nonce)
        self.credits[sale.buyer, sale.currency] -= sale.price
        self.credits[sale.seller, sale.currency] -= sale.bond
        number = len(self.sales) + 1
        self.sales[number] = sale
        self._lock(number, now)
        return number

    def why_not_bid(self, sale: BookSale, buyer: str, price: int, now: int) -> str:
        """On an auction that has a bid."""
        if sale.state != SaleState.AUCTION:
            return OTHER_STATE
        if now > sale.until:
            return OVER
        if price < least_bid(sale.price, sale.min_step):
            return "market: bid too low"
        own = sale.price if buyer == sale.buyer else 0
        return TOO_LITTLE if self.credits[buyer, sale.currency] + own < price else ""

    def open_auction(self, sale: BookSale, now: int) -> int:
        """The new sale's number."""
        self.used.add(sale.nonce)
        sale.until = max(sale.until, now + EXTENSION_SECONDS)
        self.credits[sale.buyer, sale.currency] -= sale.price
        self.credits[sale.seller, sale.currency] -= sale.bond
        self.sales[len(self.sales) + 1] = sale
        return len(self.sales)

    def bid(self, sale: BookSale, buyer: str, price: int, now: int) -> None:
        self.credits[sale.buyer, sale.currency] += sale.price
        sale.buyer, sale.price = buyer, price
        sale.until = max(sale.until, now + EXTENSION_SECONDS)
        self.credits[buyer, sale.currency] -= price

    def why_not_close(self, sale: BookSale, now: int) -> str:
        if sale.state != SaleState.AUCTION:
            return OTHER_STATE
        return "" if now > sale.until else EARLY

    def close(self, number: int, now: int) -> bool:
        """Whether the token could be locked."""
        sale = self.sales[number]
        if self._why_not_goods(sale) or self.tokens[sale.token].is_locked(now):
            self._pay_back(sale, sale.bond)
            return False
        self._lock(number, now)
        return True

    # Going on

    def why_not_deliver(self, sale: BookSale, now: int) -> str:
        """The same for `accept`."""
        if sale.state != SaleState.LOCKED:
            return OTHER_STATE
        return OVER if now > sale.until else ""

    def deliver(self, sale: BookSale, now: int) -> None:
        sale.state, sale.until = SaleState.DELIVERED, now + self.windows.objection

    def why_not_dispute(self, sale: BookSale, now: int) -> str:
        if sale.state != SaleState.DELIVERED:
            return OTHER_STATE
        if now > sale.until:
            return OVER
        return TOO_LITTLE if self._lacks(sale.buyer, sale, sale.bond) else ""

    def dispute(self, sale: BookSale, now: int) -> None:
        self.credits[sale.buyer, sale.currency] -= sale.bond
        sale.state, sale.until = SaleState.DISPUTED, now + self.windows.show

    # Ending

    def why_not_confirm(self, number: int, now: int) -> str:
        if self.sales[number].state != SaleState.DELIVERED:
            return OTHER_STATE
        return "" if self._holds(number, now) else "market: lock has lapsed"

    def why_not_settle(self, number: int, now: int) -> str:
        sale = self.sales[number]
        if sale.state not in WAITING:
            return OTHER_STATE
        if now <= sale.until:
            return EARLY
        if sale.is_false:
            return "market: proven false"
        return "" if self._holds(number, now) else "market: lock has lapsed"

    def settle(self, number: int) -> None:
        """Also `accept` and `confirm`: token to the buyer, money to whom it belongs."""
        sale = self.sales[number]
        token = self.tokens[sale.token]
        fee = fee_of(sale.price, self.fee_bps)
        royalty = min(
            sale.price * token.royalty_bps // BPS,
            sale.price * sale.royalty_max // BPS,
            sale.price - fee,
        )
        bonds = sale.held - sale.price
        self.credits[self.treasury, sale.currency] += fee
        self.credits[token.royalty_to, sale.currency] += royalty
        self.credits[sale.seller, sale.currency] += sale.price - fee - royalty + bonds
        sale.state = SaleState.SETTLED
        token.owner = sale.buyer
        token.epoch += 1
        token.version += 1
        token.held_until = 0

    def why_not_refund(self, number: int, now: int) -> str:
        sale = self.sales[number]
        if sale.state == SaleState.LOCKED:
            return "" if now > sale.until else EARLY
        if sale.state not in WAITING:
            return OTHER_STATE
        return EARLY if self._holds(number, now) else ""

    def refund(self, number: int, now: int) -> None:
        sale = self.sales[number]
        self._give_back(number, sale.bond if sale.state == SaleState.LOCKED else 0, now)

    def why_not_refund_false(self, number: int) -> str:
        sale = self.sales[number]
        if sale.state not in WAITING:
            return OTHER_STATE
        return "" if sale.is_false else "market: not proven false"

    def refund_false(self, number: int, now: int) -> None:
        self._give_back(number, self.sales[number].bond, now)

    # Within

    def _why_not_goods(self, sale: BookSale) -> str:
        token = self.tokens[sale.token]
        if token.owner != sale.seller:
            return "goods: not the owner's"
        if token.version != sale.version:
            return "goods: data changed"
        if sale.wallet_state not in (None, token.wallet_state):
            return "goods: wallet changed"
        royalty = sale.price * token.royalty_bps // BPS
        is_too_high = royalty > sale.price * sale.royalty_max // BPS
        return "goods: royalty too high" if is_too_high else ""

    def _lacks(self, account: str, sale: BookSale, amount: int) -> bool:
        return self.credits[account, sale.currency] < amount

    def _holds(self, number: int, now: int) -> bool:
        token = self.tokens[self.sales[number].token]
        return token.held_by == number and token.is_locked(now)

    def _lock(self, number: int, now: int) -> None:
        sale, windows = self.sales[number], self.windows
        token = self.tokens[sale.token]
        sale.state, sale.until = SaleState.LOCKED, now + windows.deliver
        sale.lock_until = sale.until + windows.objection + windows.show + SLACK_SECONDS
        token.held_by, token.held_until = number, sale.lock_until

    def _give_back(self, number: int, penalty: int, now: int) -> None:
        sale = self.sales[number]
        if self._holds(number, now):
            self.tokens[sale.token].held_until = 0
        self._pay_back(sale, penalty)

    def _pay_back(self, sale: BookSale, penalty: int) -> None:
        own_bond = sale.bond if sale.state == SaleState.DISPUTED else 0
        self.credits[sale.buyer, sale.currency] += sale.price + own_bond + penalty
        self.credits[sale.seller, sale.currency] += sale.bond - penalty
        sale.state = SaleState.REFUNDED
