"""What is over is removed, what is not never: by state, time and depth."""

import asyncio
from dataclasses import replace

import pytest

from offchain.da.adapters.memory_node import MemoryNode
from offchain.da.collect import CollectGarbage, CollectRules, Fate, fate_of
from offchain.da.model import BlobState
from tests.support.da_network import Site, Upload, a_node, a_request, a_site, an_upload, send

RULES = CollectRules(depth=2, answer_seconds=100)


@pytest.mark.parametrize(
    ("state", "now", "fate"),
    [
        (BlobState.PAID, 0, Fate.KEEP_COUNTED),
        (BlobState.PAID, 1_000, Fate.KEEP_COUNTED),  # the deadline's own second still counts
        (BlobState.PAID, 1_001, Fate.DROP),
        (BlobState.REFUNDED, 0, Fate.DROP),
        (BlobState.CONFIRMED, 1_001, Fate.KEEP),
        (BlobState.CONFIRMED, 5_199, Fate.KEEP),
        (BlobState.CONFIRMED, 5_200, Fate.DROP),
        (BlobState.VOID, 5_199, Fate.KEEP),
        (BlobState.VOID, 5_200, Fate.DROP),
    ],
)
def test_fate__state_and_time__as_the_page_says(state: BlobState, now: int, fate: Fate) -> None:
    record = an_upload(a_site(4)).view.record
    judged = replace(record, state=state, deadline=1_000, expiry=5_000)
    assert fate_of(judged, 0, now, RULES) is fate


@pytest.mark.parametrize(("now", "fate"), [(1_000, Fate.KEEP_COUNTED), (1_001, Fate.DROP)])
def test_fate__chain_forgot_the_payment__kept_until_the_known_deadline(
    now: int, fate: Fate
) -> None:
    assert fate_of(None, 1_000, now, RULES) is fate


def a_holder(site: Site, upload: Upload) -> tuple[MemoryNode, CollectGarbage]:
    node = a_node(site, 1)
    asyncio.run(send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body))
    return node, CollectGarbage(node.accept, site.parts[1], RULES)


def held(site: Site, upload: Upload) -> frozenset[int]:
    return asyncio.run(site.parts[1].store.rows_held(upload.blob_id))


def test_collect__deadline_over_but_not_deep_enough__kept() -> None:
    site = a_site(4)
    upload = an_upload(site)
    _, collector = a_holder(site, upload)
    site.chain.mine(seconds=1_000)
    site.chain.mine()
    assert asyncio.run(collector.collect()) == []
    assert held(site, upload)

    site.chain.mine(3)

    assert [upload.blob_id] == asyncio.run(collector.collect())
    assert not held(site, upload)
    assert asyncio.run(site.parts[1].journal.decisions()) == []
    assert asyncio.run(collector.collect()) == []


def test_collect__payment_taken_back_by_a_reorg__kept_until_the_deadline() -> None:
    site = a_site(4)
    upload = an_upload(site)
    _, collector = a_holder(site, upload)
    site.chain.rewind(0)
    site.chain.mine(10)
    assert asyncio.run(collector.collect()) == []
    site.chain.mine(10, seconds=200)
    assert [upload.blob_id] == asyncio.run(collector.collect())
