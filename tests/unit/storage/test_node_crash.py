"""A storage node killed, cut from power, full or broken at every step of taking a shard.

The disk is in memory and forgets what was not synced; every step that changes it is made to fail
once. What the node acknowledged, or signed, must be true of what the next process finds.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from offchain.core.bls import Signature
from offchain.core.erasure import ErasureEngine
from offchain.node.disk import Disk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.node.journal import JournalBroken
from offchain.storage.adapters.folder_medium import FolderMedium
from offchain.storage.adapters.memory_market import MemoryMarket
from offchain.storage.errors import NotWhole
from offchain.storage.frames import segments_in
from offchain.storage.ports import ScrubOutcome
from offchain.storage.shard_store import Shards
from tests.support.matrices import a_payload
from tests.support.shards import a_shard
from tests.support.storage_node import (
    OWNER,
    StorageNode,
    StoredFileCase,
    a_group,
    a_node_on_disk,
    a_placed_file,
    send,
)

FOLDER = Path("/node")
MOST_STEPS = 40
STEPS = 7  # shard: write, sync, rename, sync; book: append, sync, sync


@pytest.fixture(scope="module")
def case(engine: ErasureEngine) -> StoredFileCase:
    group = a_group("durable")
    return a_placed_file(MemoryMarket([group], owner=OWNER), group, engine, a_payload(9_000))


class Attempt:
    """What one process got done before it died or refused."""

    def __init__(self) -> None:
        self.is_acknowledged = False
        self.signature: Signature | None = None

    def run(self, case: StoredFileCase, engine: ErasureEngine, disk: Disk) -> "Attempt":
        try:
            node = a_node_on_disk(case.market, engine, disk, FOLDER)
            asyncio.run(send(node, case.place(0), case.raw(0)))
            self.is_acknowledged = True
            self.signature = asyncio.run(node.accept.held(case.file_id))
        except (Crashed, StoreFull, StoreBroken):
            pass
        return self


def attempts_with(
    fault: Fault, case: StoredFileCase, engine: ErasureEngine
) -> Iterator[tuple[ForgetfulDisk, Attempt]]:
    """Every world in which exactly one step failed, until no step is left to fail."""
    for step in range(MOST_STEPS):
        inner = ForgetfulDisk()
        faulty = FaultyDisk(inner, fault, at_step=step)
        attempt = Attempt().run(case, engine, faulty)
        yield inner, attempt
        if faulty.steps <= step:
            assert step >= STEPS + 2  # and the receipt: append, sync
            return
    pytest.fail("the node never finished")


def held_after(case: StoredFileCase, engine: ErasureEngine, disk: Disk) -> set[int]:
    node = a_node_on_disk(case.market, engine, disk, FOLDER)
    return segments_in(asyncio.run(node.accept.have(case.file_id, 0)))


def assert_serves_truth(node: StorageNode, case: StoredFileCase) -> None:
    for held in asyncio.run(node.store.held()):
        run = asyncio.run(node.store.run(held.key.data_root, held.key.first, held.key.rows))
        rows = case.encoded[0].rows[held.key.first : held.key.first + held.key.rows]
        assert np.array_equal(rows, run.data)
        assert ScrubOutcome.SUCCESS is asyncio.run(node.store.verify(held.key))


@pytest.mark.parametrize("is_power_cut", [True, False], ids=["power cut", "killed"])
@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN])
def test_inv_sto_13__dead_at_every_step__acknowledged_is_durable(
    fault: Fault, is_power_cut: bool, case: StoredFileCase, engine: ErasureEngine
) -> None:
    for disk, attempt in attempts_with(fault, case, engine):
        if is_power_cut:
            disk.cut_power()
        node = a_node_on_disk(case.market, engine, disk, FOLDER)
        held = segments_in(asyncio.run(node.accept.have(case.file_id, 0)))

        assert_serves_truth(node, case)
        assert not [path for path in disk.paths() if path.name.endswith(".tmp")]
        if attempt.is_acknowledged:
            assert {0} == held
        if attempt.signature is not None or node.parts.book.held(case.file_id):
            assert {0} == held
        if attempt.signature is not None:
            assert node.parts.book.held(case.file_id)
        asyncio.run(send(node, case.place(0), case.raw(0)))
        again = asyncio.run(node.accept.held(case.file_id))
        if attempt.signature is not None:
            assert attempt.signature.compressed == again.compressed


@pytest.mark.parametrize("fault", [Fault.FULL, Fault.BROKEN])
def test_node__disk_full_or_broken_at_every_step__refuses_and_a_new_process_goes_on(
    fault: Fault, case: StoredFileCase, engine: ErasureEngine
) -> None:
    for disk, attempt in attempts_with(fault, case, engine):
        assert not [path for path in disk.paths() if path.name.endswith(".tmp")]
        if attempt.signature is None:
            again = Attempt().run(case, engine, disk)
            assert again.signature is not None
        assert {0} == held_after(case, engine, disk)


def test_node__disk_full__same_process_goes_on_when_there_is_room(
    case: StoredFileCase, engine: ErasureEngine
) -> None:
    disk = FaultyDisk(ForgetfulDisk(), Fault.FULL, at_step=0)
    node = a_node_on_disk(case.market, engine, disk, FOLDER)
    with pytest.raises(StoreFull):
        asyncio.run(send(node, case.place(0), case.raw(0)))
    with pytest.raises(NotWhole):
        asyncio.run(node.accept.held(case.file_id))
    assert asyncio.run(send(node, case.place(0), case.raw(0)))
    assert not node.store.is_read_only


def test_node__sync_fails_once__read_only_until_a_new_start(
    case: StoredFileCase, engine: ErasureEngine
) -> None:
    inner = ForgetfulDisk()
    node = a_node_on_disk(case.market, engine, FaultyDisk(inner, Fault.BROKEN, at_step=1), FOLDER)
    for _ in range(2):  # the disk is well again the second time, but nobody knows what it kept
        with pytest.raises(StoreBroken):
            asyncio.run(send(node, case.place(0), case.raw(0)))
    assert node.store.is_read_only
    assert Attempt().run(case, engine, inner).is_acknowledged


def test_node__less_than_a_twentieth_free__nothing_is_written(
    case: StoredFileCase, engine: ErasureEngine
) -> None:
    disk = ForgetfulDisk()
    free = [0.049]
    store = Shards(FolderMedium(disk, FOLDER, free=lambda _: free[0]), engine)
    store.open()
    shard = a_shard(case.encoded[0])
    with pytest.raises(StoreFull):
        asyncio.run(store.put(shard))
    assert disk.paths() == []
    free[0] = 0.051
    asyncio.run(store.put(shard))
    assert [shard.key] == [one.key for one in asyncio.run(store.held())]


def test_node__book_changed_before_its_end__refuses_to_start(
    case: StoredFileCase, engine: ErasureEngine
) -> None:
    disk = ForgetfulDisk()
    assert Attempt().run(case, engine, disk).is_acknowledged
    disk.flip_bit(FOLDER / "book" / "segments.journal", 8 * 70)
    with pytest.raises(JournalBroken):
        a_node_on_disk(case.market, engine, disk, FOLDER)


def test_node__shard_rotten_on_disk__neither_claimed_nor_served_after_a_look(
    case: StoredFileCase, engine: ErasureEngine
) -> None:
    disk = ForgetfulDisk()
    assert Attempt().run(case, engine, disk).is_acknowledged
    [path] = [path for path in disk.paths() if path.suffix == ".shard"]
    disk.flip_bit(path, 8 * 400)
    node = a_node_on_disk(case.market, engine, disk, FOLDER)
    [held] = asyncio.run(node.store.held())
    assert ScrubOutcome.FAILURE is asyncio.run(node.store.verify(held.key))
    with pytest.raises(NotWhole):
        asyncio.run(node.accept.held(case.file_id))
    disk.cut_power()
    assert set() == held_after(case, engine, disk)
    assert Attempt().run(case, engine, disk).signature is not None


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN, Fault.BROKEN])
def test_store__dropped_with_a_fault_at_every_step__never_half_there(
    fault: Fault, case: StoredFileCase, engine: ErasureEngine
) -> None:
    shard = a_shard(case.encoded[0])
    for step in range(6):
        disk = ForgetfulDisk()
        faulty = FaultyDisk(disk, fault, at_step=-1)
        store = Shards(FolderMedium(faulty, FOLDER, free=lambda _: 1.0), engine)
        store.open()
        asyncio.run(store.put(shard))
        faulty.arm(step)
        with suppress(Crashed, StoreBroken):
            asyncio.run(store.drop(shard.key))
        assert asyncio.run(store.held()) == []
        disk.cut_power()
        again = Shards(FolderMedium(disk, FOLDER, free=lambda _: 1.0), engine)
        again.open()
        for held in asyncio.run(again.held()):
            assert ScrubOutcome.SUCCESS is asyncio.run(again.verify(held.key))
