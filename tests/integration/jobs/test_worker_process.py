"""A real worker process over a real broker: work is done, once, whatever dies."""

import json
import signal
from pathlib import Path

from tests.support.waiting import wait_until
from tests.support.worker_world import StartWorker, lines


def test_worker__work_is_due__does_each_id_once(world: Path, start_worker: StartWorker) -> None:
    names = [f"blob{number}" for number in range(5)]
    for name in names:
        (world / "due" / name).touch()
    (world / "go").touch()

    start_worker()
    wait_until(lambda: len(lines(world / "effects")) == 5, seconds=30, what="five effects")

    assert sorted(lines(world / "effects")) == names
    wait_until((world / "heartbeat").exists, seconds=10, what="a heartbeat")


def test_worker__killed_mid_task__work_is_found_again_and_done_once(
    world: Path, start_worker: StartWorker
) -> None:
    (world / "due" / "blob").touch()
    victim = start_worker()
    wait_until(lambda: lines(world / "started") == ["blob"], seconds=30, what="the job's start")

    victim.send_signal(signal.SIGKILL)
    victim.wait()
    (world / "go").touch()
    start_worker()
    wait_until((world / "done" / "blob").exists, seconds=30, what="the job's effect")

    assert lines(world / "started") == ["blob", "blob"]
    assert lines(world / "effects") == ["blob"]


def test_worker__data_is_corrupt__stops_the_job_and_raises_an_alarm(
    world: Path, start_worker: StartWorker
) -> None:
    (world / "due" / "corrupt").touch()
    start_worker()
    alarm = world / "jobs" / "alarms" / "refund_blob-corrupt.json"
    wait_until(alarm.exists, seconds=30, what="an alarm")

    (world / "due" / "blob").touch()
    (world / "go").touch()
    wait_until((world / "done" / "blob").exists, seconds=30, what="other work")

    assert json.loads(alarm.read_text())["error"]["kind"] == "Corrupt"
    assert lines(world / "started").count("corrupt") == 1


def test_worker__chain_is_away__retries_with_backoff_until_it_is_back(
    world: Path, start_worker: StartWorker
) -> None:
    (world / "due" / "away").touch()
    start_worker()
    wait_until(lambda: lines(world / "started").count("away") >= 2, seconds=30, what="a retry")

    (world / "go").touch()

    wait_until((world / "done" / "away").exists, seconds=30, what="the job's effect")


def test_worker__sigterm__finishes_the_task_at_hand_and_exits_cleanly(
    world: Path, start_worker: StartWorker
) -> None:
    (world / "due" / "blob").touch()
    worker = start_worker()
    wait_until(lambda: lines(world / "started") == ["blob"], seconds=30, what="the job's start")

    worker.send_signal(signal.SIGTERM)
    (world / "go").touch()
    status = worker.wait(30)

    assert status == 0
    assert lines(world / "effects") == ["blob"]
