"""Readers among liars, over real sockets: exact bytes, blame on the liar, never on the honest."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from offchain.da.adapters.lying_server import Lie, LyingServer
from offchain.da.adapters.memory_chain import ChainRules
from offchain.da.adapters.memory_node import MemoryNode
from offchain.da.errors import InsufficientRows
from offchain.da.fetch import FetchRules
from offchain.da.retrieve import RetrievalRules
from offchain.node.peer_http import MAX_PROBLEM_BYTES, HttpLimits
from tests.support.da_network import Site, a_node, a_site, http_network, some_bytes

SALT = bytes(32)
PATIENT = RetrievalRules(
    deadline_seconds=120, fetch=FetchRules(request_seconds=60.0, hedge_seconds=0.1)
)


def with_liars(lie: Lie, liars: set[int]) -> Callable[[Site, int], MemoryNode]:
    def build(site: Site, operator: int) -> MemoryNode:
        node = a_node(site, operator)
        if operator not in liars:
            return node
        return MemoryNode(node.accept, LyingServer(node.serve, lie, slow_seconds=3))

    return build


@pytest.mark.parametrize("lie", [lie for lie in Lie if lie is not Lie.BAD_HEADER])
def test_inv_da_17__half_of_the_nodes_lie__exact_bytes_and_blame_on_them_alone(lie: Lie) -> None:
    payload = some_bytes(300_000)
    liars = {1, 2}

    async def story() -> None:
        limits = HttpLimits(read_seconds=1.0 if lie is Lie.SLOW else 10.0)
        async with http_network(a_site(4), with_liars(lie, liars), limits=limits) as network:
            site = network.site
            done = await site.disperse_with(network.client).disperse(payload, days=1, salt=SALT)
            hasty = 0.1 if lie is Lie.SLOW else 10.0
            fetch = FetchRules(
                request_seconds=1.0 if lie is Lie.SLOW else 10.0, hedge_seconds=hasty
            )
            rules = RetrievalRules(deadline_seconds=30, fetch=fetch)
            reader = site.retrieve_with(network.client, rules=rules)

            got = await reader.retrieve(done.blob_id)

            assert payload == got.payload
            assert got.blame.operators() <= liars
            if lie is not Lie.SLOW:  # a slow one may be outrun before its patience is over
                assert got.blame.operators()

    asyncio.run(story())


def test_inv_da_17__all_headers_but_one_are_bad__the_good_one_is_found() -> None:
    payload = some_bytes(10_000)

    async def story() -> None:
        build = with_liars(Lie.BAD_HEADER, {1, 2, 3})
        async with http_network(a_site(4), build) as network:
            site = network.site
            done = await site.disperse_with(network.client).disperse(payload, days=1, salt=SALT)

            got = await site.retrieve_with(network.client).retrieve(done.blob_id)

            assert payload == got.payload
            assert 4 not in got.blame.operators()

    asyncio.run(story())


async def bracket_bomb(_: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
    """An ASGI application whose every refusal is JSON nested as deep as a client reads."""
    await send({"type": "http.response.start", "status": 400, "headers": []})
    await send({"type": "http.response.body", "body": b"[" * MAX_PROBLEM_BYTES})


def test_inv_da_17__nested_json_in_a_refusal__exact_bytes_from_the_others() -> None:
    payload = some_bytes(10_000)

    def build(site: Site, operator: int) -> object:
        return bracket_bomb if operator == 1 else a_node(site, operator)

    async def story() -> None:
        rules = ChainRules(confirm_slices=2_048)
        async with http_network(a_site(4, rules=rules), build) as network:
            site = network.site

            done = await site.disperse_with(network.client).disperse(payload, days=1, salt=SALT)
            got = await site.retrieve_with(network.client).retrieve(done.blob_id)

            assert payload == got.payload
            assert got.blame.operators() <= {1}

    asyncio.run(story())


def test_inv_da_17__endpoint_that_no_resolver_stands__exact_bytes_from_the_others() -> None:
    payload = some_bytes(10_000)

    async def story() -> None:
        rules = ChainRules(confirm_slices=2_048)
        async with http_network(a_site(4, rules=rules)) as network:
            members = list(network.site.chain.members)
            members[0] = replace(members[0], endpoint="http://xn--a:1")
            network.site.chain.members = tuple(members)
            site = network.site

            done = await site.disperse_with(network.client).disperse(payload, days=1, salt=SALT)
            got = await site.retrieve_with(network.client).retrieve(done.blob_id)

            assert payload == got.payload
            assert got.blame.operators() <= {1}

    asyncio.run(story())


def test_retrieve__too_few_rows_left__insufficient_with_the_owners() -> None:
    async def story() -> None:
        build, limits = with_liars(Lie.GARBAGE, {1, 2, 3}), HttpLimits(read_seconds=60.0)
        async with http_network(a_site(4), build, limits=limits) as network:
            site = network.site
            done = await site.disperse_with(network.client).disperse(b"short", days=1, salt=SALT)
            with pytest.raises(InsufficientRows) as refused:
                await site.retrieve_with(network.client, rules=PATIENT).retrieve(done.blob_id)
            assert refused.value.fields["missing_owners"] == "1,2,3"
            assert 0 < int(str(refused.value.fields["rows"])) < 1_024

    asyncio.run(story())


def test_retrieve__one_third_of_the_nodes_dead__within_the_deadline() -> None:
    payload = some_bytes(500_000)

    async def story() -> None:
        rules = ChainRules(confirm_slices=2_048)
        async with http_network(a_site(6, rules=rules)) as network:
            site = network.site
            done = await site.disperse_with(network.client).disperse(payload, days=1, salt=SALT)
            for operator in (1, 2, 3, 4):
                await network.stop(operator)

            got = await site.retrieve_with(network.client).retrieve(done.blob_id)

            assert payload == got.payload
            assert got.blame.operators() <= {1, 2, 3, 4}
            assert got.data_rows < 1_024

    asyncio.run(story())
