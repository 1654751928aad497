"""Answers bought of a provider in this process, by its official client form."""

from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.answers import Route
from tests.support.compute import PAYER
from tests.support.compute_provider import (
    CHAT,
    World,
    wanted,
)

OWNER = (PAYER.address, bytes(20))


SAID = "I read 3 words."


async def bought(
    world: World, body: bytes, route: Route = Route.CHAT, service: bytes = CHAT
) -> str:
    async with HttpProviderClient() as client:
        buyer = world.buyer(client)
        order = await buyer.order(service, wanted(body, route=route))
        return (await buyer.ask(order)).text
