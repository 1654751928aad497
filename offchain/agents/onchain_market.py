"""Client of AgentMarket: orders taken, bids, deliveries, what sales hold and how they end.

Method and field names are the contract's; addresses are 20 raw bytes (20 zero bytes as a currency:
the native coin), amounts base units, times seconds. Source: docs/protocol/agents.md#market.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from offchain.agents.orders import NOBODY, Offer, SellOrder
from offchain.agents.reverts_agents_market import MARKET
from offchain.agents.reverts_agents_nft import NFT
from offchain.agents.reverts_agents_verifier import VERIFIER
from offchain.chain.contract import ContractClient
from offchain.chain.contract_abi import decode_values
from offchain.chain.errors import AnswerMalformed
from offchain.chain.model import BlockRef, TypedCall
from offchain.chain.shapes import shape
from offchain.core.hashing import Digest

Fields = tuple[object, ...]


class SaleState(IntEnum):
    """Numbers as the contract keeps them; NONE is no sale."""

    NONE = 0
    AUCTION = 1
    LOCKED = 2
    DELIVERED = 4
    DISPUTED = 8
    SETTLED = 16
    REFUNDED = 32

    @property
    def is_final(self) -> bool:
        return self >= SaleState.SETTLED


WAITING: Final = (SaleState.DELIVERED, SaleState.DISPUTED)


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale; `until` is the last second of what its state waits for."""

    state: SaleState
    seller: bytes
    buyer: bytes
    token: int
    currency: bytes
    price: int
    bond: int
    royalty_max: int
    until: int
    lock_until: int
    key_hash: bytes
    seal: bytes


@dataclass(frozen=True, slots=True)
class MarketWindows:
    """Seconds: from lock to delivery, from there to an objection, from there to its proof."""

    deliver: int
    objection: int
    show: int


@dataclass(frozen=True, slots=True)
class KeyTold:
    sale: int
    buyer: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class AuctionOpened:
    sale: int
    token: int
    seller: bytes
    order: bytes


@dataclass(frozen=True, slots=True)
class BidPlaced:
    sale: int
    bidder: bytes
    price: int
    until: int


@dataclass(frozen=True, slots=True)
class SaleLocked:
    sale: int
    token: int
    buyer: bytes
    seller: bytes
    currency: bytes
    price: int
    bond: int
    until: int
    order: bytes


@dataclass(frozen=True, slots=True)
class SaleDelivered:
    sale: int
    until: int
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SaleDisputed:
    sale: int
    until: int


@dataclass(frozen=True, slots=True)
class SaleSettled:
    sale: int
    buyer: bytes
    seller: bytes
    to_seller: int
    fee: int
    royalty: int
    royalty_receiver: bytes


@dataclass(frozen=True, slots=True)
class SaleRefunded:
    sale: int
    buyer: bytes
    seller: bytes
    to_buyer: int
    to_seller: int


@dataclass(frozen=True, slots=True)
class Deposited:
    account: bytes
    currency: bytes
    amount: int
    by: bytes


class AgentMarketClient(ContractClient):
    """Sellers sign, buyers pay and take, anybody shows a delivery and ends what has waited."""

    contract = "AgentMarket"
    reverts = MappingProxyType({**VERIFIER, **NFT, **MARKET})  # it calls them both

    # Views

    def sale(self, sale: int, *, at: BlockRef) -> Sale:
        """State NONE when there is none."""
        return self._read(Sale, "sale", sale, at=at)

    def sales(self, numbers: Sequence[int], *, at: BlockRef) -> Sequence[Sale]:
        """Several in one round trip."""
        return self._read_many(Sale, "sale", [(number,) for number in numbers], at=at)

    def sale_count(self, *, at: BlockRef) -> int:
        return self._read(int, "sale_count", at=at)

    def order_in(self, raw: bytes) -> SellOrder | None:
        """The order whose ABI form begins here; None when these bytes are none."""
        parameter = self._abi.function("close", 2).inputs[1]
        try:
            [value] = decode_values("order", (parameter,), raw)
            return shape(SellOrder, parameter, value)
        except (AnswerMalformed, ValueError):
            return None

    def auction_of(self, order: bytes, *, at: BlockRef) -> int:
        """The sale of an English order's digest; 0 before the first bid."""
        return self._read(int, "auction_of", order, at=at)

    def credit_of(self, account: bytes, currency: bytes, *, at: BlockRef) -> int:
        """What an account may withdraw or spend."""
        return self._read(int, "credit_of", account, currency, at=at)

    def is_used(self, account: bytes, nonce: int, *, at: BlockRef) -> bool:
        """Whether a nonce has served or was cancelled."""
        return self._read(bool, "is_used", account, nonce, at=at)

    def price_of(self, order: SellOrder, *, at: BlockRef) -> int:
        """What an order asks at the block. Raises: OrderInvalid, OrderNotNow."""
        return self._read(int, "price_of", order.fields(), at=at)

    def bond_of(self, price: int, *, at: BlockRef) -> int:
        """What a seller needs as credit to sell for a price."""
        return self._read(int, "bond_of", price, at=at)

    def least_bid(self, sale: int, min_step: int, *, at: BlockRef) -> int:
        return self._read(int, "least_bid", sale, min_step, at=at)

    def domain_separator(self, *, at: BlockRef) -> Digest:
        return Digest(self._read(bytes, "domain_separator", at=at))

    def windows(self, *, at: BlockRef) -> MarketWindows:
        return self._read(MarketWindows, "windows", at=at)

    def fee_bps(self, *, at: BlockRef) -> int:
        """Ten-thousandths of every price."""
        return self._read(int, "FEE_BPS", at=at)

    # Buyers

    def buy(self, order: SellOrder, signature: bytes, key: bytes, *, value: int = 0) -> TypedCall:
        """Raises: OrderSpent, GoodsChanged, CreditTooLow and what else `MARKET` lists."""
        return self._build("buy", order.fields(), signature, key, value_wei=value)

    def bid(
        self, order: SellOrder, signature: bytes, key: bytes, *, amount: int, value: int = 0
    ) -> TypedCall:
        """Raises: BidTooLow, SaleTooLate."""
        return self._build("bid", order.fields(), signature, key, amount, value_wei=value)

    def accept(self, sale: int, proofs: Sequence[Fields]) -> TypedCall:
        """Take a delivery that the caller has looked at: the sale settles."""
        return self._build("accept", sale, list(proofs))

    def confirm(self, sale: int, outputs: Sequence[Fields]) -> TypedCall:
        """Take what somebody else had delivered."""
        return self._build("confirm", sale, list(outputs))

    def dispute(self, sale: int, *, value: int = 0) -> TypedCall:
        """Ask for time to prove a delivery false, against a bond."""
        return self._build("dispute", sale, value_wei=value)

    # Sellers and signers

    def take_offer(
        self, offer: Offer, signature: bytes, key: bytes, *, token: int, royalty_max: int
    ) -> TypedCall:
        """Raises: OrderSpent, GoodsChanged, CreditTooLow."""
        return self._build("take_offer", offer.fields(), signature, key, token, royalty_max)

    def cancel(self, nonce: int) -> TypedCall:
        return self._build("cancel", nonce)

    # Anybody

    def deposit(self, account: bytes, currency: bytes, amount: int) -> TypedCall:
        value = amount if currency == NOBODY else 0
        return self._build("deposit", account, currency, amount, value_wei=value)

    def withdraw(self, currency: bytes, amount: int, to: bytes) -> TypedCall:
        return self._build("withdraw", currency, amount, to)

    def close(self, sale: int, order: SellOrder) -> TypedCall:
        """End an auction whose time is over."""
        return self._build("close", sale, order.fields())

    def deliver(self, sale: int, proofs: Sequence[Fields]) -> TypedCall:
        """Bind the buyer to what oracles have re-encrypted for him."""
        return self._build("deliver", sale, list(proofs))

    def settle(self, sale: int, outputs: Sequence[Fields], digests: Sequence[bytes]) -> TypedCall:
        """Raises: SaleTooEarly, DeliveryProvenFalse."""
        return self._build("settle", sale, list(outputs), list(digests))

    def refund(self, sale: int) -> TypedCall:
        """Raises: SaleTooEarly."""
        return self._build("refund", sale)

    def refund_false(self, sale: int, digests: Sequence[bytes]) -> TypedCall:
        """Raises: DeliveryNotProvenFalse."""
        return self._build("refund_false", sale, list(digests))
