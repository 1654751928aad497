"""Sales of agents that wait for somebody, and the calls that end them, read from the chain.

What ending a sale takes stands in no state: the digests of a delivery in `SaleDelivered`, what the
token's data become in AgentNFT's `Prepared`, an auction's order in the transaction of its first
bid, the oracles' signatures in the transaction that showed them. Both are looked for by their
content, so that it does not matter through which contract they came.
Source: docs/protocol/agents.md#market.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from offchain.agents.onchain_market import (
    AgentMarketClient,
    AuctionOpened,
    Sale,
    SaleDelivered,
    SaleLocked,
    SaleState,
)
from offchain.agents.onchain_nft import AgentNFTClient, Prepared
from offchain.agents.orders import SellOrder, market_domain
from offchain.chain.contract import ContractClient
from offchain.chain.event_ranges import logs_between
from offchain.chain.followed import Followed
from offchain.chain.model import Block, TypedCall
from offchain.chain.node import Node

WORD: Final = 32
ORDER_BYTES: Final = 16 * WORD
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SaleClients:
    """Where sales are read; `depth` blocks may still be replaced."""

    node: Node
    market: AgentMarketClient
    agents: AgentNFTClient
    first_block: int
    depth: int


class ChainSales:
    """Those that have not ended. One thread's."""

    def __init__(self, clients: SaleClients) -> None:
        self._clients = clients
        self._opened = self._follow(AuctionOpened, clients.market)
        self._locked = self._follow(SaleLocked, clients.market)
        self._delivered = self._follow(SaleDelivered, clients.market)
        self._prepared = self._follow(Prepared, clients.agents)
        self._final_since: dict[int, int] = {}  # sale -> the block that it was first seen ended at

    def open_sales(self, block: Block, *, most: int) -> list[tuple[int, Sale]]:
        """The oldest of them."""
        told = {one.sale for one in self._opened.upto(block)}
        told |= {one.sale for one in self._locked.upto(block)}
        numbers = [one for one in sorted(told) if not self._is_over(one, block)][:most]
        found = zip(numbers, self._clients.market.sales(numbers, at=block.hash), strict=True)
        waiting = []
        for number, sale in found:
            if sale.state.is_final:
                self._final_since.setdefault(number, block.number)
            else:
                self._final_since.pop(number, None)
                waiting.append((number, sale))
        return waiting

    def endings(self, number: int, block: Block) -> Iterator[TypedCall]:
        """Every call that may end a sale, or move it on, without either of its sides."""
        state = self._clients.market.sale(number, at=block.hash).state
        if state is SaleState.AUCTION:
            call = self.close_call(number, block)
            yield from [call] if call else []
            return
        for made in (self.refund_false_call(number, block), self.settle_call(number, block)):
            yield from [made] if made else []
        yield self.refund_call(number)

    def close_call(self, number: int, block: Block) -> TypedCall | None:
        """For an auction; None where its first bid does not show the order."""
        order = self.order_of(number, block)
        return self._clients.market.close(number, order) if order else None

    def refund_call(self, number: int) -> TypedCall:
        """For what was never delivered, or never settled."""
        return self._clients.market.refund(number)

    def refund_false_call(self, number: int, block: Block) -> TypedCall | None:
        """For what was proven false; None before a delivery."""
        told = self._delivery_of(number, block)
        return self._clients.market.refund_false(number, told.digests) if told else None

    def settle_call(self, number: int, block: Block) -> TypedCall | None:
        """None before a delivery."""
        told = self._delivery_of(number, block)
        sale = self._clients.market.sale(number, at=block.hash)
        prepared = [
            one.outputs
            for one in self._prepared.upto(block)
            if (one.token, one.receiver) == (sale.token, sale.buyer)
        ]
        if told is None or not prepared:
            return None
        outputs = [(one.data_hash, one.roots_hash) for one in prepared[-1]]
        return self._clients.market.settle(number, outputs, told.digests)

    def order_of(self, number: int, block: Block) -> SellOrder | None:
        """What the seller of an auction signed."""
        clients = self._clients
        span = (clients.first_block, block.number)
        named = {"sale": number}
        for log in logs_between(clients.node, clients.market, AuctionOpened, span, named):
            [opened] = clients.market.events_in(AuctionOpened, [log])
            raw = clients.node.input_of(log.transaction_hash) or b""
            found = self._order_in(raw, opened.order)
            if found is not None:
                return found
        return None

    def _order_in(self, raw: bytes, digest: bytes) -> SellOrder | None:
        """The order of this digest, wherever it stands among the bytes of a call."""
        clients = self._clients
        domain = market_domain(chain_id=clients.node.chain_id(), market=clients.market.address)
        mark = clients.agents.address.rjust(WORD, b"\0")  # the second word of an order
        at = raw.find(mark)
        while at != -1:
            first = max(0, at - WORD)
            order = clients.market.order_in(raw[first : first + ORDER_BYTES])
            if order is not None and order.digest(domain) == digest:
                return order
            at = raw.find(mark, at + 1)
        return None

    def _delivery_of(self, number: int, block: Block) -> SaleDelivered | None:
        told = [one for one in self._delivered.upto(block) if one.sale == number]
        return told[-1] if told else None

    def _is_over(self, number: int, block: Block) -> bool:
        """Whether it ended in a block that is not replaced any more."""
        since = self._final_since.get(number)
        return since is not None and block.number - since > self._clients.depth

    def _follow(self, kind: type[T], client: ContractClient) -> Followed[T]:
        return Followed(
            self._clients.node,
            client,
            kind,
            indexed={},
            first_block=self._clients.first_block,
            depth=self._clients.depth,
        )
