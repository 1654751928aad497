"""Other brokers and pools than the default: a real Redis, real pool processes, real kills."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.redis_process import RedisProcess, running_redis
from tests.support.waiting import wait_until
from tests.support.worker_world import StartWorker, lines

EMBEDDED = "filesystem://"
PATIENCE_SECONDS = 90


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["embedded", "redis"])
def broker_url(request: pytest.FixtureRequest) -> str:
    if request.param == "embedded":
        return EMBEDDED
    server: RedisProcess = request.getfixturevalue("redis")
    return server.url


def begun(world: Path, count: int) -> None:
    wait_until(
        lambda: len(lines(world / "started")) >= count,
        seconds=PATIENCE_SECONDS,
        what=f"start number {count}",
    )


def settled(world: Path, *names: str) -> None:
    wait_until(
        lambda: all((world / "done" / name).exists() for name in names),
        seconds=PATIENCE_SECONDS,
        what="the effects",
    )


def test_redis__worker_is_killed_mid_task__another_does_it_once(
    world: Path, start_worker: StartWorker, redis: RedisProcess
) -> None:
    (world / "due" / "blob").touch()
    victim = start_worker(redis.url)
    begun(world, 1)

    victim.kill()
    victim.wait()
    (world / "go").touch()
    start_worker(redis.url)
    settled(world, "blob")

    assert lines(world / "effects") == ["blob"]


def test_redis__server_forgets_its_queue__the_loop_finds_the_work_again(
    world: Path, start_worker: StartWorker, redis: RedisProcess
) -> None:
    (world / "due" / "first").touch()
    (world / "go").touch()
    worker = start_worker(redis.url)
    settled(world, "first")

    redis.kill()
    (world / "due" / "second").touch()
    redis.start()
    settled(world, "second")

    assert worker.poll() is None
    assert lines(world / "effects") == ["first", "second"]


def test_prefork__work_is_due__pool_processes_do_each_id_once(
    world: Path, start_worker: StartWorker, broker_url: str
) -> None:
    names = [f"blob{number}" for number in range(6)]
    for name in names:
        (world / "due" / name).touch()
    worker = start_worker(broker_url, "prefork", "2")
    begun(world, 2)

    (world / "go").touch()
    settled(world, *names)

    assert sorted(lines(world / "effects")) == names
    pids = set(map(int, lines(world / "pids")))
    assert len(pids) == 2
    assert worker.pid not in pids


def test_prefork__child_is_killed_mid_task__effect_comes_once(
    world: Path, start_worker: StartWorker, broker_url: str
) -> None:
    (world / "due" / "blob").touch()
    worker = start_worker(broker_url, "prefork", "2")
    begun(world, 1)

    os.kill(int(lines(world / "pids")[0]), signal.SIGKILL)
    begun(world, 2)
    (world / "go").touch()
    settled(world, "blob")

    assert worker.poll() is None
    assert lines(world / "effects") == ["blob"]
    assert len(set(lines(world / "pids"))) == 2


def test_prefork__worker_is_killed__its_children_die_and_the_next_one_does_it_once(
    world: Path, start_worker: StartWorker, broker_url: str
) -> None:
    (world / "due" / "blob").touch()
    victim = start_worker(broker_url, "prefork", "2")
    begun(world, 1)
    child = psutil.Process(int(lines(world / "pids")[0]))

    victim.kill()
    victim.wait()
    wait_until(lambda: is_over(child), seconds=PATIENCE_SECONDS, what="the child's end")
    (world / "go").touch()
    start_worker(broker_url, "prefork", "2")
    settled(world, "blob")

    assert lines(world / "effects") == ["blob"]


def is_over(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_rabbitmq__work_is_due__does_each_id_once(
    world: Path, start_worker: StartWorker, tmp_path: Path
) -> None:
    binary = shutil.which("rabbitmq-server")
    if binary is None:
        pytest.skip("no RabbitMQ server: rabbitmq-server is not on PATH")
    (world / "due" / "blob").touch()
    (world / "go").touch()
    place = {
        "RABBITMQ_NODENAME": "apogee_test@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(tmp_path / "mnesia"),
        "RABBITMQ_LOG_BASE": str(tmp_path / "log"),
    }
    server = subprocess.Popen([binary], env={**os.environ, **place})
    try:
        start_worker("amqp://guest:guest@127.0.0.1:5672//")
        settled(world, "blob")
    finally:
        server.terminate()
        server.wait(60)

    assert lines(world / "effects") == ["blob"]
