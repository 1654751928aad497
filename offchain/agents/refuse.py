"""The buyer refuses: he proves a delivery false from what he holds, and takes his money back.

  LOCKED     garbage in a file of proofs: nothing was bound, so he waits for the refund
  DELIVERED  prove ─► refund_false: price and the seller's bond are his, oracles are punished
             (no time left to prove: `dispute` gains the show window, against a bond)

Each step asks the chain first, so a killed dispute goes on.
Source: docs/protocol/agents.md#trading.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Refused:
    """How a dispute ended."""

    kinds: tuple[str, ...]
    digests: tuple[bytes, ...]
    sale: Sale


@dataclass(frozen=True, slots=True)
class Refuse:
    """One wallet that refuses what it bought."""

    look: Buy
    proofs: DeliveryFraudProofsClient
    engine: Callable[[], ErasureEngine]
    send: Send

    async def refuse(self, sale_id: int) -> Refused:
        """Prove every wrong entry and take the refund; what was refunded before stays so.

        Raises: NothingWrong, SaleNotHere.
        """
        look = self.look
        clients = look.clients
        sale = await asyncio.to_thread(sale_of, clients, sale_id)
        if sale.state is SaleState.REFUNDED:
            return Refused((), (), sale)
        shown = await asyncio.to_thread(look.shown, sale_id, sale, None)
        digests = tuple([await asyncio.to_thread(self.digest_of, one) for one in shown])
        kinds = []
        for one, digest in zip(shown, digests, strict=True):
            if await asyncio.to_thread(self.is_false, digest):
                kinds.append("proven before")
                continue
            found = await self.fault_of(one, sale_id, sale)
            if found is not None:
                await asyncio.to_thread(self.prove, one, found, digest)
                kinds.append(found.kind.name or str(found.kind.value))
        if not kinds:
            raise NothingWrong(sale=sale_id)
        call = clients.market.refund_false(sale_id, list(digests))
        await asyncio.to_thread(self.send, call, f"agent.refund_false:{sale_id}")
        ended = await asyncio.to_thread(sale_of, clients, sale_id)
        return Refused(tuple(kinds), digests, ended)

    async def object(self, sale_id: int) -> None:
        """Gain time to prove, against a bond."""
        market = self.look.clients.market
        sale = await asyncio.to_thread(sale_of, self.look.clients, sale_id)
        if sale.state is SaleState.DELIVERED:
            # in a token, the bond comes out of credit
            call = market.dispute(sale_id, value=sale.bond if sale.currency == NOBODY else 0)
            await asyncio.to_thread(self.send, call, f"agent.dispute:{sale_id}")

    async def fault_of(self, one: Shown, sale_id: int, sale: Sale) -> FalseProof | None:
        """What is wrong with a sale's delivery, as the contract can see it; None: nothing is."""
        return await self.fault_with(
            one, await asyncio.to_thread(self.look.secret_of, sale_id, sale)
        )

    async def fault_with(self, one: Shown, secret: bytes) -> FalseProof | None:
        """The same of any delivery; `secret` of the key that it was sealed to."""
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
