"""The supervisor with real processes: start, crash, restart, stop, and nothing left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from offchain.apps.home import Home, choose_ports
from offchain.apps.processes import Identity, ProcessSpec, heartbeat_health, http_health
from offchain.apps.supervisor import (
    AlreadyRunning,
    HomeLock,
    ProcessEvent,
    ProcessNotHealthy,
    State,
    Supervisor,
    owner_of,
)
from tests.support.waiting import wait_until


class Stage:
    """A supervisor, what it said, and specs of small processes."""

    def __init__(self, root: Path, program: Path) -> None:
        self.said: list[ProcessEvent] = []
        self.supervisor = Supervisor(self.said.append)
        self._root = root
        self._program = program

    def spec(self, name: str, *arguments: str, stop_seconds: float = 5.0) -> ProcessSpec:
        port = choose_ports([name])[name]
        return ProcessSpec(
            name=name,
            argv=(sys.executable, str(self._program), str(port), *arguments),
            log=self._root / f"{name}.log",
            pid_file=self._root / f"{name}.json",
            health=http_health(f"http://127.0.0.1:{port}/healthz"),
            start_seconds=20.0,
            stop_seconds=stop_seconds,
        )

    def states_of(self, name: str) -> list[State]:
        return [event.state for event in self.said if event.name == name]


@pytest.fixture
def stage(tmp_path: Path, project_root: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, project_root / "tests/support/small_process.py")
    yield stage
    stage.supervisor.stop_all()


def test_start__two_processes__both_healthy_and_stopped_in_reverse_order(stage: Stage) -> None:
    stage.supervisor.start([stage.spec("first"), stage.spec("second")])
    stage.supervisor.wait_healthy(["first", "second"])
    pids = [stage.supervisor.pid_of(name) for name in ("first", "second")]

    stage.supervisor.stop_all()

    stopped = [event.name for event in stage.said if event.state is State.STOPPED]
    assert stopped == ["second", "first"]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_poll__process_is_killed__is_reported_and_restarted(stage: Stage) -> None:
    spec = stage.spec("face")
    stage.supervisor.start([spec])
    stage.supervisor.wait_healthy(["face"])
    before = stage.supervisor.pid_of("face")

    os.kill(before, signal.SIGKILL)
    wait_until(
        lambda: stage.supervisor.poll() or stage.states_of("face").count(State.HEALTHY) == 2,
        seconds=30,
        what="a second healthy answer",
    )

    expected = [State.STARTING, State.HEALTHY, State.CRASHED, State.STARTING, State.HEALTHY]
    assert stage.states_of("face") == expected
    assert stage.supervisor.pid_of("face") != before


def test_poll__an_earlier_runs_heartbeat_is_fresh__waits_for_this_ones(
    stage: Stage, tmp_path: Path
) -> None:
    beat = tmp_path / "heartbeat"
    beat.touch()
    spec = replace(stage.spec("face"), health=heartbeat_health(beat), heartbeat=beat)

    stage.supervisor.start([spec])
    stage.supervisor.poll()
    assert stage.supervisor.states() == {"face": State.STARTING}
    beat.touch()
    stage.supervisor.poll()

    assert stage.supervisor.states() == {"face": State.HEALTHY}


def test_wait_healthy__process_exits_at_once__says_why_with_its_last_lines(
    stage: Stage, tmp_path: Path
) -> None:
    stage.supervisor.start([stage.spec("face", "--crash-first", str(tmp_path / "mark"))])

    with pytest.raises(ProcessNotHealthy) as caught:
        stage.supervisor.wait_healthy(["face"])

    assert caught.value.fields["exit_status"] == 3
    assert "crashing once" in str(caught.value.fields["last_lines"])


def test_kill__process_was_killed_on_purpose__is_not_restarted(stage: Stage) -> None:
    stage.supervisor.start([stage.spec("face")])
    stage.supervisor.wait_healthy(["face"])

    stage.supervisor.kill("face")
    stage.supervisor.poll()

    assert stage.supervisor.states() == {"face": State.STOPPED}


def test_stop__process_ignores_sigterm_and_has_a_child__both_are_gone(
    stage: Stage, tmp_path: Path
) -> None:
    stage.supervisor.start([stage.spec("face", "--stubborn", "--child", stop_seconds=0.5)])
    stage.supervisor.wait_healthy(["face"])
    grandchild = int((tmp_path / "face.log").read_text().split()[0])

    stage.supervisor.stop("face")

    wait_until(lambda: not is_running(grandchild), seconds=5, what="the grandchild's end")


def test_supervisor__is_killed_itself__children_die_with_it(
    tmp_path: Path, project_root: Path
) -> None:
    port = choose_ports(["face"])["face"]
    supervisor = subprocess.Popen(
        [
            sys.executable,
            str(project_root / "tests/support/small_supervisor.py"),
            str(tmp_path),
            str(port),
        ],
        env={**os.environ, "PYTHONPATH": str(project_root)},
    )
    wait_until((tmp_path / "ready").exists, seconds=30, what="a healthy child")
    child = Identity.load(tmp_path / "face.json")
    assert child is not None and child.is_alive()

    supervisor.kill()
    supervisor.wait()

    wait_until(lambda: not child.is_alive(), seconds=10, what="the child's end")


def test_home_lock__second_owner__is_refused_and_names_the_first(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    lock = HomeLock(home)
    lock.acquire()

    with pytest.raises(AlreadyRunning) as caught:
        HomeLock(home).acquire()

    assert caught.value.fields["pid"] == os.getpid()
    owner = owner_of(home)
    assert owner is not None and owner.pid == os.getpid()
    lock.release()
    assert owner_of(home) is None
    next_lock = HomeLock(home)
    next_lock.acquire()
    next_lock.release()


def test_identity__pid_was_reused__is_not_alive() -> None:
    own = Identity.of(os.getpid())

    assert own.is_alive()
    assert not Identity(own.pid, own.started - 100).is_alive()


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
