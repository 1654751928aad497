"""A batcher's process dies at every step from promise to log: nothing acknowledged is lost.

The disk forgets what was not synced. The walk covers the whole path: the promise, the cut of the
batch, and what is struck out once the log has it for good; the log and the replica's store are
whole-or-nothing of their own (test_killed.py).
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from offchain.node.disk import Disk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.storage.kv.adapters.disk_promises import DiskPromises
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.cells import Space
from offchain.storage.kv.promise import SoftAck
from tests.support.kv import STREAM, World, Writer

FOLDER = Path("/batcher")
MOST_STEPS = 60
STEPS = 2 * 3 + 2 + 2  # three promises, at least one batch, one striking out: append and sync each
OPS = 3
SECONDS = 30


def a_world(disk: Disk, log=None) -> World:
    journal = DiskPromises(disk, FOLDER, compact_bytes=600)
    journal.open()
    return World.made(journal, MemoryStore(), log=log, final=1 << 30)


def value_of(world: World, key: bytes) -> bytes | None:
    with world.replica.moment() as moment:
        cell = moment.stream(STREAM).cell(Space.USER, key)
    return None if cell is None else cell.value


async def until_settled(world: World) -> None:
    """Follow the log until every promise is in it for good."""
    async with asyncio.timeout(SECONDS):
        while world.batcher.waiting:
            await world.service.step()
            await asyncio.sleep(0.005)


async def promised(world: World) -> set[bytes]:
    """What was acknowledged before the process died, or all of it."""
    acked: set[bytes] = set()
    writer = Writer()
    batching = asyncio.create_task(world.batcher.run())
    try:
        for number in range(OPS):
            op = writer.put(b"k%d" % number, b"v" * 100)
            [ack] = await world.batcher.submit([op.to_bytes()])
            if isinstance(ack, SoftAck):
                acked.add(op.key)
        settling = asyncio.create_task(until_settled(world))
        await asyncio.wait({batching, settling}, return_when=asyncio.FIRST_COMPLETED)
        settling.cancel()
        with suppress(asyncio.CancelledError):
            await settling
    except (Crashed, StoreFull, StoreBroken):
        pass
    batching.cancel()
    with suppress(asyncio.CancelledError, Crashed, StoreFull, StoreBroken):
        await batching
    return acked


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN, Fault.BROKEN, Fault.FULL])
def test_inv_kv_11__dies_at_every_step_from_promise_to_log__each_operation_acts_once(
    fault: Fault,
) -> None:
    async def story(step: int) -> bool:
        disk = ForgetfulDisk()
        faulty = FaultyDisk(disk, fault, at_step=10**9)
        world = a_world(faulty)
        await world.service.open()
        faulty.arm(step)
        acked = await promised(world)
        is_done = faulty.steps <= step
        disk.cut_power()

        again = a_world(disk, world.log)
        await again.service.open()
        batching = asyncio.create_task(again.batcher.run())
        await until_settled(again)
        batching.cancel()
        with suppress(asyncio.CancelledError):
            await batching

        again.replica.advance()
        assert {key for key in acked if value_of(again, key) == b"v" * 100} == acked
        if is_done:
            assert len(acked) == OPS
            assert faulty.steps >= STEPS
        return is_done

    for step in range(MOST_STEPS):
        if asyncio.run(story(step)):
            return
    pytest.fail("the disk is used in more steps than were walked")
