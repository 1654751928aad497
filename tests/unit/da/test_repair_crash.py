"""Repair under power cuts and failing disks at every step: whole shares or none, and it goes on."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.core.layout import N
from offchain.core.wire import encode_rows
from offchain.da.adapters.disk_journal import DiskJournal
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.heirs import rows_after
from offchain.da.ports import Share
from offchain.da.refusals import (
    ShareCorrupt,
)
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from tests.support.da_network import a_node, the_engine
from tests.support.da_repair import Village, endpoint_of, told

HEIR = 2
DEAD = 1
FOLDER = Path("/node")


@pytest.fixture(scope="module")
def village() -> tuple[Village, bytes, frozenset[int]]:
    """Four nodes, one dead and gone; the rows that operator 2 should hold in the end."""
    found, blob_id, _ = told(4)
    found.kill(DEAD)
    found.departures.operators = {DEAD}
    due = rows_after(found.duties(blob_id), {DEAD})
    assert len(due[HEIR]) > N // 4  # it inherits something
    return found, blob_id, frozenset(due[HEIR])


def restart_on(village: Village, disk: FaultyDisk | ForgetfulDisk) -> DiskRows:
    """The heir's process begins on what this disk has."""
    store = DiskRows(disk, FOLDER / "rows", the_engine().row_roots)
    store.open()
    journal = DiskJournal(disk, FOLDER / "journal")
    journal.open()
    village.client.nodes[endpoint_of(HEIR)] = a_node(
        village.site, HEIR, store=store, journal=journal
    )
    village.repairers[HEIR] = village.repairer(HEIR)
    return store


def own_disk(village: Village, blob_id: bytes) -> ForgetfulDisk:
    """A disk with the heir's own share and decision, as it signed them."""
    disk = ForgetfulDisk()
    memory = village.site.parts[HEIR]
    duties = village.duties(blob_id)
    view = village.site.chain.view(blob_id, at=village.site.chain.head().block)
    own = duties.of(HEIR)
    assert own is not None
    journal = DiskJournal(disk, FOLDER / "journal")
    store = DiskRows(disk, FOLDER / "rows", the_engine().row_roots)

    async def copy() -> None:
        for decision in await memory.journal.decisions():
            await journal.record(decision)
        header = await memory.store.header(blob_id)
        frame = encode_rows(blob_id, header.columns, await memory.store.rows(blob_id, own.rows))
        seed, deadline = duties.seed, view.record.deadline
        raw = header.to_bytes()
        await store.put(Share(blob_id, seed, deadline, header.columns, own.rows, raw, frame))

    asyncio.run(copy())
    return disk


def worlds(
    village: Village, disk_of: ForgetfulDisk, fault: Fault
) -> Iterator[tuple[ForgetfulDisk, FaultyDisk]]:
    """Every world in which exactly one step of a repair failed, until no step is left."""
    for step in range(12):
        disk = ForgetfulDisk()
        for path in disk_of.paths():
            disk.write(path, [disk_of.read(path)])
            disk.sync(path)
            disk.sync(path.parent)
        faulty = FaultyDisk(disk, fault, at_step=step)
        restart_on(village, faulty)
        faulty.arm(step)
        with suppress(Crashed, StoreBroken, StoreFull):
            asyncio.run(village.repairers[HEIR].repair())
        yield disk, faulty
        if faulty.steps <= step:
            assert step >= 4  # write, sync, rename, sync
            return
    pytest.fail("the repair never finished")


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN, Fault.BROKEN, Fault.FULL])
def test_inv_da_23__repair_cut_at_every_step__own_rows_stay_and_the_next_pass_finishes(
    village: tuple[Village, bytes, frozenset[int]], fault: Fault
) -> None:
    place, blob_id, due = village
    memory = place.site.parts[HEIR]
    start = own_disk(place, blob_id)
    own = place.duties(blob_id).of(HEIR)
    assert own is not None
    for disk, _ in worlds(place, start, fault):
        disk.cut_power()
        store = restart_on(place, disk)

        held = asyncio.run(store.rows_held(blob_id))
        assert held in (frozenset(own.rows), due)
        assert not [path for path in disk.paths() if path.suffix == ".tmp"]

        asyncio.run(place.repairers[HEIR].repair())
        assert due == asyncio.run(store.rows_held(blob_id))
        again = asyncio.run(place.repairers[HEIR].repair())
        assert (again.copied, again.remade, again.bytes_received) == (0, 0, 0)
    place.site.parts[HEIR] = memory


def test_repair__row_rotted__found_by_a_look_and_had_back(
    village: tuple[Village, bytes, frozenset[int]],
) -> None:
    place, blob_id, due = village
    memory = place.site.parts[HEIR]
    disk = own_disk(place, blob_id)
    store = restart_on(place, disk)
    [path] = [path for path in disk.paths() if path.suffix == ".share"]
    own = place.duties(blob_id).of(HEIR)
    assert own is not None
    before = asyncio.run(store.rows(blob_id, own.rows))
    disk.flip_bit(path, 8 * (len(disk.read(path)) - 1))
    with pytest.raises(ShareCorrupt):
        asyncio.run(store.rows(blob_id, own.rows[-1:]))

    asyncio.run(place.repairers[HEIR].repair())

    after = asyncio.run(store.rows(blob_id, own.rows))
    assert [row.data.tobytes() for row in before] == [row.data.tobytes() for row in after]
    assert due == asyncio.run(store.rows_held(blob_id))
    [share] = [one for one in asyncio.run(store.held()) if not one.is_inherited]
    assert share.rows == set(own.rows)
    place.site.parts[HEIR] = replace(memory)
