"""What sellers and buyers of agents sign: orders, offers, their digests and prices; pure.

Digests are EIP-712 under the domain ("Apogee AgentMarket", "1", chain, AgentMarket). Amounts are
base units of a currency (20 zero bytes: wei of the native coin), times seconds, shares
ten-thousandths. A delivery key is a point of secp256k1, x || y.
Source: docs/protocol/agents.md#market.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest

BPS: Final = 10_000
BOND_BPS: Final = 100
LEAST_STEP_BPS: Final = 500
MAX_AUCTION_SECONDS: Final = 30 * 24 * 3_600
EXTENSION_SECONDS: Final = 600
NOBODY: Final = bytes(20)
ANY_TOKEN: Final = 0
MAX_AMOUNT: Final = (1 << 96) - 1
WORD_BYTES: Final = 32
_NAME: Final = "Apogee AgentMarket"
_VERSION: Final = "1"
_ORDER_FIELDS: Final = (
    ("seller", "address"),
    ("collection", "address"),
    ("token", "uint256"),
    ("kind", "uint8"),
    ("price", "uint96"),
    ("endPrice", "uint96"),
    ("currency", "address"),
    ("dataRoot", "bytes32"),
    ("account", "address"),
    ("accountState", "uint256"),
    ("royaltyMax", "uint16"),
    ("minStep", "uint16"),
    ("start", "uint64"),
    ("end", "uint64"),
    ("nonce", "uint256"),
    ("taker", "address"),
)
_OFFER_FIELDS: Final = (
    ("buyer", "address"),
    ("collection", "address"),
    ("token", "uint256"),
    ("price", "uint96"),
    ("currency", "address"),
    ("dataRoot", "bytes32"),
    ("account", "address"),
    ("accountState", "uint256"),
    ("keyHash", "bytes32"),
    ("expiry", "uint64"),
    ("nonce", "uint256"),
)


class OrderKind(IntEnum):
    """Numbers as they are signed."""

    FIXED = 1
    DUTCH = 2
    ENGLISH = 3


@dataclass(frozen=True, slots=True)
class SellOrder:
    """The contract's struct, in its order."""

    seller: bytes
    collection: bytes
    token: int
    kind: OrderKind
    price: int
    end_price: int
    currency: bytes
    data_root: bytes
    account: bytes  # the wallet that is watched; NOBODY: none
    account_state: int
    royalty_max: int
    min_step: int
    start: int
    end: int
    nonce: int
    taker: bytes

    def fields(self) -> tuple[int | bytes, ...]:
        """As the contract takes them."""
        return astuple(self)

    def digest(self, domain: bytes) -> Digest:
        """What the seller signs."""
        return typed_digest(domain, ORDER_TYPE, *self.fields())

    def price_at(self, time: int) -> int:
        """What it asks then; a Dutch auction's price falls along a line, rounded up.

        Raises: InvalidInput at a time at which the order is not good.
        """
        if not self.start <= time <= self.end:
            raise InvalidInput("an order asks nothing outside its time", time=time)
        if self.kind != OrderKind.DUTCH:
            return self.price
        fall = self.price - self.end_price
        return self.price - fall * (time - self.start) // (self.end - self.start)

    def message(self) -> Mapping[str, int | bytes]:
        """Field names and values as a wallet shows them."""
        names = (name for name, _ in _ORDER_FIELDS)
        return dict(zip(names, self.fields(), strict=True))


@dataclass(frozen=True, slots=True)
class Offer:
    """The contract's struct, in its order; `token` ANY_TOKEN: whichever of the collection."""

    buyer: bytes
    collection: bytes
    token: int
    price: int
    currency: bytes
    data_root: bytes
    account: bytes
    account_state: int
    key_hash: bytes
    expiry: int
    nonce: int

    def fields(self) -> tuple[int | bytes, ...]:
        """As the contract takes them."""
        return astuple(self)

    def digest(self, domain: bytes) -> Digest:
        """What the buyer signs."""
        return typed_digest(domain, OFFER_TYPE, *self.fields())

    def message(self) -> Mapping[str, int | bytes]:
        """Field names and values as a wallet shows them."""
        names = (name for name, _ in _OFFER_FIELDS)
        return dict(zip(names, self.fields(), strict=True))


def order_types() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """The EIP-712 type of an order, as wallets take it: name and type of each field."""
    return {"SellOrder": _ORDER_FIELDS}


def offer_types() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """The same for an offer."""
    return {"Offer": _OFFER_FIELDS}


def market_domain(*, chain_id: int, market: bytes) -> Digest:
    """The EIP-712 domain of one market on one chain."""
    return domain_of(_NAME, _VERSION, chain_id=chain_id, contract=market)


def bond_of(price: int) -> int:
    """What a seller, or an objector, stakes on a price; rounded up."""
    return -(-price * BOND_BPS // BPS)


def fee_of(price: int, fee_bps: int) -> int:
    """What the market keeps of a price; rounded down."""
    return price * fee_bps // BPS


def least_bid(price: int, min_step: int) -> int:
    """What the bid after one of `price` must be at least; rounded up."""
    return price + max(-(-price * min_step // BPS), 1)


def seal_of(digests: tuple[bytes, ...]) -> Digest:
    """What a delivered sale keeps of its deliveries' digests: keccak of their ABI encoding."""
    count = len(digests).to_bytes(WORD_BYTES, "big")
    return keccak(WORD_BYTES.to_bytes(WORD_BYTES, "big"), count, *digests)


def _type(name: str, fields: tuple[tuple[str, str], ...]) -> Digest:
    text = ",".join(f"{kind} {field}" for field, kind in fields)
    return keccak(f"{name}({text})".encode())


ORDER_TYPE: Final = _type("SellOrder", _ORDER_FIELDS)
OFFER_TYPE: Final = _type("Offer", _OFFER_FIELDS)
