"""A payload goes to real nodes over real sockets and comes back, byte for byte."""

import asyncio
import os

import pytest

from tests.support.da_network import a_disk_node, a_site, http_network, memory_network

SALT = bytes(32)


@pytest.mark.parametrize("length", [1, 253_952, 253_953, 1_000_000])
def test_pipeline__in_memory__returns_the_payload(length: int) -> None:
    site = a_site(4)
    payload = os.urandom(length)

    async def story() -> bytes:
        client = memory_network(site)
        done = await site.disperse_with(client).disperse(payload, days=14, salt=SALT)
        return (await site.retrieve_with(client).retrieve(done.blob_id)).payload

    assert payload == asyncio.run(story())


def test_pipeline__over_sockets_two_of_eight_die__returns_the_payload(tmp_path) -> None:
    payload = os.urandom(600_000)

    async def story() -> None:
        build = lambda site, operator: a_disk_node(site, operator, tmp_path / str(operator))
        async with http_network(a_site(8), build) as network:
            site = network.site
            done = await site.disperse_with(network.client).disperse(payload, days=1, salt=SALT)
            assert done.absent == ()
            await network.stop(2)
            await network.stop(5)

            got = await site.retrieve_with(network.client).retrieve(done.blob_id)

            assert payload == got.payload
            assert got.blame.operators() <= {2, 5}

    asyncio.run(story())
