"""Agents for programs that wait for each answer; each method as in `AsyncAgents`."""

from collections.abc import Mapping

from offchain.agents.buy_agent import Quote
from offchain.agents.mint_agent import MintWish
from offchain.agents.onchain_market import Sale
from offchain.agents.orders import NOBODY, Offer
from offchain.agents.refuse import Refused
from offchain.agents.sell import SellWish
from offchain.agents.token_view import AgentToken
from offchain.agents.trade_files import Invite, Proofs, SignedOffer, SignedOrder
from offchain.sdk.agent_parts import Bundle
from offchain.sdk.agents import AsyncAgents
from offchain.sdk.loop_thread import LoopThread
from offchain.sdk.waiting_agent_leases import AgentLeases


class Agents(AgentLeases):
    """What one wallet does with agents."""

    def __init__(self, agents: AsyncAgents, loop: LoopThread) -> None:
        super().__init__(agents, loop)
        self._agents = agents

    def mint(self, content: Mapping[str, bytes], wish: MintWish) -> int:
        """The new token's id."""
        return self._loop.run(self._agents.mint(content, wish))

    def token(self, token: int) -> AgentToken:
        return self._loop.run(self._agents.token(token))

    def owned(self) -> list[int]:
        """Tokens of this wallet."""
        return self._loop.run(self._agents.owned())

    def sale(self, sale: int) -> Sale:
        return self._loop.run(self._agents.sale(sale))

    def open(self, token: int) -> list[Bundle]:
        """Every entry of an own token, in memory."""
        return self._loop.run(self._agents.open(token))

    def sell(self, wish: SellWish) -> SignedOrder:
        return self._loop.run(self._agents.sell(wish))

    def cancel(self, order: SignedOrder) -> None:
        self._loop.run(self._agents.cancel(order))

    def quote(
        self, order: SignedOrder, *, max_price: int | None = None, currency: bytes = NOBODY
    ) -> Quote:
        """What buying costs and moves; nothing is signed."""
        return self._loop.run(self._agents.quote(order, max_price=max_price, currency=currency))

    def buy(self, order: SignedOrder, *, max_price: int, currency: bytes = NOBODY) -> int:
        """The sale's number."""
        return self._loop.run(self._agents.buy(order, max_price=max_price, currency=currency))

    def bid(self, order: SignedOrder, *, amount: int) -> int:
        """The sale's number."""
        return self._loop.run(self._agents.bid(order, amount=amount))

    def offer(self, wish: Offer) -> SignedOffer:
        return self._loop.run(self._agents.offer(wish))

    def take_offer(
        self, offer: SignedOffer, token: int, *, royalty_max: int, currency: bytes = NOBODY
    ) -> int:
        """The sale's number."""
        return self._loop.run(
            self._agents.take_offer(offer, token, royalty_max=royalty_max, currency=currency)
        )

    def prove(self, sale: int) -> Proofs:
        return self._loop.run(self._agents.prove(sale))

    def deliver(self, sale: int) -> Sale:
        """On chain; goes on when it was killed."""
        return self._loop.run(self._agents.deliver(sale))

    def take(self, sale: int, proofs: Proofs | None = None) -> list[Bundle]:
        """Open, compare, settle."""
        return self._loop.run(self._agents.take(sale, proofs))

    def refuse(self, sale: int, *, is_late: bool = False) -> Refused[Sale]:
        return self._loop.run(self._agents.refuse(sale, is_late=is_late))

    def settle(self, sale: int) -> Sale:
        """What time or a proof has decided, by anybody."""
        return self._loop.run(self._agents.settle(sale))

    def invite(self, token: int) -> Invite:
        return self._loop.run(self._agents.invite(token))

    def prove_gift(self, invite: Invite, *, is_clone: bool = False) -> Proofs:
        return self._loop.run(self._agents.prove_gift(invite, is_clone=is_clone))

    def agree(self, proofs: Proofs) -> Proofs:
        return self._loop.run(self._agents.agree(proofs))

    def give(self, proofs: Proofs) -> None:
        self._loop.run(self._agents.give(proofs))

    def credit(self, currency: bytes = NOBODY) -> int:
        """What sales and leases owe, in base units."""
        return self._loop.run(self._agents.credit(currency))

    def put_in(self, needed: int, *, currency: bytes = NOBODY) -> int:
        """Have at least so much as credit; what it was before."""
        return self._loop.run(self._agents.put_in(needed, currency=currency))

    def deposit(self, amount: int, *, currency: bytes = NOBODY) -> None:
        self._loop.run(self._agents.deposit(amount, currency=currency))

    def withdraw(self, *, currency: bytes = NOBODY, to: bytes | None = None) -> int:
        """How much was taken out."""
        return self._loop.run(self._agents.withdraw(currency=currency, to=to))
