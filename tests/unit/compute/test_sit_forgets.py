"""An auditor's journal holds the ballots that it may still have to open, and no others."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.compute.audit_draw import Ballot, Span
from offchain.compute.onchain_audit_court import AuditState
from offchain.compute.sit import Sit, _entry_of
from offchain.node.disk import Disk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.node.journal import FileJournal
from tests.support.compute_audits import AUDITORS, Trial, a_trial
from tests.unit.compute.test_seal_and_sit import a_seat

JOURNAL = Path("/auditor/ballots.journal")
OVER = Ballot(1, 1, 1, 0, b"\x01" * 32, b"\x02" * 32)
AGAIN = Ballot(1, 2, 1, 0, b"\x01" * 32, b"\x04" * 32)  # of the same audit's second round
OPEN = Ballot(2, 1, 1, 1, b"\x01" * 32, b"\x03" * 32)


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Audit 1 is over, audit 2 waits for what its committee has sealed."""
    trial = a_trial(tmp_path)
    for audit in (1, 2):
        trial.audits.open(audit, list(AUDITORS), (Span(0, 0),), 100)
    trial.audits.views[1] = replace(trial.audits.views[1], state=AuditState.CLEARED)
    sealed = tuple(replace(seat, is_sealed=True) for seat in trial.audits.views[2].seats)
    trial.audits.views[2] = replace(trial.audits.views[2], state=AuditState.VOTING, seats=sealed)
    trial.audits.ballots[2, 1, 1] = (OPEN.commitment(), None)
    return trial


def written(disk: Disk) -> FileJournal:
    """The journal of an auditor who sealed three ballots."""
    journal = opened(disk)
    asyncio.run(_append(journal))
    return opened(disk)


async def _append(journal: FileJournal) -> None:
    for ballot in (OVER, AGAIN, OPEN):
        await journal.append(_entry_of(ballot))


def opened(disk: Disk) -> FileJournal:
    journal = FileJournal(disk, JOURNAL)
    journal.open()
    return journal


def a_sit(trial: Trial, journal: FileJournal) -> Sit:
    return a_seat(trial, 1, trial.seal(), journal)[0]


def kept(disk: Disk) -> list[Ballot]:
    """What a process that starts now finds."""
    known = {_entry_of(one).body: one for one in (OVER, AGAIN, OPEN)}
    return [known[entry.body] for entry in opened(disk).entries()]


def test_forget__audits_that_are_over__leave_the_journal(trial: Trial) -> None:
    disk = ForgetfulDisk()
    sit = a_sit(trial, written(disk))
    before = disk.size(JOURNAL)

    dropped = [asyncio.run(sit.forget()), asyncio.run(sit.forget())]

    assert dropped == [2, 0]
    assert kept(disk) == [OPEN]
    assert disk.size(JOURNAL) < before


def test_forget__end_that_may_be_taken_back_or_audit_nobody_knows__is_kept(trial: Trial) -> None:
    disk = ForgetfulDisk()
    sit = a_sit(trial, written(disk))
    trial.audits.deep = 1
    assert asyncio.run(sit.forget()) == 0
    trial.audits.deep = 0
    del trial.audits.views[1]

    assert asyncio.run(sit.forget()) == 0

    assert kept(disk) == [OVER, AGAIN, OPEN]


@pytest.mark.parametrize("fault", list(Fault)[:4])
@pytest.mark.parametrize("is_power_cut", [False, True])
def test_forget__killed_or_refused_at_every_step__what_is_sealed_is_opened(
    trial: Trial, fault: Fault, is_power_cut: bool
) -> None:
    views, ballots = dict(trial.audits.views), dict(trial.audits.ballots)
    for step in range(20):
        disk = ForgetfulDisk()
        written(disk)
        faulty = FaultyDisk(disk, fault, at_step=1_000)
        sit = a_sit(trial, opened(faulty))
        faulty.arm(step)

        with suppress(Crashed, StoreBroken, StoreFull):
            asyncio.run(sit.forget())

        if is_power_cut:
            disk.cut_power()
        assert kept(disk) in ([OVER, AGAIN, OPEN], [OPEN])
        trial.audits.views, trial.audits.ballots = dict(views), dict(ballots)
        assert asyncio.run(a_sit(trial, opened(disk)).round()) == [2]
        assert trial.audits.ballots[2, 1, 1] == (OPEN.commitment(), OPEN.failed)
        if faulty.steps <= step:
            assert kept(disk) == [OPEN]
            return
    pytest.fail("never came to an end")
