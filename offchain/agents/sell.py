"""The seller's side of a sale: sign an order, have the bundle delivered, show it on chain.

  order    signed once; it locks nothing until somebody buys
  prove    after the lock: lead oracles for every entry, to the key that the buyer told on chain
  deliver  anybody may show the proofs; a buyer who has them takes them himself with `accept`

Source: docs/protocol/agents.md#trading.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offchain.agents.deliver import Deliver, Delivered, DeliverWish
from offchain.agents.delivery import OwnershipProof, RootWords
from offchain.agents.delivery_keys import DeliveryKeys
from offchain.agents.onchain_market import KeyTold, Sale, SaleLocked, SaleState
from offchain.agents.oracle_ports import Op
from offchain.agents.orders import NOBODY, OrderKind, SellOrder, market_domain
from offchain.agents.sale_view import require_here, told, wallet_of
from offchain.agents.token_view import AgentToken, TradeClients, data_keys, read_token
from offchain.agents.trade_errors import GoodsMoved, NotYours, OtherCurrency, SaleNotHere
from offchain.agents.trade_files import Invite, Proof, Proofs, SignedOffer, SignedOrder
from offchain.chain.model import Receipt, TypedCall
from offchain.core.ecdsa import DigestSigner

PROOF_SECONDS: Final = 20_000  # signatures count longer than any delivery may take
_SHOWN: Final = (SaleState.DELIVERED, SaleState.DISPUTED, SaleState.SETTLED)
Send = Callable[[TypedCall, str], Receipt]


@dataclass(frozen=True, slots=True)
class SellWish:
    """What is asked; the token's wallet goes with it as it is when the order is signed."""

    token: int
    price: int
    end: int
    kind: OrderKind = OrderKind.FIXED
    end_price: int | None = None
    currency: bytes = NOBODY
    royalty_max: int = 1_000
    min_step: int = 0
    taker: bytes = NOBODY


@dataclass(frozen=True, slots=True)
class Sell:
    """One wallet that sells."""

    clients: TradeClients
    keys: DeliveryKeys
    signer: DigestSigner
    leader: Deliver
    send: Send
    randomness: Callable[[int], bytes]

    def order(self, wish: SellWish) -> SignedOrder:
        """A signed order for a token of this wallet. Raises: NotYours."""
        clients = self.clients
        token = read_token(clients, wish.token)
        self._require_own(token)
        account, account_state = wallet_of(clients, token)
        order = SellOrder(
            seller=self.signer.address,
            collection=clients.nft.address,
            token=wish.token,
            kind=wish.kind,
            price=wish.price,
            end_price=wish.price if wish.end_price is None else wish.end_price,
            currency=wish.currency,
            data_root=token.data_root,
            account=account,
            account_state=account_state,
            royalty_max=wish.royalty_max,
            min_step=wish.min_step,
            start=token.block.timestamp,
            end=wish.end,
            nonce=int.from_bytes(self.randomness(16), "big"),
            taker=wish.taker,
        )
        domain = market_domain(chain_id=clients.chain_id, market=clients.market.address)
        signature = self.signer.sign_digest(order.digest(domain))
        return SignedOrder(clients.chain_id, clients.market.address, order, signature)

    async def take(
        self, signed: SignedOffer, *, token_id: int, royalty_max: int, currency: bytes = NOBODY
    ) -> int:
        """Sell to whoever made an offer; the sale, once. `currency`: what the caller wants.

        Raises: OrderElsewhere, OtherCurrency, GoodsMoved, NotYours, and what the market refuses.
        """
        clients, offer = self.clients, signed.offer
        require_here(clients, signed, offer.collection)
        if offer.currency != currency:
            raise OtherCurrency(currency=offer.currency.hex(), meant=currency.hex())
        domain = market_domain(chain_id=clients.chain_id, market=clients.market.address)
        digest = offer.digest(domain)
        indexed = {"token": token_id, "buyer": offer.buyer}
        locked = await asyncio.to_thread(told, clients, clients.market, SaleLocked, indexed)
        known = next((one.sale for one in locked if one.order == digest), None)
        if known is not None:
            return known
        token = await asyncio.to_thread(read_token, clients, token_id)
        self._require_own(token)
        if offer.token and offer.data_root != token.data_root:
            raise GoodsMoved(token=token_id)
        call = clients.market.take_offer(
            offer, signed.signature, signed.delivery_key, token=token_id, royalty_max=royalty_max
        )
        key = f"agent.take:{digest.hex()}:{call.digest().hex()[:16]}"
        receipt = await asyncio.to_thread(self.send, call, key)
        [event] = clients.market.events_in(SaleLocked, receipt.logs)
        return event.sale

    async def hand_over(self, sale_id: int) -> Sale:
        """Prove and deliver on chain, unless that is done; the sale. Raises: as `prove`."""
        sale = await asyncio.to_thread(sale_of, self.clients, sale_id)
        if sale.state in _SHOWN:
            return sale
        await self.deliver(sale_id, await self.prove(sale_id))
        return await asyncio.to_thread(sale_of, self.clients, sale_id)

    async def prove(self, sale_id: int) -> Proofs:
        """Deliveries of every entry to a sale's buyer, as oracles signed them; goes on when killed.

        Raises: SaleNotHere, NotYours, KeyNotHeld, TooFewOracles.
        """
        sale = await asyncio.to_thread(sale_of, self.clients, sale_id)
        if sale.state is not SaleState.LOCKED:
            raise SaleNotHere(sale=sale_id, state=sale.state.name.lower())
        token = await asyncio.to_thread(read_token, self.clients, sale.token)
        self._require_own(token)
        if token.block.timestamp > sale.until:
            raise SaleNotHere(sale=sale_id, until=sale.until, now=token.block.timestamp)
        key = await asyncio.to_thread(key_of_sale, self.clients, sale_id, sale.buyer)
        wanted = Wanted(f"sale-{sale_id}", Op.TRANSFER, sale.buyer, key)
        return await self.prove_to(token, wanted)

    async def prove_for(self, invite: Invite, op: Op) -> Proofs:
        """Deliveries to whoever asked for them with an invite: a gift, or a clone."""
        token = await asyncio.to_thread(read_token, self.clients, invite.token)
        self._require_own(token)
        name = f"{op.name.lower()}-{invite.token}-{invite.epoch}-{invite.receiver.hex()}"
        wanted = Wanted(name, op, invite.receiver, invite.delivery_key)
        return await self.prove_to(token, wanted)

    async def prove_to(self, token: AgentToken, wanted: "Wanted") -> Proofs:
        """One delivery after the other. Raises: KeyNotHeld, TooFewOracles."""
        opened = await asyncio.to_thread(data_keys, self.clients, token, self.keys)
        now = token.block.timestamp
        made = []
        for index, (entry, key) in enumerate(zip(token.entries, opened, strict=True)):
            wish = DeliverWish(
                name=f"{wanted.name}-{index}",
                collection=self.clients.nft.address,
                token=token.id,
                epoch=token.epoch,
                op=wanted.op,
                receiver=wanted.receiver,
                old=entry,
                delivery_key=wanted.key,
                threshold=token.threshold,
                now=now,
                deadline=now + PROOF_SECONDS,
                data_key=key,
            )
            made.append(Proof(ownership_of(await self.leader.deliver(wish))))
        return Proofs(
            chain_id=self.clients.chain_id,
            collection=self.clients.nft.address,
            token=token.id,
            epoch=token.epoch,
            op=int(wanted.op),
            receiver=wanted.receiver,
            proofs=tuple(made),
        )

    async def deliver(self, sale_id: int, proofs: Proofs) -> Receipt:
        """Show the proofs on chain: the buyer has until the end of the window to object."""
        call = self.clients.market.deliver(sale_id, [one.fields() for one in proofs.proofs])
        key = f"agent.deliver:{sale_id}:{call.digest().hex()[:16]}"
        return await asyncio.to_thread(self.send, call, key)

    def _require_own(self, token: AgentToken) -> None:
        if token.owner != self.signer.address:
            raise NotYours(token=token.id, owner=token.owner.hex())


@dataclass(frozen=True, slots=True)
class Wanted:
    """To whom a token's entries are delivered, and for what."""

    name: str
    op: Op
    receiver: bytes
    key: bytes


def ownership_of(made: Delivered) -> OwnershipProof:
    """The oracles' word in the form of the EIP."""
    order, derived = made.order, made.derived
    roots = RootWords(
        content_root=order.old.content_root,
        old_key_root=order.old.key_root,
        old_key_commit=order.old.key_commit,
        old_location=order.old.location,
        key_root=derived.key_root,
        key_commit=derived.key_commit,
        location=made.location,
    )
    return OwnershipProof(
        old_data_hash=order.old.data_hash,
        new_data_hash=derived.new_data_hash,
        sealed_key=derived.sealed_key,
        public_key=order.delivery_key,
        nonce=order.nonce,
        roots=roots,
        deadline=order.deadline,
        signatures=made.signatures,
    )


def sale_of(clients: TradeClients, sale_id: int) -> Sale:
    """Raises: SaleNotHere."""
    sale = clients.market.sale(sale_id, at=clients.node.block().hash)
    if sale.state is SaleState.NONE:
        raise SaleNotHere(sale=sale_id)
    return sale


def key_of_sale(clients: TradeClients, sale_id: int, buyer: bytes) -> bytes:
    """The key that a sale's buyer told on chain. Raises: SaleNotHere."""
    found = told(clients, clients.market, KeyTold, {"sale": sale_id, "buyer": buyer})
    if not found:
        raise SaleNotHere(sale=sale_id, missing="key")
    return found[-1].key
