"""The journal under power cuts, full disks and rot: what was acknowledged is there."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from offchain.node.disk import Disk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.node.journal import Entry, EntryTooLong, FileJournal, JournalBroken, MemoryJournal

PATH = Path("/node/book.journal")
ENTRIES = [Entry(number % 3 + 1, bytes([number]) * (10 + number)) for number in range(6)]


def opened(disk: Disk) -> FileJournal:
    journal = FileJournal(disk, PATH)
    journal.open()
    return journal


def kept(disk: Disk) -> list[Entry]:
    return list(opened(disk).entries())


def filled(disk: Disk) -> None:
    journal = opened(disk)

    async def one_by_one() -> None:
        for entry in ENTRIES:
            await journal.append(entry)

    asyncio.run(one_by_one())


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN])
def test_journal__power_cut_at_every_step__keeps_what_was_acknowledged(fault: Fault) -> None:
    for step in range(40):
        disk = ForgetfulDisk()
        faulty = FaultyDisk(disk, fault, at_step=step)
        acknowledged: list[Entry] = []

        async def fill(faulty=faulty, acknowledged=acknowledged) -> None:
            journal = opened(faulty)
            for entry in ENTRIES:
                await journal.append(entry)
                acknowledged.append(entry)

        with suppress(Crashed):
            asyncio.run(fill())
        disk.cut_power()
        found = kept(disk)
        assert found[: len(acknowledged)] == acknowledged
        assert found == ENTRIES[: len(found)]
        if faulty.steps <= step:
            assert acknowledged == ENTRIES
            return
    pytest.fail("never came to an end")


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN])
def test_journal__killed_at_every_step__goes_on(fault: Fault) -> None:
    for step in range(14):
        disk = ForgetfulDisk()
        with suppress(Crashed):
            filled(FaultyDisk(disk, fault, at_step=step))
        found = kept(disk)  # what a killed process wrote is there, synced or not
        asyncio.run(opened(disk).append(*ENTRIES[len(found) :]))
        assert kept(disk) == ENTRIES


@pytest.mark.parametrize(("fault", "error"), [(Fault.FULL, StoreFull), (Fault.BROKEN, StoreBroken)])
def test_journal__full_or_broken_once__refuses_and_goes_on(fault, error) -> None:
    disk = ForgetfulDisk()
    faulty = FaultyDisk(disk, fault, at_step=3)
    journal = opened(faulty)

    async def fill() -> list[Entry]:
        kept_entries = []
        for entry in ENTRIES:
            try:
                await journal.append(entry)
                kept_entries.append(entry)
            except error:
                continue
        return kept_entries

    acknowledged = asyncio.run(fill())
    assert len(ENTRIES) - 1 == len(acknowledged)
    disk.cut_power()
    assert acknowledged == kept(disk)


def test_journal__many_at_once__few_syncs() -> None:
    disk = ForgetfulDisk()
    faulty = FaultyDisk(disk, Fault.BROKEN, at_step=-1)
    journal = opened(faulty)

    async def together() -> None:
        await asyncio.gather(*(journal.append(entry) for entry in ENTRIES * 50))

    asyncio.run(together())
    assert faulty.steps <= 3 + 2 * 2
    disk.cut_power()
    assert kept(disk) == ENTRIES * 50


def test_journal__caller_gone_while_it_is_written__still_written() -> None:
    disk = ForgetfulDisk()
    journal = opened(disk)

    async def impatient() -> None:
        first = asyncio.create_task(journal.append(ENTRIES[0]))
        await asyncio.sleep(0)
        first.cancel()
        await journal.append(ENTRIES[1])

    asyncio.run(impatient())
    assert kept(disk)[-1] == ENTRIES[1]


def test_journal__any_bit_flipped__refuses_to_open_or_says_the_same() -> None:
    disk = ForgetfulDisk()
    filled(disk)
    size = len(disk.read(PATH))
    for position in range(0, 8 * size, 7):
        disk.flip_bit(PATH, position)
        with pytest.raises(JournalBroken):
            opened(disk)
        disk.flip_bit(PATH, position)
    assert kept(disk) == ENTRIES


def test_journal__record_missing_or_twice__refuses_to_open() -> None:
    disk = ForgetfulDisk()
    sizes = [0]
    journal = opened(disk)
    for entry in ENTRIES[:3]:
        asyncio.run(journal.append(entry))
        sizes.append(len(disk.read(PATH)))
    raw = disk.read(PATH)
    for wrong in (raw[sizes[1] :], raw[: sizes[1]] + raw[sizes[2] :], raw + raw[sizes[2] :]):
        other = ForgetfulDisk()
        other.write(PATH, [wrong])
        with pytest.raises(JournalBroken):
            opened(other)


@pytest.mark.parametrize("lost", [1, 20, 60, 70])
def test_journal__end_of_zeros_or_cut__cut_off(lost: int) -> None:
    disk = ForgetfulDisk()
    filled(disk)
    raw = disk.read(PATH)
    for end in (raw[:-lost], raw + bytes(lost)):
        other = ForgetfulDisk()
        other.write(PATH, [end])
        found = kept(other)
        assert found in (ENTRIES, ENTRIES[:-1])
        asyncio.run(opened(other).append(Entry(9, b"more")))
        assert [*found, Entry(9, b"more")] == kept(other)


def test_journal__replaced__only_the_new_entries() -> None:
    disk = ForgetfulDisk()
    filled(disk)
    journal = opened(disk)
    journal.replace(ENTRIES[:2])
    asyncio.run(journal.append(ENTRIES[5]))
    disk.cut_power()
    assert [*ENTRIES[:2], ENTRIES[5]] == kept(disk)


@pytest.mark.parametrize("fault", list(Fault)[:4])
@pytest.mark.parametrize("is_power_cut", [False, True])
def test_journal__replaced_while_it_lives__old_or_new_after_every_step(
    fault: Fault, is_power_cut: bool
) -> None:
    """Who goes on after a refusal loses nothing that he is told is kept."""
    for step in range(20):
        disk = ForgetfulDisk()
        faulty = FaultyDisk(disk, fault, at_step=1_000)
        journal, more = opened(faulty), []

        async def go_on(journal=journal, faulty=faulty, step=step, more=more) -> None:
            for entry in ENTRIES:
                await journal.append(entry)
            faulty.arm(step)
            with suppress(StoreBroken, StoreFull):
                journal.replace(ENTRIES[4:])
            await journal.append(Entry(9, b"more"))
            more.append(Entry(9, b"more"))

        with suppress(Crashed, StoreBroken, StoreFull):
            asyncio.run(go_on())
        if is_power_cut:
            disk.cut_power()
        found = kept(disk)
        past = [one for one in found if one.kind != 9]
        assert past in (ENTRIES, ENTRIES[4:])
        assert found[len(past) :] == more or (not more and len(found) == len(past) + 1)
        if faulty.steps <= step:
            assert (past, more) == (ENTRIES[4:], [Entry(9, b"more")])
            return
    pytest.fail("never came to an end")


def test_journal__entry_too_long__refused() -> None:
    with pytest.raises(EntryTooLong):
        asyncio.run(opened(ForgetfulDisk()).append(Entry(1, bytes(1 << 24))))


def test_memory_journal__same_promises_while_it_lives() -> None:
    journal = MemoryJournal(ENTRIES[:1])
    asyncio.run(journal.append(*ENTRIES[1:]))
    assert journal.entries() == ENTRIES
    journal.replace(ENTRIES[:2])
    assert ENTRIES[:2] == journal.entries()
