"""What is over is removed, what is not never: by state, time and depth."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.chain.errors import NodeUnreachable
from offchain.da.accept import AcceptRows, NodeLimits
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.memory_node import MemoryNode
from offchain.da.collect import CollectGarbage, CollectRules, Fate, fate_of
from offchain.da.model import BlobState
from offchain.node.errors import StoreBroken
from offchain.node.faulty_disk import Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from tests.support.da_network import (
    Site,
    Upload,
    a_node,
    a_request,
    a_site,
    an_upload,
    memory_network,
    send,
    the_engine,
)
from tests.support.outages import Outages

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


def test_collect__payment_taken_back_by_a_reorg__kept_as_long_as_was_signed() -> None:
    site = a_site(4)
    upload = an_upload(site)
    _, collector = a_holder(site, upload)
    site.chain.rewind(0)
    site.chain.mine(10)
    site.chain.mine(10, seconds=200)  # past the deadline
    assert asyncio.run(collector.collect()) == []
    assert held(site, upload)

    site.chain.mine(seconds=86_400)
    site.chain.mine(3)

    assert [upload.blob_id] == asyncio.run(collector.collect())


def test_inv_da_24__another_chain_after_a_restart__what_was_signed_is_kept() -> None:
    """An operator that points its node at a wrong chain must not lose its rows for it."""
    site = a_site(4)
    upload = an_upload(site)
    a_holder(site, upload)
    elsewhere = a_site(4)
    elsewhere.chain.mine(10, seconds=1_000)
    parts = replace(site.parts[1], ledger=elsewhere.chain)
    collector = CollectGarbage(AcceptRows(parts, NodeLimits()), parts, RULES)

    assert asyncio.run(collector.collect()) == []
    assert held(site, upload)


def test_inv_da_24__chain_does_not_answer__everything_is_kept() -> None:
    site = a_site(4)
    upload = an_upload(site)
    a_holder(site, upload)
    site.chain.mine(seconds=10_000)
    site.chain.mine(5)
    ledger = Outages(site.chain)
    parts = replace(site.parts[1], ledger=ledger)
    collector = CollectGarbage(AcceptRows(parts, NodeLimits()), parts, RULES)
    ledger.is_down = True

    with pytest.raises(NodeUnreachable):
        asyncio.run(collector.collect())
    assert held(site, upload)
    ledger.is_down = False
    assert [upload.blob_id] == asyncio.run(collector.collect())


def test_collect__one_blob_cannot_be_removed__the_others_go() -> None:
    site = a_site(4)
    disk = FaultyDisk(ForgetfulDisk(), Fault.BROKEN, at_step=1 << 30)
    store = DiskRows(disk, Path("/rows"), the_engine().row_roots)
    node = a_node(site, 1, store=store)
    uploads = [an_upload(site, payload=b"blob %d" % number) for number in range(3)]
    for upload in uploads:
        asyncio.run(send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body))
    collector = CollectGarbage(node.accept, site.parts[1], RULES)
    site.chain.mine(seconds=10_000)
    site.chain.mine(5)
    disk.arm(0)

    with pytest.raises(StoreBroken):
        asyncio.run(collector.collect())
    assert len(asyncio.run(store.held())) == 1
    assert len(asyncio.run(collector.collect())) == 1
    assert asyncio.run(store.held()) == []


def test_inv_da_19__share_whose_front_rotted__goes_with_its_blob() -> None:
    site = a_site(4)
    upload = an_upload(site)
    disk = ForgetfulDisk()
    store = DiskRows(disk, Path("/rows"), the_engine().row_roots)
    node = a_node(site, 1, store=store)
    asyncio.run(send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body))
    [path] = disk.paths()
    disk.flip_bit(path, 8 * 40)
    store = DiskRows(disk, Path("/rows"), the_engine().row_roots)
    assert [path.name] == store.open()
    parts = replace(site.parts[1], store=store)
    collector = CollectGarbage(AcceptRows(parts, NodeLimits()), parts, RULES)
    assert asyncio.run(collector.collect()) == []
    assert [path] == disk.paths()

    site.chain.mine(seconds=10_000)
    site.chain.mine(5)

    assert [upload.blob_id] == asyncio.run(collector.collect())
    assert disk.paths() == []


def test_collect__confirmed_blob__read_once_and_again_when_it_is_over() -> None:
    site = a_site(4)
    client = memory_network(site)
    done = asyncio.run(site.disperse_with(client).disperse(b"seen", days=1, salt=bytes(32)))
    ledger = Outages(site.chain)
    parts = replace(site.parts[1], ledger=ledger)
    collector = CollectGarbage(AcceptRows(parts, NodeLimits()), parts, RULES)
    site.chain.mine(3)

    for _ in range(3):
        assert asyncio.run(collector.collect()) == []
    assert ledger.views == 1
    site.chain.mine(seconds=86_400 + 2 * RULES.answer_seconds)
    site.chain.mine(3)

    assert [done.blob_id] == asyncio.run(collector.collect())
