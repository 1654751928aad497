"""What a program of somebody in the world of traders has: `sdk.agents` over his parts."""

from offchain.sdk.agent_parts import AgentParts
from offchain.sdk.agents import AsyncAgents
from offchain.sdk.open_agents import agent_books
from tests.support.trade_world import Person


def agents_of(one: Person) -> AsyncAgents:
    """What a program of this person has."""
    world = one.world

    async def opening() -> AgentParts:
        return AgentParts(
            clients=world.clients,
            owner=one.address,
            mint=one.mint,
            sell=one.sell,
            buy=one.buy,
            hold=one.hold,
            refuse=one.refuse,
            lease=one.lease,
            books=agent_books(world.clients, world.leases),
        )

    return AsyncAgents(opening)
