"""A sampler over real sockets: what it says, of whom it asks, and when it says nothing."""

import asyncio
from fractions import Fraction
from random import Random

import pytest

from offchain.core.layout import K, N
from offchain.core.matrix.encode import encode
from offchain.da.adapters.lying_server import Lie, LyingServer
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.confidence import doubt
from offchain.da.errors import Bottom, InsufficientRows
from offchain.da.fraud import BottomProven
from offchain.da.plan import FetchRules
from offchain.da.ports import NodeClient, Share
from offchain.da.sample import SampleBlob, Sampled, SampleRules
from tests.integration.da.test_bottom import (
    bad_blob,
    kept_by_all,
    one_parity_bit,
    published,
)
from tests.support.da_network import (
    Site,
    a_site,
    http_network,
    memory_network,
    some_bytes,
    the_engine,
)

SALT = bytes(32)
WANTED = Fraction(999_999, 1_000_000)
HASTY = SampleRules(fetch=FetchRules(pause_seconds=0.0))


def sampler(site: Site, client: NodeClient, *, seed: int = 1) -> SampleBlob:
    reader = site.retrieve_with(client)
    return SampleBlob(
        site.chain, client, the_engine(), reader=reader, randomness=Random(seed), rules=HASTY
    )


def test_sample__all_nodes_there__asked_confidence_with_the_fewest_rows() -> None:
    async def story() -> Sampled:
        async with http_network(a_site(4)) as network:
            site = network.site
            done = await site.disperse_with(network.client).disperse(
                some_bytes(300_000), days=1, salt=SALT
            )
            return await sampler(site, network.client).sample(done.blob_id, WANTED)

    seen = asyncio.run(story())
    assert seen.is_reached
    assert len(seen.rows) == len(seen.good) == 14
    assert len(set(seen.rows)) == 14
    assert seen.doubt == doubt(14, 14)
    assert 1 - seen.doubt >= WANTED
    assert seen.operators <= {1, 2, 3, 4}
    assert not seen.blame.records


@pytest.mark.parametrize("lie", [Lie.WRONG_BYTES, Lie.WRONG_PATH, Lie.GARBAGE, Lie.EMPTY])
def test_sample__one_node_of_four_lies__asks_for_more_and_counts_no_lie(lie: Lie) -> None:
    async def story() -> Sampled:
        site = a_site(4)
        client = memory_network(site)
        done = await site.disperse_with(client).disperse(some_bytes(9_000), days=1, salt=SALT)
        node = client.nodes["http://127.0.0.1:2"]
        client.nodes["http://127.0.0.1:2"] = MemoryNode(node.accept, LyingServer(node.serve, lie))
        return await sampler(site, client).sample(done.blob_id, WANTED)

    seen = asyncio.run(story())
    assert seen.is_reached
    assert len(seen.good) < len(seen.rows)
    assert 2 not in seen.operators
    assert seen.blame.operators() == {2}


def test_inv_da_18__blob_that_cannot_be_rebuilt__confidence_is_not_reached() -> None:
    async def story() -> Sampled:
        site = a_site(4)
        client = memory_network(site)
        done = await site.disperse_with(client).disperse(some_bytes(9_000), days=1, salt=SALT)
        for operator in (1, 2, 3):
            del client.nodes[f"http://127.0.0.1:{operator}"]
        return await sampler(site, client).sample(done.blob_id, WANTED)

    seen = asyncio.run(story())
    assert not seen.is_reached
    assert seen.operators <= {4}
    assert seen.doubt == doubt(len(seen.good), len(seen.rows))
    assert len(seen.rows) <= HASTY.most_rows


def test_inv_da_18__no_header_that_holds__no_confidence() -> None:
    async def story() -> None:
        site = a_site(2)
        client = memory_network(site)
        done = await site.disperse_with(client).disperse(some_bytes(9_000), days=1, salt=SALT)
        for where, node in list(client.nodes.items()):
            liar = LyingServer(node.serve, Lie.BAD_HEADER)
            client.nodes[where] = MemoryNode(node.accept, liar)
        with pytest.raises(InsufficientRows):
            await sampler(site, client).sample(done.blob_id, WANTED)

    asyncio.run(story())


def test_sample__row_that_breaks_the_code__bottom_with_its_proof() -> None:
    site = a_site(2)
    blob = bad_blob(lambda rows: rows.__setitem__((slice(K, N), 0, 31), 7))
    blob_id = published(site, blob)

    async def story() -> BottomProven:
        client = await kept_by_all(site, blob, blob_id)
        with pytest.raises(BottomProven) as proven:
            await sampler(site, client).sample(blob_id, WANTED)
        return proven.value

    found = asyncio.run(story())
    assert found.row.index >= K


def test_sample__void_blob__bottom_without_asking_anybody() -> None:
    site = a_site(2)
    blob_id = published(site, bad_blob(one_parity_bit))
    site.chain.void(blob_id)

    with pytest.raises(Bottom):
        asyncio.run(sampler(site, MemoryNodeClient({})).sample(blob_id, WANTED))


def test_sample__owner_is_gone_and_its_heirs_hold_its_rows__rows_count() -> None:
    async def story() -> Sampled:
        site = a_site(3)
        client = memory_network(site)
        payload = some_bytes(9_000)
        done = await site.disperse_with(client).disperse(payload, days=1, salt=SALT)
        blob = encode(payload, the_engine())
        view = site.chain.view(done.blob_id, at=site.chain.head().block)
        assert view.duties is not None
        lost = next(duty for duty in view.duties.members if duty.operator == 2)
        share = Share(
            done.blob_id,
            b"\x77" * 32,
            view.record.deadline,
            blob.shape.columns,
            lost.rows,
            blob.header.to_bytes(),
            blob.rows_frame(done.blob_id, lost.rows),
        )
        await site.parts[1].store.put(share)
        del client.nodes[lost.endpoint]
        return await sampler(site, client).sample(done.blob_id, WANTED)

    seen = asyncio.run(story())
    assert seen.is_reached
    assert len(seen.good) == len(seen.rows) == 14
