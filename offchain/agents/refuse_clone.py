"""The buyer of a clone refuses: he proves its delivery false and has the fee back.

  DELIVERED  prove ─► refund_false_clone: the fee is his again; the clone stays his, worthless

The delivery is put together from events alone: what oracles signed names the parent, what was
published names the clone. Each step asks the chain first, so a killed dispute goes on.
Source: docs/protocol/agents.md#leases.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from offchain.agents.delivery import Delivery
from offchain.agents.lease_agent import LeaseAgent
from offchain.agents.onchain_leases import CloneDelivered, CloneOrder, OrderState
from offchain.agents.onchain_nft import Rooted
from offchain.agents.onchain_verifier import DeliveryVerified
from offchain.agents.oracle_ports import DataEntry, Op
from offchain.agents.refuse import Refuse
from offchain.agents.sale_view import Shown, told
from offchain.agents.token_view import roots_told, sealed_keys
from offchain.agents.trade_errors import SaleNotHere
from offchain.core.errors import Conflict
from offchain.core.hashing import keccak


class CloneRight(Conflict):
    """What was delivered is what the clone was ordered of."""

    code = "agents.clone.right"
    next_step = "Take it with `apogee agent clone-take ORDER`."


@dataclass(frozen=True, slots=True)
class CloneRefused:
    """How a dispute ended; `kinds` and `digests` are empty where it had ended before."""

    kinds: tuple[str, ...]
    digests: tuple[bytes, ...]
    order: CloneOrder


@dataclass(frozen=True, slots=True)
class RefuseClone:
    """One wallet that refuses a clone."""

    lease: LeaseAgent
    refuse: Refuse

    async def prove(self, order_id: int) -> CloneRefused:
        """Prove every wrong entry and take the fee back. Raises: CloneRight, SaleNotHere."""
        order = await asyncio.to_thread(self.lease.order, order_id)
        if order.state is OrderState.REFUNDED:
            return CloneRefused((), (), order)
        if order.state is not OrderState.DELIVERED:
            raise SaleNotHere(order=order_id, state=order.state.name.lower())
        shown = await asyncio.to_thread(lambda: list(self._shown(order_id, order)))
        secret = await asyncio.to_thread(self.lease.secret_of, order)
        digests, kinds = [], []
        for one in shown:
            digest = self.refuse.digest_of(one)
            digests.append(digest)
            if await asyncio.to_thread(self.refuse.is_false, digest):
                kinds.append("proven before")
                continue
            found = await self.refuse.fault_with(one, secret)
            if found is not None:
                await asyncio.to_thread(self.refuse.prove, one, found, digest)
                kinds.append(found.kind.name or str(found.kind.value))
        if not kinds:
            raise CloneRight(order=order_id)
        call = self.lease.leases.refund_false_clone(order_id, digests)
        await asyncio.to_thread(self.lease.send, call, f"agent.refund_false_clone:{order_id}")
        ended = await asyncio.to_thread(self.lease.order, order_id)
        return CloneRefused(tuple(kinds), tuple(digests), ended)

    def _shown(self, order_id: int, order: CloneOrder) -> Iterator[Shown]:
        """Each entry's delivery, as the transaction that made the clone tells it."""
        clients = self.refuse.look.clients
        made = told(clients, self.lease.leases, CloneDelivered, {"order": order_id})[-1]
        kept = clients.nft.entries_of(made.clone, at=clients.node.block().hash)
        sealed = sealed_keys(clients, made.clone, order.buyer)[-1]
        verified = {
            one.digest: one
            for one in told(clients, clients.verifier, DeliveryVerified, {"token": order.token})
        }
        for entry, key, digest in zip(kept, sealed, made.digests, strict=True):
            new = roots_told(clients, made.clone, entry.data_hash)
            yield self._of_parent(order, new, key, verified[digest])

    def _of_parent(
        self, order: CloneOrder, new: DataEntry, sealed: bytes, verified: DeliveryVerified
    ) -> Shown:
        """Which of the parent's files was cloned: the one that the signed digest names."""
        clients = self.refuse.look.clients
        for one in told(clients, clients.nft, Rooted, {"token": order.token}):
            old = DataEntry(
                one.data_hash, one.content_root, one.key_root, one.key_commit, one.location
            )
            said = Delivery(
                collection=clients.nft.address,
                token=order.token,
                epoch=order.epoch,
                op=int(Op.CLONE),
                receiver=order.buyer,
                old_data_hash=old.data_hash,
                new_data_hash=new.data_hash,
                content_root=new.content_root,
                key_root=new.key_root,
                key_commit=new.key_commit,
                location=new.location,
                sealed_key_hash=keccak(sealed),
                key_hash=order.key_hash,
                nonce_hash=verified.nonce_hash,
                deadline=verified.deadline,
            )
            shown = Shown(old, new, sealed, said)
            if self.refuse.digest_of(shown) == verified.digest:
                return shown
        raise SaleNotHere(token=order.token, missing="Rooted")
