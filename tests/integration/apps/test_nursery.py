"""The nursery with real forks: own logs and statuses, and nothing outlives it."""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from offchain.apps.home import Home
from offchain.apps.nursery import Nursery, can_fork
from offchain.apps.nursery_process import Nursery as Forks
from offchain.apps.processes import Child, Identity, ProcessSpec, kill, own_command, start, stop
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not can_fork(), reason="forks are made on Linux only")
PATIENCE = 60
HELP = ("da-node", "--help")


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = a_nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


def a_nursery(folder: Path) -> Nursery:
    nursery = Nursery(folder, folder / "kernels.log")
    nursery.wait()
    return nursery


def a_spec(folder: Path, *words: str) -> ProcessSpec:
    return ProcessSpec(
        name="da-node-0",
        argv=words,
        log=folder / "node.log",
        pid_file=folder / "node.json",
        health=lambda: None,
    )


def a_waiting_node(folder: Path) -> ProcessSpec:
    """A node that reads its home's manifest from a pipe nobody writes to."""
    home = Home.at(folder / "home")
    home.manifest.parent.mkdir(parents=True)
    os.mkfifo(home.manifest)
    return a_spec(folder, *own_command("da-node", "--home", str(home.root), "--index", "0"))


def is_fork_of(nursery: Nursery, child: Child) -> bool:
    return bool(psutil.Process(child.pid).ppid() == nursery.pid)


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_start__command_of_ours__writes_to_its_own_log_and_tells_its_status(
    nursery: Nursery, tmp_path: Path
) -> None:
    told = start(a_spec(tmp_path, *own_command(*HELP)), nursery.start)
    refused = start(a_spec(tmp_path, *own_command("da-node", "--no-such-flag")), nursery.start)

    assert told.wait(PATIENCE) == 0
    assert refused.wait(PATIENCE) == 2
    said = (tmp_path / "node.log").read_text()
    assert "One operator's DA node" in said
    assert "--no-such-flag" in said


def test_start__another_program_or_another_environment__starts_from_nothing(
    nursery: Nursery, tmp_path: Path
) -> None:
    spec = a_spec(tmp_path, sys.executable, "-c", "print('from nothing')")

    assert nursery.start(spec) is None
    assert nursery.start(replace(spec, argv=own_command("devnet", "--help"))) is None
    assert nursery.start(replace(spec, argv=own_command(*HELP), environment={"A": "1"})) is None
    assert start(spec, nursery.start).wait(PATIENCE) == 0
    assert (tmp_path / "node.log").read_text() == "from nothing\n"


def test_stop__a_fork_that_runs__ends_when_told_and_leads_its_own_session(
    nursery: Nursery, tmp_path: Path
) -> None:
    spec = a_waiting_node(tmp_path)
    child = start(spec, nursery.start)
    identity = Identity.load(spec.pid_file)
    assert identity is not None and identity.is_alive()
    assert is_fork_of(nursery, child)
    assert (child.poll(), os.getsid(child.pid)) == (None, child.pid)
    shown = psutil.Process(child.pid)
    assert shown.name() == "da-node-0"
    assert "apogee da-node --home" in " ".join(shown.cmdline())

    assert stop(child, PATIENCE) == -signal.SIGTERM

    assert not identity.is_alive()


def test_start__many_times__nothing_stays_open_here_or_there(
    nursery: Nursery, tmp_path: Path
) -> None:
    here, there = open_files(os.getpid()), open_files(nursery.pid)

    for number in range(5):
        folder = tmp_path / str(number)
        child = start(a_waiting_node(folder), nursery.start)
        inherited = {Path(f"/proc/{child.pid}/fd/{fd}").readlink() for fd in (0, 1, 2)}
        assert inherited == {Path("/dev/null"), folder / "node.log"}
        kill(child)
        assert child.returncode == -signal.SIGKILL

    assert open_files(os.getpid()) == here
    wait_until(  # it tells a status before it closes the pipe
        lambda: open_files(nursery.pid) == there, seconds=PATIENCE, what="the last pipe's end"
    )


def test_prepare__what_cannot_be_imported__is_left_to_who_needs_it(
    nursery: Nursery, tmp_path: Path
) -> None:
    nursery.prepare("offchain.apps.no_such_module", "wave")

    assert start(a_spec(tmp_path, *own_command(*HELP)), nursery.start).wait(PATIENCE) == 0


def test_nursery__is_killed__its_forks_end_and_others_start_from_nothing(tmp_path: Path) -> None:
    nursery = a_nursery(tmp_path)
    spec = a_waiting_node(tmp_path)
    child = start(spec, nursery.start)
    identity = Identity.load(spec.pid_file)
    assert identity is not None

    os.kill(nursery.pid, signal.SIGKILL)

    assert child.wait(PATIENCE) == -signal.SIGTERM
    wait_until(lambda: not identity.is_alive(), seconds=PATIENCE, what="the fork's end")
    assert nursery.start(a_spec(tmp_path, *own_command(*HELP))) is None
    assert start(a_spec(tmp_path, *own_command(*HELP)), nursery.start).wait(PATIENCE) == 0
    nursery.close()


def test_nursery__has_a_second_thread__does_not_fork(tmp_path: Path) -> None:
    """A lock that the other thread holds would stay held in the fork for ever."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    log = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    reading, writing = os.pipe()

    is_fork = Forks(theirs)._fork({"words": HELP, "name": "da-node-0"}, [log, writing])
    if is_fork:
        os._exit(1)
    end.set()
    other.join()

    assert json.loads(ours.recv(100)) == {"pid": 0}
    assert os.read(reading, 1) == b""
    os.close(reading)
    ours.close()
    theirs.close()
