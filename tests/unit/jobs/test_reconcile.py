"""Which due jobs are queued now: none twice at once, none forgotten, none that was stopped."""

import itertools
import threading
from pathlib import Path

import pytest

from offchain.core.errors import Corrupt
from offchain.jobs.alarms import Alarms
from offchain.jobs.model import Job, JobKind
from offchain.jobs.reconcile import (
    FIRST_WAIT_SECONDS,
    LAST_WAIT_SECONDS,
    Reconciler,
    reconcile_forever,
)

JOB = Job(JobKind.CONFIRM_BLOB, "0x01")
OTHER = Job(JobKind.REFUND_BLOB, "0x01")


class Clock:
    """Seconds that move when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reconciler(tmp_path: Path, clock: Clock) -> Reconciler:
    return Reconciler(Alarms(tmp_path), clock)


def test_choose__job_is_due_and_listed_twice__queues_it_once(reconciler: Reconciler) -> None:
    assert reconciler.choose([JOB, JOB, OTHER]) == [JOB, OTHER]


def test_choose__job_may_still_be_running__waits(reconciler: Reconciler, clock: Clock) -> None:
    reconciler.choose([JOB])

    clock.now += FIRST_WAIT_SECONDS - 1

    assert reconciler.choose([JOB]) == []


def test_reconcile__queue_is_away__the_job_is_queued_at_the_next_look(
    reconciler: Reconciler, tmp_path: Path
) -> None:
    tried: list[Job] = []
    stop = threading.Event()

    def put(job: Job) -> None:
        tried.append(job)
        if len(tried) == 1:
            raise ConnectionError("the queue is away")
        if len(tried) == 3:
            stop.set()

    reconcile_forever(
        lambda: [JOB, OTHER],
        put,
        reconciler,
        stop=stop,
        seconds=0,
        heartbeat=tmp_path / "heartbeat",
    )

    assert tried == [JOB, JOB, OTHER]


def test_choose__job_stays_due__queues_it_again_with_growing_waits(
    reconciler: Reconciler, clock: Clock
) -> None:
    times = []
    for _ in range(4_000):
        if reconciler.choose([JOB]):
            times.append(clock.now)
        clock.now += 1

    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps[:3] == [FIRST_WAIT_SECONDS, 2 * FIRST_WAIT_SECONDS, 4 * FIRST_WAIT_SECONDS]
    assert gaps[-1] == LAST_WAIT_SECONDS


def test_choose__job_was_settled_and_is_due_again__starts_afresh(
    reconciler: Reconciler,
) -> None:
    reconciler.choose([JOB])
    reconciler.choose([])

    assert reconciler.choose([JOB]) == [JOB]


def test_choose__job_was_stopped__is_not_queued(tmp_path: Path, clock: Clock) -> None:
    alarms = Alarms(tmp_path)
    alarms.raise_for(JOB, Corrupt())

    chosen = Reconciler(alarms, clock).choose([JOB, OTHER])

    assert chosen == [OTHER]
    assert list(alarms.stopped()) == [JOB]


def test_alarm__subject_is_a_path__stays_in_its_folder(tmp_path: Path) -> None:
    path = Alarms(tmp_path).raise_for(Job(JobKind.DRAW_EPOCH, "../../etc/x"), Corrupt())

    assert tmp_path == path.parent
