"""Agents for a time, and clones: the part of `sdk.agents` that moves no token.

Amounts are base units of a currency (wei of the coin where none is named), times seconds. What a
lease or an order holds comes back as credit: `withdraw` takes it.
Source: docs/how-to/rent-an-agent.md.
"""

import asyncio
from typing import Final

from offchain.agents.onchain_leases import (
    CloneOrder,
    CloneOrdered,
    Lease,
    Licence,
    Rented,
    RentTerms,
)
from offchain.agents.orders import NOBODY
from offchain.agents.refuse import Refused
from offchain.agents.refuse_clone import RefuseClone
from offchain.sdk.agent_parts import Bundle, OpenedAgents

MAX_LISTED: Final = 256


class AsyncAgentLeases(OpenedAgents):
    """Let, rent, license and clone, for asynchronous programs."""

    async def let(self, token: int, terms: RentTerms) -> None:
        """Offer an own token for rent; `terms.price` is of a second.

        Raises: LeaseNotEntitled, LeaseInputRefused.
        """
        parts = await self._parts()
        call = parts.lease.leases.set_rent(token, terms)
        await asyncio.to_thread(parts.act, call, f"let:{token}")

    async def rent_terms(self, token: int) -> RentTerms:
        """What a second costs; `shortest` 0: not for rent."""
        parts = await self._parts()
        at = parts.clients.node.block().hash
        return await asyncio.to_thread(parts.lease.leases.rent_of, token, at=at)

    async def rent(
        self, token: int, seconds: int, *, most: int, currency: bytes = NOBODY
    ) -> Rented:
        """Pay for a time in advance, `most` base units at most; what is not used comes back.

        Raises: PriceTooHigh, OtherCurrency, SaleNotHere, NotOffered, LeaseStateRefused.
        """
        lease = (await self._parts()).lease
        return await asyncio.to_thread(
            lambda: lease.rent(token, seconds, most=most, currency=currency)
        )

    async def lease(self, lease: int) -> Lease:
        """`until` 0: it has ended, or there is none."""
        parts = await self._parts()
        at = parts.clients.node.block().hash
        return await asyncio.to_thread(parts.lease.leases.lease, lease, at=at)

    async def end_lease(self, lease: int) -> int:
        """As the renter: give it back early; what is credited of the rent.

        Raises: LeaseNotEntitled, LeaseStateRefused.
        """
        return await asyncio.to_thread((await self._parts()).lease.end, lease)

    async def collect(self, lease: int) -> int:
        """What a lease has earned its owner since it was last collected, as his credit."""
        return await asyncio.to_thread((await self._parts()).lease.collect, lease)

    async def open_leases(self) -> list[tuple[int, Lease]]:
        """Leases that money is held for and this wallet is a side of, by number."""
        parts = await self._parts()

        def read() -> list[tuple[int, Lease]]:
            found = parts.books.leases.open_leases(parts.clients.node.block(), most=MAX_LISTED)
            return [each for each in found if parts.owner in (each[1].owner, each[1].renter)]

        return await asyncio.to_thread(read)

    async def license(self, token: int, licence: Licence) -> None:
        """Offer clones of an own token. Raises: LeaseNotEntitled, LeaseInputRefused."""
        parts = await self._parts()
        call = parts.lease.leases.set_licence(token, licence)
        await asyncio.to_thread(parts.act, call, f"license:{token}")

    async def licence(self, token: int) -> Licence:
        """On what terms clones are sold; `max_clones` 0: none are."""
        parts = await self._parts()
        at = parts.clients.node.block().hash
        return await asyncio.to_thread(parts.lease.leases.licence_of, token, at=at)

    async def clone(self, token: int, *, most: int, currency: bytes = NOBODY) -> CloneOrdered:
        """Order a clone; the fee waits in escrow. The order that waits already, if there is one.

        Raises: PriceTooHigh, OtherCurrency, SaleNotHere, NotOffered.
        """
        parts = await self._parts()

        def order() -> CloneOrdered:
            waiting = parts.lease.waiting_order(token)
            if waiting is not None:
                return waiting
            return parts.lease.order_clone(token, most=most, currency=currency)

        return await asyncio.to_thread(order)

    async def clone_order(self, order: int) -> CloneOrder:
        """Raises: SaleNotHere."""
        return await asyncio.to_thread((await self._parts()).lease.order, order)

    async def deliver_clone(self, order: int) -> int:
        """As the owner: have oracles make it; the clone's token. Goes on when it was killed.

        Raises: SaleNotHere, NotYours, KeyNotHeld, TooFewOracles.
        """
        return await (await self._parts()).lease.hand_over(order)

    async def take_clone(self, order: int) -> list[Bundle]:
        """As the buyer: open it, and let its owner be paid.

        Raises: CloneWrong before anything is sent, SaleNotHere.
        """
        held = await (await self._parts()).lease.take(order)
        return [Bundle(one.data, one.data_key) for one in held]

    async def refuse_clone(self, order: int) -> Refused[CloneOrder]:
        """As the buyer: prove it false, have the fee back, its signers punished.

        Raises: CloneRight, SaleNotHere.
        """
        parts = await self._parts()
        ended = await RefuseClone(parts.lease, parts.refuse).prove(order)
        await asyncio.to_thread(parts.punish, ended.proven.digests)
        return ended

    async def settle_clone(self, order: int) -> bool:
        """By anybody: pay, or pay back, what time or a proof has decided; whether it was due."""
        parts = await self._parts()

        def end() -> bool:
            book, block = parts.books.leases, parts.clients.node.block()
            made = (book.refund_false_call(order, block), book.end_order_call(order, block))
            call = parts.first_accepted([one for one in made if one], block)
            if call:
                parts.act(call, f"{call.function}:{order}")
            return call is not None

        return await asyncio.to_thread(end)
