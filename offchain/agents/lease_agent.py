"""Agents for a time, and clones under a licence: what owners offer and others take.

  rent    paid in advance ─collect: what is earned─► its owner ─end | time is over─► the rest back
  clone   ORDERED ─owner leads oracles, op CLONE─► DELIVERED ─buyer opens it─► SETTLED
          a clone's key is sealed for (parent, epoch of the parent): its buyer opens it as his own

Nothing is paid twice: an order that waits, and a lease that runs, is found again.
Source: docs/protocol/agents.md#trading.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from offchain.agents.bundle import BundleBroken, BundleInvalid
from offchain.agents.delivery_keys import clone_purpose
from offchain.agents.hold import Held, Hold
from offchain.agents.onchain_leases import (
    AgentLeasesClient,
    CloneDelivered,
    CloneOrder,
    CloneOrdered,
    LeaseEnded,
    Licence,
    OrderState,
    RentEarned,
    Rented,
    RentTerms,
)
from offchain.agents.oracle_ports import Op
from offchain.agents.orders import NOBODY
from offchain.agents.sale_view import told
from offchain.agents.sell import Sell, Wanted
from offchain.agents.token_view import MAX_CLONES, KeyNotHeld, read_token
from offchain.agents.trade_errors import CloneNotHere, OtherCurrency, PriceTooHigh, SaleNotHere
from offchain.agents.trade_files import Proofs
from offchain.chain.model import Block, Receipt, TypedCall
from offchain.core.errors import Corrupt
from offchain.core.hashing import keccak

Send = Callable[[TypedCall, str], Receipt]


_MADE = (OrderState.DELIVERED, OrderState.SETTLED)


class CloneWrong(Corrupt):
    """What was delivered is not what the clone was ordered of."""

    code = "agents.clone.wrong"
    next_step = "Run `apogee agent clone-dispute ORDER`: the proof is made of what you hold."


@dataclass(frozen=True, slots=True)
class LeaseAgent:
    """One wallet that lets, rents, licenses and clones."""

    leases: AgentLeasesClient
    hold: Hold
    sell: Sell
    send: Send

    def let(self, token: int, terms: RentTerms, *, name: str) -> Receipt:
        """Offer an own token for rent."""
        return self.send(self.leases.set_rent(token, terms), name)

    def license(self, token: int, licence: Licence, *, name: str) -> Receipt:
        """Offer clones of an own token."""
        return self.send(self.leases.set_licence(token, licence), name)

    def rent(self, token: int, seconds: int, *, most: int, currency: bytes = NOBODY) -> Rented:
        """Pay for a time; what is not used comes back. `most`: of base units of `currency`.

        The lease that runs already, if there is one. The effect is named by how many leases this
        wallet had of it: killed and asked again, it is the same one.

        Raises: PriceTooHigh, OtherCurrency, SaleNotHere.
        """
        running = self.running_lease(token)
        if running is not None:
            return running  # the contract lets one run at a time: it is asked for again
        terms = self.leases.rent_of(token, at=self.hold.look.clients.node.block().hash)
        if not terms.shortest:
            raise SaleNotHere(token=token, missing="rent")
        price = terms.price * seconds
        _check(price, most, terms.currency, currency)
        value = price if terms.currency == NOBODY else 0
        call = self.leases.rent(token, seconds, terms, value_wei=value)
        name = f"agent.rent:{token}:{len(self._rented(token)) + 1}"
        self._put_in(terms.currency, price, name)
        [rented] = self.leases.events_in(Rented, self.send(call, name).logs)
        return rented

    def running_lease(self, token: int) -> Rented | None:
        """The lease of a token that this wallet has now."""
        before, block = self._rented(token), self.hold.look.clients.node.block()
        return before[-1] if before and self._runs(before[-1].lease, block) else None

    def end(self, lease: int) -> int:
        """As the renter: give it back early; what comes back of the rent, as credit."""
        receipt = self.send(self.leases.end_lease(lease), f"agent.end_lease:{lease}")
        return sum(one.refund for one in self.leases.events_in(LeaseEnded, receipt.logs))

    def collect(self, lease: int) -> int:
        """What its owner has earned since he last collected, as credit; by anybody."""
        at = self.hold.look.clients.node.block().hash
        since = self.leases.lease(lease, at=at).earned_until
        receipt = self.send(self.leases.collect(lease), f"agent.collect:{lease}:{since}")
        return sum(one.amount for one in self.leases.events_in(RentEarned, receipt.logs))

    def waiting_order(self, token: int) -> CloneOrdered | None:
        """The newest order of this wallet of a token that was not delivered yet."""
        look = self.hold.look
        at = look.clients.node.block().hash
        before = self._orders({"token": token, "buyer": look.signer.address})
        states = self.leases.orders([one.order for one in before], at=at)
        pairs = zip(before, states, strict=True)
        waiting = [one for one, order in pairs if order.state is OrderState.ORDERED]
        return waiting[-1] if waiting else None

    def order_clone(self, token: int, *, most: int, currency: bytes = NOBODY) -> CloneOrdered:
        """Pay the fee into escrow and tell the key. `most`: of base units of `currency`.

        The effect is named by the order's turn, as its key is: killed and asked again, it is the
        same one.

        Raises: PriceTooHigh, OtherCurrency, SaleNotHere.
        """
        look = self.hold.look
        clients, buyer = look.clients, look.signer.address
        view = read_token(clients, token)
        licence = self.leases.licence_of(token, at=view.block.hash)
        if not licence.max_clones:
            raise SaleNotHere(token=token, missing="licence")
        _check(licence.fee, most, licence.currency, currency)
        before = self._orders({"token": token, "buyer": buyer})
        if len(before) >= MAX_CLONES:
            raise SaleNotHere(token=token, orders=len(before))
        turn = len(before) + 1
        key = look.keys.public(clone_purpose(token, view.epoch, turn))
        value = licence.fee if licence.currency == NOBODY else 0
        call = self.leases.order_clone(token, key, licence, view.data_root, value_wei=value)
        name = f"agent.clone:{token}:{view.epoch}:{turn}"
        self._put_in(licence.currency, licence.fee, name)
        receipt = self.send(call, name)
        [ordered] = self.leases.events_in(CloneOrdered, receipt.logs)
        return ordered

    def _put_in(self, currency: bytes, amount: int, name: str) -> None:
        """A price in a token is taken out of credit; one in the coin is sent with the call."""
        if currency != NOBODY:
            self.hold.look.payer.pay_in(self.leases, currency, amount, name=name)

    async def prove(self, order_id: int) -> Proofs:
        """As the owner: deliveries to whoever ordered a clone. Raises: SaleNotHere."""
        order = await asyncio.to_thread(self.order, order_id)
        if order.state is not OrderState.ORDERED:
            raise CloneNotHere(order=order_id, state=order.state.name.lower())
        [ordered] = await asyncio.to_thread(self._orders, {"order": order_id})
        token = await asyncio.to_thread(read_token, self.hold.look.clients, order.token)
        return await self.sell.prove_to(
            token, Wanted(f"clone-{order_id}", Op.CLONE, order.buyer, ordered.key)
        )

    async def deliver(self, order_id: int, proofs: Proofs) -> int:
        """Show the proofs: the clone is made; its number."""
        call = self.leases.deliver_clone(order_id, [one.fields() for one in proofs.proofs])
        receipt = await asyncio.to_thread(self.send, call, f"agent.deliver_clone:{order_id}")
        [made] = self.leases.events_in(CloneDelivered, receipt.logs)
        return made.clone

    async def hand_over(self, order_id: int) -> int:
        """Prove and deliver, unless that is done; the clone's number. Raises: as `prove`."""
        order = await asyncio.to_thread(self.order, order_id)
        if order.state in _MADE:
            return await asyncio.to_thread(self.clone_of, order_id)
        return await self.deliver(order_id, await self.prove(order_id))

    async def take(self, order_id: int) -> list[Held]:
        """As the buyer: open the clone, and let its owner be paid. Raises: CloneWrong, SaleNotHere.

        CloneWrong is raised before anything is sent: the fee is still held.
        """
        clone = await asyncio.to_thread(self.clone_of, order_id)
        try:
            held = await self.hold.open(clone)
        except (KeyNotHeld, BundleBroken, BundleInvalid, Corrupt) as error:
            raise CloneWrong(order=order_id, clone=clone, why=str(error)[:200]) from error
        order = await asyncio.to_thread(self.order, order_id)
        if order.state is OrderState.DELIVERED:
            call = self.leases.settle_clone(order_id)
            await asyncio.to_thread(self.send, call, f"agent.settle_clone:{order_id}")
        return held

    def order(self, order_id: int) -> CloneOrder:
        """Raises: SaleNotHere."""
        at = self.hold.look.clients.node.block().hash
        order = self.leases.order(order_id, at=at)
        if order.state is OrderState.NONE:
            raise CloneNotHere(order=order_id)
        return order

    def clone_of(self, order_id: int) -> int:
        """The token that an order made. Raises: SaleNotHere."""
        made = told(self.hold.look.clients, self.leases, CloneDelivered, {"order": order_id})
        if not made:
            raise CloneNotHere(order=order_id, missing="delivery")
        return made[-1].clone

    def secret_of(self, order: CloneOrder) -> bytes:
        """B of an order. Raises: SaleNotHere for one of another wallet."""
        keys = self.hold.look.keys
        for number in range(1, MAX_CLONES + 1):
            purpose = clone_purpose(order.token, order.epoch, number)
            if keccak(keys.public(purpose)) == order.key_hash:
                return keys.secret(purpose)
        raise CloneNotHere(token=order.token, buyer=order.buyer.hex())

    def _runs(self, lease_id: int, block: Block) -> bool:
        """Whether a lease's time is not over and its token has not moved."""
        lease = self.leases.lease(lease_id, at=block.hash)
        epoch, _ = self.hold.look.clients.nft.epoch_of(lease.token, at=block.hash)
        return lease.until > block.timestamp and lease.epoch == epoch

    def _rented(self, token: int) -> list[Rented]:
        look = self.hold.look
        renter = {"token": token, "renter": look.signer.address}
        return told(look.clients, self.leases, Rented, renter)

    def _orders(self, indexed: dict[str, object]) -> list[CloneOrdered]:
        return told(self.hold.look.clients, self.leases, CloneOrdered, indexed)


def _check(price: int, most: int, asked: bytes, meant: bytes) -> None:
    """Raises: OtherCurrency, PriceTooHigh."""
    if asked != meant:
        raise OtherCurrency(currency=asked.hex(), meant=meant.hex())
    if price > most:
        raise PriceTooHigh(price=price, allowed=most)
