"""Agents for programs: mint, look, sell, buy, have delivered, take or refuse, give away, rent.

Nothing is signed that was not asked for by name: `quote` before `buy`, an order before a sale. What
`open` and `take` return is in memory only. Amounts are base units of a currency (wei of the coin
where none is named), times seconds. What is owed is credit until `withdraw`. Running an agent is
`apogee agent run`: it needs a home with its sessions and processes.
Source: docs/how-to/trade-agents.md.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from offchain.agents.buy_agent import Quote
from offchain.agents.mint_agent import MintWish
from offchain.agents.onchain_market import Sale
from offchain.agents.oracle_ports import Op
from offchain.agents.orders import NOBODY, Offer
from offchain.agents.refuse import Refused
from offchain.agents.sell import SellWish, sale_of
from offchain.agents.token_view import AgentToken, read_token
from offchain.agents.trade_files import Invite, Proofs, SignedOffer, SignedOrder
from offchain.sdk.agent_leases import AsyncAgentLeases
from offchain.sdk.agent_parts import AgentParts, Bundle

MAX_LISTED: Final = 1_000


class AsyncAgents(AsyncAgentLeases):
    """Agents, for asynchronous programs; renting and cloning in `AsyncAgentLeases`."""

    async def mint(self, content: Mapping[str, bytes], wish: MintWish) -> int:
        """Encrypt, store and mint; the token's id. The same content is minted once.

        Raises: NoAccount, BundleHoldsSecret, BundleMalformed.
        """
        return await (await self._parts()).mint.mint(content, wish)

    async def token(self, token: int) -> AgentToken:
        """A token at the newest block. Raises: RootsUntold."""
        return await asyncio.to_thread(read_token, (await self._parts()).clients, token)

    async def owned(self) -> list[int]:
        """Tokens of this wallet, among the newest thousand."""
        parts = await self._parts()

        def read() -> list[int]:
            nft, at = parts.clients.nft, parts.clients.node.block().hash
            count = nft.total_supply(at=at)
            tokens = range(max(1, count - MAX_LISTED + 1), count + 1)
            return [one for one in tokens if nft.owner_of(one, at=at) == parts.owner]

        return await asyncio.to_thread(read)

    async def sale(self, sale: int) -> Sale:
        """Raises: SaleNotHere."""
        return await asyncio.to_thread(sale_of, (await self._parts()).clients, sale)

    async def open(self, token: int) -> list[Bundle]:
        """Every entry of an own token. Raises: NotYours, KeyNotHeld."""
        held = await (await self._parts()).hold.open(token)
        return [Bundle(one.data, one.data_key) for one in held]

    async def sell(self, wish: SellWish) -> SignedOrder:
        """Approve the market, put the bond in where either is missing, and sign an order.

        A bond in a token is approved, exactly. Raises: NotYours, FundsShort, CurrencyRefused.
        """
        parts = await self._parts()
        market, nft = parts.clients.market, parts.clients.nft

        def prepare() -> None:
            at = parts.clients.node.block().hash
            if nft.get_approved(wish.token, at=at) != market.address:
                parts.act(nft.approve(market.address, wish.token), f"approve:{wish.token}")
            bond = market.bond_of(wish.price, at=at)
            parts.buy.payer.pay_in(market, wish.currency, bond, name=f"sdk.bond:{wish.token}")

        await asyncio.to_thread(prepare)
        return await asyncio.to_thread(parts.sell.order, wish)

    async def cancel(self, order: SignedOrder) -> None:
        """Take an order of this wallet back. Raises: OrderSpent."""
        parts = await self._parts()
        call = parts.clients.market.cancel(order.order.nonce)
        await asyncio.to_thread(parts.act, call, f"cancel:{order.order.nonce}")

    async def quote(
        self, order: SignedOrder, *, max_price: int | None = None, currency: bytes = NOBODY
    ) -> Quote:
        """What buying costs and moves; nothing is signed.

        Raises: GoodsMoved, GoodsUnusable, PriceTooHigh, OtherCurrency, OrderElsewhere.
        """
        parts = await self._parts()
        return await parts.buy.quote(order, most=max_price, currency=currency)

    async def buy(self, order: SignedOrder, *, max_price: int, currency: bytes = NOBODY) -> int:
        """Pay and lock; the sale's number, once however often.

        What is missing of a price in a token is approved, exactly, and put in before.
        Raises: as `quote`, FundsShort, CurrencyRefused.
        """
        parts = await self._parts()
        begun = await asyncio.to_thread(parts.buy.begun, order)
        if begun is not None:
            return begun
        found = await parts.buy.quote(order, most=max_price, currency=currency)
        return await parts.buy.buy(order, price=found.price)

    async def bid(self, order: SignedOrder, *, amount: int) -> int:
        """Bid in an English auction; the sale's number. What is outbid is credit again.

        Raises: BidTooLow, SaleTooLate, CreditTooLow.
        """
        return await (await self._parts()).buy.bid(order, amount=amount)

    async def offer(self, wish: Offer) -> SignedOffer:
        """Sign an offer for a token as it is; the price has to be in: `put_in`."""
        parts = await self._parts()
        return await asyncio.to_thread(parts.buy.offer, wish)

    async def take_offer(
        self, offer: SignedOffer, token: int, *, royalty_max: int, currency: bytes = NOBODY
    ) -> int:
        """Sell to whoever made an offer; the sale's number, once. `royalty_max`: 1/10,000ths.

        Raises: GoodsMoved, NotYours, OtherCurrency, OrderElsewhere, CreditTooLow.
        """
        parts = await self._parts()
        return await parts.sell.take(
            offer, token_id=token, royalty_max=royalty_max, currency=currency
        )

    async def prove(self, sale: int) -> Proofs:
        """As the seller: what the buyer takes, signed by oracles. Raises: TooFewOracles."""
        return await (await self._parts()).sell.prove(sale)

    async def deliver(self, sale: int) -> Sale:
        """As the seller: have oracles re-encrypt, and show it on chain; goes on when killed.

        Raises: TooFewOracles, SaleNotHere, NotYours, KeyNotHeld.
        """
        return await (await self._parts()).sell.hand_over(sale)

    async def take(self, sale: int, proofs: Proofs | None = None) -> list[Bundle]:
        """As the buyer: open, compare, settle. Raises: DeliveredWrong before anything is sent."""
        opened = await (await self._parts()).buy.take(sale, proofs)
        return [Bundle(one.data, one.data_key) for one in opened]

    async def refuse(self, sale: int, *, is_late: bool = False) -> Refused[Sale]:
        """As the buyer: prove a delivery false, take the refund, have its signers punished.

        `is_late`: object first, against a bond, to gain time. Raises: NothingWrong, SaleNotHere.
        """
        parts = await self._parts()
        if is_late:
            await parts.refuse.object(sale)
        ended = await parts.refuse.refuse(sale)
        await asyncio.to_thread(parts.punish, ended.proven.digests)
        return ended

    async def settle(self, sale: int) -> Sale:
        """By anybody: refund, settle or close what time or a proof has decided; the sale then."""
        parts = await self._parts()

        def end() -> Sale:
            block = parts.clients.node.block()
            call = parts.first_accepted(list(parts.books.sales.endings(sale, block)), block)
            if call:
                parts.act(call, f"{call.function}:{sale}")
            return sale_of(parts.clients, sale)

        return await asyncio.to_thread(end)

    async def invite(self, token: int) -> Invite:
        """Where this wallet wants a gift sealed to."""
        parts = await self._parts()
        return await asyncio.to_thread(parts.hold.invite, token)

    async def prove_gift(self, invite: Invite, *, is_clone: bool = False) -> Proofs:
        """As the owner: deliver the token, or a clone of it, to whoever gave the invite."""
        op = Op.CLONE if is_clone else Op.TRANSFER
        return await (await self._parts()).sell.prove_for(invite, op)

    async def agree(self, proofs: Proofs) -> Proofs:
        """As the receiver: open a gift, compare it, sign for it. Raises: DeliveredWrong."""
        signed, _ = await (await self._parts()).hold.agree(proofs)
        return signed

    async def give(self, proofs: Proofs) -> None:
        """As the owner: hand the token, or the clone, over once its receiver has agreed."""
        await (await self._parts()).hold.give(proofs)

    async def credit(self, currency: bytes = NOBODY) -> int:
        """What sales and leases owe this wallet together, in base units."""
        market, leases = await self._credits(await self._parts(), currency)
        return market + leases

    async def put_in(self, needed: int, *, currency: bytes = NOBODY) -> int:
        """Have at least so much as credit in the market; what it was before.

        What is missing is put in, approved exactly where it is of a token: again, nothing is sent.
        Raises: FundsShort, AllowanceStuck, CurrencyRefused.
        """
        parts = await self._parts()
        market, payer = parts.clients.market, parts.buy.payer

        def put() -> int:
            found = payer.look(market, currency, needed)
            payer.pay_in(market, currency, needed, name="sdk.put_in")
            return found.credit

        return await asyncio.to_thread(put)

    async def deposit(self, amount: int, *, currency: bytes = NOBODY) -> None:
        """Put so much more into the market. Asked twice, it is put in twice: see `put_in`.

        Raises: as `put_in`.
        """
        parts = await self._parts()
        at = parts.clients.node.block().hash
        before = await asyncio.to_thread(
            parts.clients.market.credit_of, parts.owner, currency, at=at
        )
        await self.put_in(before + amount, currency=currency)

    async def withdraw(self, *, currency: bytes = NOBODY, to: bytes | None = None) -> int:
        """Take out all that sales and leases owe; how much that was, 0: nothing was sent."""
        parts = await self._parts()
        owed = await self._credits(parts, currency)
        take = (parts.clients.market.withdraw, parts.lease.leases.withdraw)
        for withdraw, amount in zip(take, owed, strict=True):
            if amount:
                call = withdraw(currency, amount, to or parts.owner)
                await asyncio.to_thread(parts.act, call, f"withdraw:{call.contract}")
        return sum(owed)

    @staticmethod
    async def _credits(parts: AgentParts, currency: bytes) -> tuple[int, int]:
        def read() -> tuple[int, int]:
            at = parts.clients.node.block().hash
            market, leases = parts.clients.market, parts.lease.leases
            return (
                market.credit_of(parts.owner, currency, at=at),
                leases.credit_of(parts.owner, currency, at=at),
            )

        return await asyncio.to_thread(read)
