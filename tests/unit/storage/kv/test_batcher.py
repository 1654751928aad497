"""Promises: durable before they are given, kept through refusals, crashes and reorganisations.

INV-KV-8 (own writes), INV-KV-11, INV-KV-12.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from offchain.core.hashing import keccak
from offchain.node.disk import Disk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.storage.kv.adapters.disk_promises import FILE, DiskPromises
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.batcher import Batcher, BatchRules
from offchain.storage.kv.cells import ABSENT, Space
from offchain.storage.kv.errors import BatcherFull, JournalCorrupt, OpTooLong
from offchain.storage.kv.op import Mode, Op
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.promise import SoftAck, is_broken, is_promised
from tests.support.kv import (
    DOMAIN,
    STRANGER,
    STREAM,
    Log,
    World,
    Writer,
    account,
    batch,
    created,
)

FOLDER = Path("journal")


def _opened(disk: Disk | None = None) -> DiskPromises:
    journal = DiskPromises(disk or ForgetfulDisk(), FOLDER)
    journal.open()
    return journal


def _world(disk: Disk | None = None, **more) -> World:
    return World.made(_opened(disk), MemoryStore(), **more)


async def _until(world: World, condition: Callable[[], bool]) -> None:
    """Run the service until the condition holds."""
    running = asyncio.create_task(world.service.run())
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # a condition of many parts
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _raw(*ops: Op) -> list[bytes]:
    return [op.to_bytes() for op in ops]


def _value(world: World, key: bytes) -> bytes | None:
    with world.replica.moment() as moment:
        cell = moment.stream(STREAM).cell(Space.USER, key)
    return None if cell is None else cell.value


def _outcomes(world: World) -> list[str]:
    """Outcomes of all operations in the log, by a replica made anew."""
    seen: list[str] = []
    fresh = World.made(_opened(), MemoryStore(), log=Log(list(world.log.entries)))
    fresh.replica.watch(lambda effect: seen.extend(one.outcome.value for one in effect.results))
    fresh.replica.advance()
    return seen


def test_inv_kv_11__promised_operation__comes_into_the_log() -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()
        ops = [writer.put(b"k%d" % number, b"v") for number in range(50)]

        acks = await world.batcher.submit(_raw(*ops))

        assert all(isinstance(ack, SoftAck) and is_promised(ack, DOMAIN) for ack in acks)
        await _until(world, lambda: _value(world, b"k49") == b"v")
        assert _outcomes(world) == ["APPLIED"] * 50

    asyncio.run(story())


def test_inv_kv_8__hot_read__sees_the_sessions_own_writes_at_once() -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()

        await world.batcher.submit(_raw(writer.put(b"k", b"1")))
        await world.batcher.submit(_raw(writer.op(Mode.APPEND, b"l", b"e")))
        await world.batcher.submit(_raw(writer.op(Mode.DELETE, b"k"), writer.put(b"m", b"2")))

        cells = [world.hot.cell(STREAM, Space.USER, key) for key in (b"k", b"l", b"m")]
        assert [one and one.value for one in cells] == [None, (1).to_bytes(8, "big"), b"2"]
        assert world.hot.nonce(STREAM, writer.key.subject) == 4
        assert _value(world, b"m") is None
        await _until(world, lambda: _value(world, b"m") == b"2")
        assert world.hot.cell(STREAM, Space.USER, b"k") is None

    asyncio.run(story())


def test_submit__without_effect__is_refused_and_leaves_no_trace() -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()
        stale = writer.op(Mode.CAS, b"k", b"v", expected=5)
        good = writer.op(Mode.CAS, b"k", b"v", expected=ABSENT)

        answers = await world.batcher.submit(
            [*_raw(stale, Writer(STRANGER).put(b"k", b"x")), b"garbage", *_raw(good)]
        )

        assert answers[:3] == [Outcome.STALE, Outcome.NO_RIGHT, Outcome.MALFORMED]
        assert isinstance(answers[3], SoftAck)
        again = await world.batcher.submit(_raw(good, stale))
        assert again == [answers[3], Outcome.REPLAYED]
        assert world.batcher.waiting == 1

    asyncio.run(story())


def test_submit__nonce_of_a_refused_operation__may_be_used_again() -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()
        assert await world.batcher.submit(_raw(writer.op(Mode.CAS, b"k", b"v", expected=5))) == [
            Outcome.STALE
        ]
        writer.nonce = 0

        [ack] = await world.batcher.submit(_raw(writer.put(b"k", b"v")))

        assert isinstance(ack, SoftAck)

    asyncio.run(story())


def test_submit__too_much_waiting__is_refused() -> None:
    async def story() -> None:
        world = _world()
        await world.service.open()

        with pytest.raises(BatcherFull):
            await world.batcher.submit([bytes(1 << 20)] * 65)

        assert world.batcher.waiting == 0

    asyncio.run(story())


def test_submit__operation_longer_than_a_batch_may_be__is_refused_alone() -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()
        long, short = writer.put(b"a", bytes(65_536)), writer.put(b"b", b"v")
        rules = BatchRules(op_bytes=4_000)
        batcher = Batcher(world.batcher._parts, rules)  # the same, other rules

        with pytest.raises(OpTooLong):
            await batcher.submit([long.to_bytes(), short.to_bytes()])

        assert batcher.waiting == 0
        [ack] = await batcher.submit([short.to_bytes()])
        assert isinstance(ack, SoftAck)
        batcher.adopt(BatchRules())
        [ack] = await batcher.submit([writer.put(b"c", bytes(65_536)).to_bytes()])
        assert isinstance(ack, SoftAck)

    asyncio.run(story())


@pytest.mark.parametrize("fault", ["refuse", "lose", "twice"])
def test_inv_kv_11__log_that_refuses_loses_answers_or_repeats__gets_each_operation_once(
    fault: str,
) -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()
        world.sink.faults = [fault, fault]
        await world.batcher.submit(_raw(writer.op(Mode.APPEND, b"l", b"e")))
        await world.batcher.submit(_raw(writer.op(Mode.APPEND, b"l", b"e")))

        await _until(world, lambda: _value(world, b"l") == (2).to_bytes(8, "big"))

        outcomes = _outcomes(world)
        assert outcomes.count("APPLIED") == 2
        assert set(outcomes) <= {"APPLIED", "REPLAYED"}

    asyncio.run(story())


def test_inv_kv_12__reorganisation__takes_a_promise_back_into_the_log() -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()
        await world.batcher.submit(_raw(writer.put(b"k", b"v")))
        await _until(world, lambda: _value(world, b"k") == b"v")
        assert world.batcher.waiting == 1  # not final: still promised

        world.log.fork(1)
        world.sink.keys.clear()
        world.log.add(batch([b"somebody else's"]))
        await world.service.step()
        assert _value(world, b"k") is None
        hot = world.hot.cell(STREAM, Space.USER, b"k")
        assert hot is not None
        assert hot.value == b"v"

        await _until(world, lambda: _value(world, b"k") == b"v")
        world.source.final = len(world.log.entries)
        await world.service.step()
        assert world.batcher.waiting == 0

    asyncio.run(story())


def test_restart__promised_but_not_sent__is_sent(tmp_path: Path) -> None:
    async def story() -> None:
        disk = ForgetfulDisk()
        world, writer = _world(disk), Writer()
        await world.service.open()
        await world.batcher.submit(_raw(writer.put(b"a", b"1"), writer.put(b"b", b"2")))
        disk.cut_power()

        again = World.made(_opened(disk), MemoryStore(), log=world.log)
        await again.service.open()
        await _until(again, lambda: _value(again, b"b") == b"2")

        assert _outcomes(again) == ["APPLIED", "APPLIED"]

    asyncio.run(story())


def test_restart__sent_and_final__is_forgotten() -> None:
    async def story() -> None:
        disk = ForgetfulDisk()
        world, writer = _world(disk), Writer()
        await world.service.open()
        await world.batcher.submit(_raw(writer.put(b"a", b"1")))
        await _until(world, lambda: _value(world, b"a") == b"1")
        calls = world.sink.calls

        again = World.made(_opened(disk), MemoryStore(), log=world.log, final=99)
        await again.service.open()

        assert again.batcher.waiting == 0
        assert (calls, again.sink.calls) == (1, 0)

    asyncio.run(story())


@pytest.mark.parametrize("fault", [Fault.FULL, Fault.BROKEN, Fault.CRASH, Fault.TORN])
def test_inv_kv_11__crash_or_full_disk_at_every_step__no_promise_is_lost(fault: Fault) -> None:
    async def story(step: int) -> bool:
        disk = ForgetfulDisk()
        faulty = FaultyDisk(disk, fault, at_step=10**9)
        world, writer = _world(faulty), Writer()
        await world.service.open()
        faulty.arm(step)
        acked: list[bytes] = []
        try:
            for number in range(3):
                op = writer.put(b"k%d" % number, b"v")
                [ack] = await world.batcher.submit(_raw(op))
                if isinstance(ack, SoftAck):
                    acked.append(op.key)
        except (Crashed, StoreFull, StoreBroken):
            pass
        is_done = faulty.steps <= step
        disk.cut_power()

        again = World.made(_opened(disk), MemoryStore(), log=world.log)
        await again.service.open()
        await _until(again, lambda: all(_value(again, key) == b"v" for key in acked))

        assert set(_outcomes(again)) <= {"APPLIED"}
        return is_done

    for step in range(40):
        if asyncio.run(story(step)):
            return
    pytest.fail("the disk is used in more steps than were walked")


def test_journal__changed_before_its_end__refuses_to_open() -> None:
    disk = ForgetfulDisk()
    journal = _opened(disk)
    for number in range(3):
        journal.record([(b"operation %d" % number, 9)])
    size = len(disk.read(FOLDER / FILE))

    for bit in range(0, 8 * (size - 40), 7):
        disk.flip_bit(FOLDER / FILE, bit)
        with pytest.raises(JournalCorrupt):
            _opened(disk)
        disk.flip_bit(FOLDER / FILE, bit)

    assert len(_opened(disk).waiting()) == 3


def test_journal__cut_anywhere__keeps_every_whole_frame() -> None:
    disk = ForgetfulDisk()
    journal = _opened(disk)
    ends = []
    for number in range(3):
        journal.record([(b"operation %d" % number, 9), (b"twin %d" % number, 9)])
        ends.append(len(disk.read(FOLDER / FILE)))
    raw = disk.read(FOLDER / FILE)

    for size in range(len(raw)):
        other = ForgetfulDisk()
        other.write(FOLDER / FILE, [raw[:size]])

        waiting = _opened(other).waiting()

        assert len(waiting) == 2 * sum(end <= size for end in ends)


def test_journal__long_and_mostly_done__is_written_anew() -> None:
    disk = ForgetfulDisk()
    journal = DiskPromises(disk, FOLDER, compact_bytes=4_000)
    journal.open()
    for number in range(60):
        raw = b"operation %d" % number * 9
        journal.record([(raw, number)])
        if number % 10:
            journal.done([keccak(raw)])

    assert len(disk.read(FOLDER / FILE)) < 5_000
    assert [by for _, by in _opened(disk).waiting()] == [0, 10, 20, 30, 40, 50]


def test_inv_kv_11__promise_that_the_log_does_not_keep__is_shown_by_ack_and_log() -> None:
    async def story() -> None:
        world, writer = _world(), Writer()
        await world.service.open()
        op = writer.put(b"k", b"v")
        [ack] = await world.batcher.submit(_raw(op))
        assert isinstance(ack, SoftAck)
        log = Log([world.log.entries[0]])
        kept = batch([op])
        while (len(log.entries) + 1) * 12 <= ack.include_by:
            log.add(batch([writer.put(b"other", b"v")]))
        late = [*log.entries, log.add(kept)]
        early = [world.log.entries[0], *log.entries[1:]]
        held = [(entry, _payload(entry)) for entry in late]

        assert is_broken(ack, held, DOMAIN)
        assert not is_broken(ack, held[:-1], DOMAIN)  # its time is not over
        log.entries[1] = type(log.entries[1])(1, 24, 1, bytes(32), kept)
        assert not is_broken(ack, [(entry, _payload(entry)) for entry in log.entries], DOMAIN)
        forged = SoftAck(ack.stream, keccak(b"x"), ack.include_by, ack.batcher, ack.signature)
        assert not is_broken(forged, held, DOMAIN)
        assert early

    asyncio.run(story())


def _payload(entry) -> bytes | None:
    return getattr(entry.body, "operations", b"")


def test_two_batchers_race__one_nonce_acts_once_and_nothing_is_lost() -> None:
    async def story() -> None:
        first, writer = _world(), Writer()
        second = World.made(_opened(), MemoryStore(), log=first.log)
        both = [writer.op(Mode.APPEND, b"l", b"%d" % number) for number in range(6)]
        await first.service.open()
        await second.service.open()

        await first.batcher.submit(_raw(*both[:4]))
        await second.batcher.submit(_raw(*both))
        running = [asyncio.create_task(world.service.run()) for world in (first, second)]
        async with asyncio.timeout(60):
            while _value(first, b"l") != (6).to_bytes(8, "big"):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

        assert _outcomes(first).count("APPLIED") == 6

    asyncio.run(story())


def test_batcher_that_censors__is_bypassed_by_an_inline_entry() -> None:
    world, writer = _world(), Writer()
    world.log.add(batch([writer.put(b"k", b"v")]))

    world.replica.advance()

    assert _value(world, b"k") == b"v"
    assert created().subject == writer.key.subject != account("batcher").subject


def test_submit__while_the_log_moves__every_promise_is_kept() -> None:
    async def story() -> None:
        world = _world()
        await world.service.open()
        world.source.final = 1 << 30
        running = asyncio.create_task(world.service.run())
        writer = Writer()
        for number in range(60):
            ops = [writer.op(Mode.APPEND, b"l", b"%d" % number) for _ in range(20)]
            answers = await world.batcher.submit(_raw(*ops))
            assert all(isinstance(answer, SoftAck) for answer in answers)
        async with asyncio.timeout(60):
            while world.batcher.waiting:
                assert not running.done(), running.exception()
                await asyncio.sleep(0.005)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

        assert _value(world, b"l") == (1_200).to_bytes(8, "big")

    asyncio.run(story())
