"""A folder that stands for a chain, and real worker processes over it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.worker_world import StartWorker


@pytest.fixture
def world(tmp_path: Path) -> Path:
    for name in ("due", "done"):
        (tmp_path / name).mkdir()
    for name in ("started", "effects", "pids"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def start_worker(world: Path, project_root: Path) -> Iterator[StartWorker]:
    """Start `folder_worker.py` with these arguments after the folder; killed at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        script = str(project_root / "tests/support/folder_worker.py")
        with (world / "log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, script, str(world), *arguments],
                env={**os.environ, "PYTHONPATH": str(project_root)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        running.append(worker)
        return worker

    yield start
    for worker in running:
        worker.kill()
        worker.wait()
