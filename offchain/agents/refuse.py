"""A buyer refuses: he proves a delivery false from what he holds, and takes his money back.

  LOCKED     garbage in a file of proofs: nothing was bound, so he waits for the refund
  DELIVERED  prove ─► refund_false: price and the seller's bond are his, oracles are punished
             (no time left to prove: `dispute` gains the show window, against a bond)

A sale is refused here, an ordered clone in refuse_clone.py; both prove alike.
Each step asks the chain first, so a killed dispute goes on.
Source: docs/protocol/agents.md#trading.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from offchain.agents.buy_agent import Buy
from offchain.agents.false_delivery import FalseProof, Held, find_fault
from offchain.agents.onchain_market import Sale, SaleState
from offchain.agents.onchain_verifier import DeliveryFraudProofsClient
from offchain.agents.orders import NOBODY
from offchain.agents.sale_view import Shown
from offchain.agents.sell import sale_of
from offchain.agents.stored_pieces import StoredPieces
from offchain.agents.trade_errors import NothingWrong
from offchain.chain.model import Receipt, TypedCall
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError

Send = Callable[[TypedCall, str], Receipt]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Proven:
    """The deliveries that were looked at, and what is false of them by now; no `kinds`: nothing."""

    kinds: tuple[str, ...] = ()
    digests: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused(Generic[T]):
    """How a dispute ended, and the sale or order then; nothing `proven`: it was over before."""

    proven: Proven
    ended: T


@dataclass(frozen=True, slots=True)
class Refuse:
    """One wallet that refuses what it bought."""

    look: Buy
    proofs: DeliveryFraudProofsClient
    engine: Callable[[], ErasureEngine]
    send: Send

    async def refuse(self, sale_id: int) -> Refused[Sale]:
        """Prove every wrong entry and take the refund; what was refunded before stays so.

        Raises: NothingWrong, SaleNotHere.
        """
        look, market = self.look, self.look.clients.market
        sale = await asyncio.to_thread(sale_of, look.clients, sale_id)
        if sale.state is SaleState.REFUNDED:
            return Refused(Proven(), sale)
        shown = await asyncio.to_thread(look.shown, sale_id, sale, None)
        secret = await asyncio.to_thread(look.secret_of, sale_id, sale)
        proven = await self.prove_all(shown, secret)
        if not proven.kinds:
            raise NothingWrong(sale=sale_id)
        call = market.refund_false(sale_id, list(proven.digests))
        await asyncio.to_thread(self.send, call, f"agent.refund_false:{sale_id}")
        return Refused(proven, await asyncio.to_thread(sale_of, look.clients, sale_id))

    async def object(self, sale_id: int) -> None:
        """Gain time to prove, against a bond."""
        market = self.look.clients.market
        sale = await asyncio.to_thread(sale_of, self.look.clients, sale_id)
        if sale.state is SaleState.DELIVERED:
            name, is_coin = f"agent.dispute:{sale_id}", sale.currency == NOBODY
            if not is_coin:
                pay_in = self.look.payer.pay_in
                await asyncio.to_thread(pay_in, market, sale.currency, sale.bond, name=name)
            call = market.dispute(sale_id, value=sale.bond if is_coin else 0)
            await asyncio.to_thread(self.send, call, name)

    async def prove_all(self, shown: Sequence[Shown], secret: bytes) -> Proven:
        """Prove what is wrong with each delivery; `secret` of the key that all were sealed to."""
        digests = [await asyncio.to_thread(self.digest_of, one) for one in shown]
        kinds = []
        for one, digest in zip(shown, digests, strict=True):
            if await asyncio.to_thread(self.is_false, digest):
                kinds.append("proven before")
                continue
            found = await self.fault_with(one, secret)
            if found is not None:
                await asyncio.to_thread(self.prove, one, found, digest)
                kinds.append(found.kind.name or str(found.kind.value))
        return Proven(tuple(kinds), tuple(digests))

    async def fault_with(self, one: Shown, secret: bytes) -> FalseProof | None:
        """What is wrong with a delivery, as the contract can see it; None: nothing is."""
        look = self.look
        file = await look.files.get(one.new.location, one.new.data_hash)
        leaves = await look.leaves_of(one.old)

        def find() -> FalseProof | None:
            held = Held(
                chain_id=look.clients.chain_id,
                delivery=one.delivery,
                sealed_key=one.sealed_key,
                secret=secret,
                leaves=leaves,
                file=file,
                stored=StoredPieces(file, self.engine()),
                hash_many=look.engines.hash_many,
            )
            return find_fault(held)

        return await asyncio.to_thread(find)

    def digest_of(self, one: Shown) -> bytes:
        """What oracles signed."""
        return one.delivery.digest(self.look.domain)

    def is_false(self, digest: bytes) -> bool:
        """Whether it was proven false before."""
        clients = self.look.clients
        return clients.verifier.is_false(digest, at=clients.node.block().hash)

    def prove(self, one: Shown, found: FalseProof, digest: bytes) -> None:
        """Show a fault on chain; somebody else may have been a moment earlier."""
        verifier = self.look.clients.verifier.address
        call = self.proofs.prove(verifier, one.delivery, found)
        try:
            self.send(call, f"agent.prove:{digest.hex()}")
        except ApogeeError:
            if not self.is_false(digest):
                raise
