"""The buyer's side of a sale: look before paying, pay, examine what came, take it or refuse it.

Before he pays, the buyer's client reads the file on sale and keeps its content leaves: with them
every wrong delivery can be proven. What comes is fetched from storage, unsealed with the purchase's
own key, opened and compared. Nothing depends on a file of this home: the sale's number, the chain
and the wallet's key are enough to go on after a kill. Source: docs/protocol/agents.md#trading.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from offchain.agents.bundle import (
    BundleBroken,
    BundleInvalid,
    LeafList,
    content_leaves,
    key_commit_of,
    open_bundle,
)
from offchain.agents.delivery import verifier_domain
from offchain.agents.delivery_keys import MAX_OFFERS, DeliveryKeys, offer_purpose
from offchain.agents.delivery_ports import BundleFiles
from offchain.agents.onchain_market import BidPlaced, Sale, SaleLocked, SaleState
from offchain.agents.oracle_ports import DataEntry
from offchain.agents.orders import NOBODY, Offer, OrderKind, SellOrder, market_domain
from offchain.agents.pay_in import Payer
from offchain.agents.recrypt import Engines
from offchain.agents.sale_view import (
    Shown,
    require_here,
    shown_in,
    shown_on_chain,
    told,
    wallet_of,
)
from offchain.agents.seal import SealBroken, SealContext, unseal
from offchain.agents.sell import sale_of
from offchain.agents.token_view import AgentToken, TradeClients, data_keys, read_token
from offchain.agents.trade_errors import (
    DeliveredWrong,
    GoodsMoved,
    GoodsUnusable,
    NotYours,
    OtherCurrency,
    PriceTooHigh,
    SaleNotHere,
)
from offchain.agents.trade_files import Proofs, SignedOffer, SignedOrder
from offchain.chain.errors import KeyReused
from offchain.chain.model import Address, BlockHash, Receipt, TypedCall
from offchain.core.ecdsa import DigestSigner
from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak

Send = Callable[[TypedCall, str], Receipt]
BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Quote:
    """What a purchase costs and moves, before anything is signed."""

    token: AgentToken
    order: SellOrder
    price: int
    fee: int
    royalty: int
    royalty_receiver: bytes
    length: int

    @property
    def to_seller(self) -> int:
        return self.price - self.fee - self.royalty


@dataclass(frozen=True, slots=True)
class Held:
    """One entry of a token in the clear: its data key and content; in memory only."""

    data_key: bytes = field(repr=False)
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened(Held):
    """A delivery that is what was sold."""

    shown: Shown


@dataclass(frozen=True, slots=True)
class Buy:
    """One wallet that buys."""

    clients: TradeClients
    keys: DeliveryKeys
    signer: DigestSigner
    files: BundleFiles
    engines: Engines
    send: Send

    @property
    def domain(self) -> bytes:
        """The EIP-712 domain of deliveries."""
        clients = self.clients
        return verifier_domain(chain_id=clients.chain_id, verifier=clients.verifier.address)

    @property
    def payer(self) -> Payer:
        """What puts money in."""
        return Payer(self.clients.node, Address(self.signer.address), self.send)

    async def quote(
        self, signed: SignedOrder, *, most: int | None = None, currency: bytes = NOBODY
    ) -> Quote:
        """Look at everything that can be looked at before paying; `currency`: what he means to pay.

        Raises: OrderElsewhere, OtherCurrency, GoodsMoved, PriceTooHigh, GoodsUnusable, and what the
        order's price is refused for.
        """
        clients, order = self.clients, signed.order
        require_here(clients, signed, order.collection)
        if order.currency != currency:
            raise OtherCurrency(currency=order.currency.hex(), meant=currency.hex())
        token = await asyncio.to_thread(read_token, clients, order.token)
        if token.data_root != order.data_root or token.owner != order.seller or token.locker:
            raise GoodsMoved(token=order.token, owner=token.owner.hex(), locked=bool(token.locker))
        wallet = await asyncio.to_thread(wallet_of, clients, token)
        if wallet != (order.account, order.account_state):
            # an order for another wallet, or for none, lets its seller empty the token's own
            raise GoodsMoved(token=order.token, wallet=wallet[0].hex(), state=wallet[1])
        at = token.block.hash
        price = await asyncio.to_thread(self._asked, order, at)
        if most is not None and price > most:
            raise PriceTooHigh(price=price, allowed=most)
        receiver, royalty = clients.nft.royalty_info(token.id, price, at=at)
        if royalty > price * order.royalty_max // BPS:
            raise GoodsMoved(token=order.token, royalty=royalty, most_bps=order.royalty_max)
        lists = [await self.leaves_of(one) for one in token.entries]
        return Quote(
            token=token,
            order=order,
            price=price,
            fee=price * clients.market.fee_bps(at=at) // BPS,
            royalty=royalty,
            royalty_receiver=receiver,
            length=sum(one.shape.length for one in lists),
        )

    def _asked(self, order: SellOrder, at: BlockHash) -> int:
        """What an order asks now; an auction that runs, also past its order's end: the top bid."""
        market = self.clients.market
        number = market.auction_of(self._digest(order), at=at)
        if order.kind == OrderKind.ENGLISH and number:
            sale = market.sale(number, at=at)
            if sale.state is SaleState.AUCTION:
                return sale.price
        return market.price_of(order, at=at)

    async def leaves_of(self, entry: DataEntry) -> LeafList:
        """The content leaves of a file on sale, checked. Raises: GoodsUnusable."""
        try:
            file = await self.files.get(entry.location, entry.data_hash)
            return await asyncio.to_thread(
                content_leaves, file, entry.content_root, hash_many=self.engines.hash_many
            )
        except ApogeeError as error:
            raise GoodsUnusable(location=entry.location.hex(), why=error.code) from error

    def begun(self, signed: SignedOrder) -> int | None:
        """The sale that this wallet made of an order before, which its token is locked by."""
        indexed: dict[str, object] = {"token": signed.order.token, "buyer": self.signer.address}
        locked = told(self.clients, self.clients.market, SaleLocked, indexed)
        digest = self._digest(signed.order)
        return next((one.sale for one in locked if one.order == digest), None)

    async def buy(self, signed: SignedOrder, *, price: int) -> int:
        """Pay, lock the token, tell the delivery key; the sale's number. Once, however often.

        A price in a token is approved and put in first. Raises: as `Payer.pay_in`, and the market.
        """
        known = await asyncio.to_thread(self.begun, signed)
        if known is not None:
            return known
        clients, order = self.clients, signed.order
        digest = self._digest(order)
        value = price if order.currency == NOBODY else 0
        await self._put_in(order.currency, price, f"agent.buy:{digest.hex()}")
        call = clients.market.buy(order, signed.signature, self.keys.public(digest), value=value)
        try:
            receipt = await asyncio.to_thread(self.send, call, f"agent.buy:{digest.hex()}")
        except KeyReused:
            # A Dutch order that was paid for at a higher price before a kill is on its way.
            known = await asyncio.to_thread(self.begun, signed)
            if known is None:
                raise
            return known
        [locked] = clients.market.events_in(SaleLocked, receipt.logs)
        return locked.sale

    async def bid(self, signed: SignedOrder, *, amount: int) -> int:
        """Bid in an auction; the sale's number. The same bid is placed once.

        A bid in a token is approved and put in first. Raises: as `Payer.pay_in`, and the market.
        """
        clients, order = self.clients, signed.order
        digest = self._digest(order)
        value = amount if order.currency == NOBODY else 0
        key = self.keys.public(digest)
        call = clients.market.bid(order, signed.signature, key, amount=amount, value=value)
        name = f"agent.bid:{digest.hex()}:{amount}"
        if not await asyncio.to_thread(self._has_bid, digest, amount):
            await self._put_in(order.currency, amount, name)
        receipt = await asyncio.to_thread(self.send, call, name)
        [placed] = clients.market.events_in(BidPlaced, receipt.logs)
        return placed.sale

    def _has_bid(self, digest: bytes, amount: int) -> bool:
        """Whether a bid is in already, so that a repeated command puts no money in for it."""
        market, at = self.clients.market, self.clients.node.block().hash
        number = market.auction_of(digest, at=at)
        indexed = {"sale": number, "bidder": self.signer.address}
        placed = told(self.clients, market, BidPlaced, indexed) if number else []
        return any(one.price == amount for one in placed)

    async def _put_in(self, currency: bytes, amount: int, name: str) -> None:
        """A price in a token is taken out of credit; one in the coin is sent with the call."""
        if currency != NOBODY:
            market = self.clients.market
            await asyncio.to_thread(self.payer.pay_in, market, currency, amount, name=name)

    def offer(self, wish: Offer) -> SignedOffer:
        """A signed offer; its delivery key follows from its nonce."""
        key = self.keys.public(offer_purpose(wish.nonce))
        named = replace(wish, key_hash=keccak(key))
        clients = self.clients
        domain = market_domain(chain_id=clients.chain_id, market=clients.market.address)
        signature = self.signer.sign_digest(named.digest(domain))
        return SignedOffer(clients.chain_id, clients.market.address, named, key, signature)

    async def examine(self, sale_id: int, proofs: Proofs | None = None) -> list[Opened]:
        """Open every entry of a delivery. Raises: SaleNotHere, DeliveredWrong, Unavailable."""
        sale = await asyncio.to_thread(sale_of, self.clients, sale_id)
        shown = await asyncio.to_thread(self.shown, sale_id, sale, proofs)
        secret = await asyncio.to_thread(self.secret_of, sale_id, sale)
        return [await self.open(one, secret) for one in shown]

    async def open(self, one: Shown, secret: bytes) -> Opened:
        """The content of one entry. Raises: DeliveredWrong."""
        new, said = one.new, one.delivery
        context = SealContext(
            self.clients.chain_id,
            said.collection,
            said.token,
            said.epoch,
            said.receiver,
            new.data_hash,
        )
        try:
            key = unseal(one.sealed_key, secret, context)
        except SealBroken as error:
            raise DeliveredWrong(part="sealed key", token=said.token) from error
        if key_commit_of(key) != new.key_commit:
            raise DeliveredWrong(part="data key", token=said.token)
        file = await self.files.get(new.location, new.data_hash)
        try:
            opening = asyncio.to_thread(
                open_bundle, file, key, one.old.content_root, hash_many=self.engines.hash_many
            )
            data = await opening
        except (BundleBroken, BundleInvalid) as error:
            raise DeliveredWrong(part="content", token=said.token, why=str(error)) from error
        return Opened(key, data, one)

    async def take(self, sale_id: int, proofs: Proofs | None = None) -> Sequence[Held]:
        """Examine, then settle: `accept` with proofs, `confirm` after somebody showed them.

        What was taken before is opened again. Raises: DeliveredWrong before anything is sent;
        SaleNotHere.
        """
        market = self.clients.market
        sale = await asyncio.to_thread(sale_of, self.clients, sale_id)
        if sale.state is SaleState.SETTLED and sale.buyer == self.signer.address:
            return await self.open_own(sale.token)
        is_locked = sale.state is SaleState.LOCKED
        opened = await self.examine(sale_id, proofs if is_locked else None)
        if is_locked and proofs is not None:
            call = market.accept(sale_id, [one.fields() for one in proofs.proofs])
        elif sale.state is SaleState.DELIVERED:
            call = market.confirm(
                sale_id, [(one.shown.new.data_hash, one.shown.new.roots_hash) for one in opened]
            )
        else:
            raise SaleNotHere(sale=sale_id, state=sale.state.name.lower())
        key = f"agent.{call.function}:{sale_id}:{call.digest().hex()[:16]}"
        await asyncio.to_thread(self.send, call, key)
        return opened

    async def open_own(self, token_id: int) -> list[Held]:
        """Every entry of a token of this wallet. Raises: NotYours, KeyNotHeld, Corrupt, .."""
        token = await asyncio.to_thread(read_token, self.clients, token_id)
        if token.owner != self.signer.address:
            raise NotYours(token=token_id, owner=token.owner.hex())
        keys = await asyncio.to_thread(data_keys, self.clients, token, self.keys)
        held = []
        for entry, key in zip(token.entries, keys, strict=True):
            file = await self.files.get(entry.location, entry.data_hash)
            opening = asyncio.to_thread(
                open_bundle, file, key, entry.content_root, hash_many=self.engines.hash_many
            )
            held.append(Held(key, await opening))
        return held

    def secret_of(self, sale_id: int, sale: Sale) -> bytes:
        """B of this sale. Raises: SaleNotHere for a sale of another wallet."""
        for purpose in self._purposes(sale_id, sale):
            if keccak(self.keys.public(purpose)) == sale.key_hash:
                return self.keys.secret(purpose)
        raise SaleNotHere(sale=sale_id, buyer=sale.buyer.hex())

    def shown(self, sale_id: int, sale: Sale, proofs: Proofs | None) -> list[Shown]:
        """What was delivered, from proofs in hand or from the events of the chain.

        Raises: SaleNotHere before a delivery, DeliveredWrong for proofs of another sale.
        """
        if proofs is None:
            return shown_on_chain(self.clients, sale_id, sale)
        return shown_in(self.clients, proofs, sale_id, sale)

    def _purposes(self, sale_id: int, sale: Sale) -> list[bytes]:
        """What a sale's key may have been made for: its order's or its offer's digest."""
        indexed: dict[str, object] = {"sale": sale_id, "token": sale.token, "buyer": sale.buyer}
        ordered = [
            one.order for one in told(self.clients, self.clients.market, SaleLocked, indexed)
        ]
        return [*ordered, *map(offer_purpose, range(1, MAX_OFFERS + 1))]

    def _digest(self, order: SellOrder) -> bytes:
        clients = self.clients
        domain = market_domain(chain_id=clients.chain_id, market=clients.market.address)
        return order.digest(domain)
