"""`apogee demo` that is interrupted or refused: its exit code, and nothing left running."""

import signal
from pathlib import Path

import pytest

from tests.support.apogee_command import run_apogee, start_apogee
from tests.support.demo import processes_of
from tests.support.waiting import wait_until


def test_demo__ctrl_c_in_the_middle__exits_130_and_nothing_runs(tmp_path: Path) -> None:
    kept, log = tmp_path / "kept", tmp_path / "log"
    demo = start_apogee("demo", "--backend", "pyevm", "--keep", str(kept), log=log)
    wait_until(lambda: "stake and register" in log.read_text(), seconds=600, what="running nodes")

    assert len(processes_of(kept)) > 1
    demo.send_signal(signal.SIGINT)

    assert demo.wait(120) == 130
    assert processes_of(kept) == []


@pytest.mark.parametrize("flags", [("--file", "absent"), ("--file", "empty")])
def test_demo__unusable_file__is_refused_before_anything_starts(
    tmp_path: Path, flags: tuple[str, str]
) -> None:
    (tmp_path / "empty").touch()

    refused = run_apogee("demo", flags[0], str(tmp_path / flags[1]), "--json", code=2)

    assert refused.json()["error"]["code"] == "demo.file_unusable"
