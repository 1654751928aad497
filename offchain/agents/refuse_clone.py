"""The buyer of a clone refuses: he proves its delivery false and has the fee back.

  DELIVERED  prove ─► refund_false_clone: the fee is his again; the clone stays his, worthless

The delivery is put together from events alone: what oracles signed names the parent, what was
published names the clone. Each step asks the chain first, so a killed dispute goes on.
Source: docs/protocol/agents.md#leases.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from offchain.agents.lease_agent import LeaseAgent
from offchain.agents.onchain_leases import CloneDelivered, CloneOrder, OrderState
from offchain.agents.onchain_nft import Rooted
from offchain.agents.onchain_verifier import DeliveryVerified
from offchain.agents.oracle_ports import DataEntry, Op
from offchain.agents.refuse import Proven, Refuse, Refused
from offchain.agents.sale_view import Handover, Shown, told, verified_of
from offchain.agents.token_view import roots_told, sealed_keys
from offchain.agents.trade_errors import CloneNotHere, SaleNotHere
from offchain.core.errors import Conflict


class CloneRight(Conflict):
    """What was delivered is what the clone was ordered of."""

    code = "agents.clone.right"
    next_step = "Take it with `apogee agent clone-take ORDER`."


@dataclass(frozen=True, slots=True)
class RefuseClone:
    """One wallet that refuses a clone."""

    lease: LeaseAgent
    refuse: Refuse

    async def prove(self, order_id: int) -> Refused[CloneOrder]:
        """Prove every wrong entry and take the fee back. Raises: CloneRight, SaleNotHere."""
        order = await asyncio.to_thread(self.lease.order, order_id)
        if order.state is OrderState.REFUNDED:
            return Refused(Proven(), order)
        if order.state is not OrderState.DELIVERED:
            raise CloneNotHere(order=order_id, state=order.state.name.lower())
        shown = await asyncio.to_thread(lambda: list(self.shown(order_id, order)))
        secret = await asyncio.to_thread(self.lease.secret_of, order)
        proven = await self.refuse.prove_all(shown, secret)
        if not proven.kinds:
            raise CloneRight(order=order_id)
        call = self.lease.leases.refund_false_clone(order_id, list(proven.digests))
        await asyncio.to_thread(self.lease.send, call, f"agent.refund_false_clone:{order_id}")
        return Refused(proven, await asyncio.to_thread(self.lease.order, order_id))

    def shown(self, order_id: int, order: CloneOrder) -> Iterator[Shown]:
        """Each entry's delivery, as the transaction that made the clone tells it."""
        clients = self.refuse.look.clients
        made = told(clients, self.lease.leases, CloneDelivered, {"order": order_id})[-1]
        kept = clients.nft.entries_of(made.clone, at=clients.node.block().hash)
        sealed = sealed_keys(clients, made.clone, order.buyer)[-1]
        verified = verified_of(clients, order.token)
        for entry, key, digest in zip(kept, sealed, made.digests, strict=True):
            new = roots_told(clients, made.clone, entry.data_hash)
            yield self._of_parent(order, new, key, verified[digest])

    def _of_parent(
        self, order: CloneOrder, new: DataEntry, sealed: bytes, verified: DeliveryVerified
    ) -> Shown:
        """Which of the parent's files was cloned: the one that the signed digest names."""
        clients = self.refuse.look.clients
        handover = Handover(
            collection=clients.nft.address,
            token=order.token,
            epoch=order.epoch,
            op=Op.CLONE,
            receiver=order.buyer,
            key_hash=order.key_hash,
        )
        for one in told(clients, clients.nft, Rooted, {"token": order.token}):
            old = DataEntry(
                one.data_hash, one.content_root, one.key_root, one.key_commit, one.location
            )
            shown = handover.shown(old, new, sealed, verified)
            if self.refuse.digest_of(shown) == verified.digest:
                return shown
        raise SaleNotHere(token=order.token, missing="Rooted")
