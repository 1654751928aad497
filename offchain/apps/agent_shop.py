"""An agent that sells its work: a service of the compute market whose engine is the agent.

Vouchers, receipts, settlement and courts are every provider's; the price is one for each request.
What a request costs the agent itself (its thoughts) its own account pays.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import uvicorn

from offchain.agents.adapters.agent_engine import AgentEngine
from offchain.agents.adapters.paid_desk import PaidDesk
from offchain.apps.agent_acting import Opened
from offchain.apps.node_chores import Chore
from offchain.apps.output import say
from offchain.apps.provider import ProviderProcess
from offchain.apps.provider_home import ProviderFile, ProviderPlace
from offchain.apps.provider_init import ProviderInit, Wish
from offchain.apps.settings import ProviderSettings, read_settings
from offchain.apps.stake import Actor
from offchain.compute.adapters.open_engine import EngineSpec
from offchain.compute.model import Numerics
from offchain.core.errors import Conflict


class ShopTaken(Conflict):
    """The role sells something else already, and one role has one list of what it sells."""

    code = "agents.shop.taken"
    next_step = "Let another role own the agent that sells, or serve it without --price."


Work = Callable[[str, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class ShopWish:
    """As typed: the price of a request, and the stake that the registry wants of a provider."""

    price: str
    stake: str = "200eth"

    def quote(self) -> dict[str, object]:
        return {
            "price": f"{self.price} a request, by voucher",
            "stake": f"{self.stake} locked in COMPUTE, unless it is there already",
        }


@dataclass(frozen=True, slots=True)
class ShopOffer:
    """The service as it stands on chain, and the agent behind it."""

    service: bytes
    engine: AgentEngine


@dataclass(frozen=True, slots=True)
class Shop:
    """What a host needs of it."""

    service: bytes
    desk: PaidDesk
    server: uvicorn.Server
    chores: list[Chore]


def register_shop(one: Actor, opened: Opened, wish: ShopWish, work: Work) -> ShopOffer:
    """Operator, stake, service, price: what is missing. Raises: ShopTaken, what a step says."""
    root = one.network.agents.data_root(opened.token, at=one.at)
    name = f"agent-{opened.token}"
    engine = AgentEngine(name, root, work)
    place = ProviderPlace(one.home, one.role)
    if place.file.exists():
        others = {sold.spec.model for sold in ProviderFile.load(place).offered} - {name}
        if others:
            raise ShopTaken(role=one.role, sells=", ".join(sorted(others)))
    spec = EngineSpec(name, numerics=Numerics.OPAQUE)
    wanted = Wish(
        (spec,), stake=wish.stake, input_price="0", output_price="0", request_price=wish.price
    )
    init = ProviderInit(one, wanted, {spec: engine.facts()})
    for step in init.steps():
        say(f"     {'+' if step.is_new else '='} {step.name:<9} {step.what}")
    return ShopOffer(init.file().offered[0].service, engine)


async def open_shop(one: Actor, offer: ShopOffer, stack: AsyncExitStack) -> Shop:
    """The provider's parts around the agent. Raises: FileMissing, Unavailable."""
    stack.push_async_callback(offer.engine.close)
    settings = read_settings(
        ProviderSettings, home=one.home.root, provider_role=one.role, tee="none"
    )
    place = ProviderPlace(one.home, one.role)
    process = await asyncio.to_thread(
        ProviderProcess, place, one.network, settings, {offer.service: offer.engine}
    )
    serve, server, chores = await process.parts()
    at = await asyncio.to_thread(one.network.node.block)
    domain = await asyncio.to_thread(one.network.escrow.domain_separator, at=at.hash)
    return Shop(offer.service, PaidDesk(serve, offer.service, domain), server, chores)
