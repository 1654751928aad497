"""What one wallet of a program trades agents with."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from offchain.agents.adapters.chain_findings import ChainFindings
from offchain.agents.adapters.chain_leases import ChainLeases
from offchain.agents.adapters.chain_sales import ChainSales
from offchain.agents.buy_agent import Buy
from offchain.agents.hold import Hold
from offchain.agents.lease_agent import LeaseAgent
from offchain.agents.mint_agent import Mint
from offchain.agents.refuse import Refuse
from offchain.agents.sell import Sell
from offchain.agents.token_view import TradeClients
from offchain.chain.due import is_accepted
from offchain.chain.model import Address, Block, Receipt, TypedCall


@dataclass(frozen=True, slots=True)
class AgentBooks:
    """What waits for somebody to end it, read from the chain."""

    sales: ChainSales
    leases: ChainLeases
    findings: ChainFindings


@dataclass(frozen=True, slots=True)
class AgentParts:
    """The flows of one wallet, and what they look at."""

    clients: TradeClients
    owner: bytes
    mint: Mint
    sell: Sell
    buy: Buy
    hold: Hold
    refuse: Refuse
    lease: LeaseAgent
    books: AgentBooks

    def act(self, call: TypedCall, name: str) -> Receipt:
        """Send what may be wanted again: its key is bound to the newest block. Blocking."""
        head = self.clients.node.block().hash.hex()
        return self.sell.send(call, f"sdk.{name}:{head}")

    def first_accepted(self, calls: list[TypedCall], block: Block) -> TypedCall | None:
        """The first that its contract would take from this wallet. Blocking."""
        node, owner = self.clients.node, Address(self.owner)
        return next((one for one in calls if is_accepted(node, one, owner, block.hash)), None)

    def punish(self, digests: tuple[bytes, ...]) -> int:
        """Have the signers of false deliveries slashed; of how many that was done. Blocking."""
        count = 0
        for digest in digests:
            block = self.clients.node.block()
            call = self.books.findings.punish_call(digest, block)
            if call and self.first_accepted([call], block):
                self.act(call, f"punish:{digest.hex()}")
                count += 1
        return count


@dataclass(frozen=True, slots=True)
class Bundle:
    """One entry in the clear."""

    data: bytes = field(repr=False)
    data_key: bytes = field(repr=False)


class OpenedAgents:
    """Parts that are opened once, when they are first used."""

    def __init__(self, opening: Callable[[], Awaitable[AgentParts]]) -> None:
        """`opening` is called once, when agents are first used."""
        self._opening = opening
        self._opened: AgentParts | None = None
        self._turn = asyncio.Lock()

    async def _parts(self) -> AgentParts:
        async with self._turn:
            if self._opened is None:
                self._opened = await self._opening()
            return self._opened
