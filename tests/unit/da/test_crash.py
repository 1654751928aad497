"""Power cuts, crashes and full disks at every step of taking rows: INV-DA-6, nothing half kept.

The disk is in memory and forgets what was not synced; every step that changes it is made to fail
once. What a node answered before must be true after.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.core.bls import Signature, verify
from offchain.da.adapters.disk_journal import RECORD_BYTES, DiskJournal
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.memory_node import MemoryNode
from offchain.da.model import attestation_digest
from offchain.da.refusals import (
    JournalCorrupt,
    RowNotHeld,
    ShareCorrupt,
)
from offchain.node.disk import Disk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from tests.support.da_network import (
    Site,
    Upload,
    a_node,
    a_request,
    a_site,
    an_upload,
    send,
    the_engine,
)

FOLDER = Path("/node")
MOST_STEPS = 40


def a_node_on(site: Site, disk: Disk) -> MemoryNode:
    store = DiskRows(disk, FOLDER / "rows", the_engine().row_roots)
    store.open()
    journal = DiskJournal(disk, FOLDER / "journal")
    journal.open()
    return a_node(site, 1, store=store, journal=journal)


def attempt(site: Site, upload: Upload, disk: Disk) -> Signature | None:
    """One delivery; None when the node died or refused."""
    try:
        node = a_node_on(site, disk)
        request = a_request(site, upload.blob_id, upload.body)
        return asyncio.run(send(node, upload, request, upload.body))
    except (Crashed, StoreFull, StoreBroken):
        return None


def steps_with(
    fault: Fault, site: Site, upload: Upload
) -> Iterator[tuple[ForgetfulDisk, Signature | None]]:
    """Every world in which exactly one step failed, until no step is left to fail."""
    for step in range(MOST_STEPS):
        inner = ForgetfulDisk()
        faulty = FaultyDisk(inner, fault, at_step=step)
        signature = attempt(site, upload, faulty)
        yield inner, signature
        if faulty.steps <= step:
            assert step >= 7  # write, sync, rename, sync; append, sync, sync
            return
    pytest.fail("the node never finished")


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN])
def test_inv_da_6__power_cut_at_every_step__no_signature_without_rows(fault: Fault) -> None:
    site = a_site(4)
    upload = an_upload(site)
    digest = attestation_digest(upload.view.attestation(), site.chain.domain())
    for disk, signature in steps_with(fault, site, upload):
        disk.cut_power()
        node = a_node_on(site, disk)
        parts = site.parts[1]
        held = asyncio.run(parts.store.rows_held(upload.blob_id))
        decisions = asyncio.run(parts.journal.decisions())

        assert held in (frozenset(), frozenset(upload.duty.rows))
        assert all(decision.digest == digest for decision in decisions)
        if signature is not None or decisions:
            assert held == set(upload.duty.rows)
        if signature is not None:
            assert len(decisions) == 1
        request = a_request(site, upload.blob_id, upload.body)
        again = asyncio.run(send(node, upload, request, upload.body))
        assert verify(upload.duty.key, digest, again)
        if signature is not None:
            assert signature.compressed == again.compressed


@pytest.mark.parametrize("fault", [Fault.FULL, Fault.BROKEN])
def test_store__disk_full_or_broken_at_every_step__refuses_and_goes_on(fault: Fault) -> None:
    site = a_site(4)
    upload = an_upload(site)
    for disk, signature in steps_with(fault, site, upload):
        names = [path.name for path in disk.paths()]
        assert not [name for name in names if name.endswith(".tmp")]
        if signature is None:
            assert attempt(site, upload, disk) is not None


def test_store__disk_full__typed_refusal() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node_on(site, FaultyDisk(ForgetfulDisk(), Fault.FULL, at_step=0))
    request = a_request(site, upload.blob_id, upload.body)
    with pytest.raises(StoreFull) as refused:
        asyncio.run(send(node, upload, request, upload.body))
    assert refused.value.code == "da.store.full"
    assert asyncio.run(send(node, upload, request, upload.body))


def test_store__bit_rot_anywhere_in_the_file__found_and_never_served() -> None:
    site = a_site(4)
    upload = an_upload(site)
    disk = ForgetfulDisk()
    assert attempt(site, upload, disk) is not None
    [path] = [path for path in disk.paths() if path.suffix == ".share"]
    size = len(disk.read(path))
    for position in range(0, size, size // 97):
        disk.flip_bit(path, 8 * position + position % 8)
        node = a_node_on(site, disk)
        rows = upload.duty.rows
        for start in range(0, len(rows), 256):
            wanted = rows[start : start + 256]
            try:
                served = asyncio.run(site.parts[1].store.rows(upload.blob_id, wanted))
            except (ShareCorrupt, RowNotHeld):
                continue
            for row in served:
                assert row.data.tobytes() == upload.encoded.rows[row.index].tobytes()
                assert tuple(row.path) == tuple(upload.encoded.row_path(row.index))
        assert node is not None
        disk.flip_bit(path, 8 * position + position % 8)


def test_store__rotten_row__served_no_more_until_delivered_again() -> None:
    site = a_site(4)
    upload = an_upload(site)
    disk = ForgetfulDisk()
    assert attempt(site, upload, disk) is not None
    [path] = [path for path in disk.paths() if path.suffix == ".share"]
    disk.flip_bit(path, 8 * (len(disk.read(path)) - 1))
    node = a_node_on(site, disk)
    store = site.parts[1].store
    last = upload.duty.rows[-1]

    with pytest.raises(ShareCorrupt):
        asyncio.run(store.rows(upload.blob_id, [last]))
    assert last not in asyncio.run(store.rows_held(upload.blob_id))

    request = a_request(site, upload.blob_id, upload.body)
    asyncio.run(send(node, upload, request, upload.body))
    [row] = asyncio.run(store.rows(upload.blob_id, [last]))
    assert row.data.tobytes() == upload.encoded.rows[last].tobytes()


def test_journal__changed_before_its_end__refuses_to_start() -> None:
    site = a_site(4)
    disk = ForgetfulDisk()
    for number in range(2):
        upload = an_upload(site, payload=b"payload %d" % number)
        assert attempt(site, upload, disk) is not None
    path = FOLDER / "journal" / "decisions.journal"
    assert len(disk.read(path)) == 2 * RECORD_BYTES
    disk.flip_bit(path, 8 * 50)
    with pytest.raises(JournalCorrupt):
        DiskJournal(disk, FOLDER / "journal").open()


def test_journal__changed_last_record__refuses_to_start() -> None:
    site = a_site(4)
    disk = ForgetfulDisk()
    assert attempt(site, an_upload(site), disk) is not None
    disk.flip_bit(FOLDER / "journal" / "decisions.journal", 8 * 50)
    with pytest.raises(JournalCorrupt):
        DiskJournal(disk, FOLDER / "journal").open()
