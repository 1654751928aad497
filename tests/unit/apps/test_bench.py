"""Benchmarks are found by area, run in order, and a missed bar is told by the exit code."""

import json
from pathlib import Path

import pytest

from offchain.apps.bench import NoBenchmarks, UnknownArea, find_modules, measure

ROW = """
from dataclasses import dataclass

@dataclass
class Row:
    name: str
    value: float
    unit: str = "s"
    bar: object = None
    ok: object = None
    baseline: object = None
    ratio: object = None
    command: str = "apogee bench"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    good = ROW + 'def run():\n    return [Row("da.a", 1.0, ok=True), Row("da.b", 2.0)]\n'
    (folder / "da_good.py").write_text(good)
    (folder / "da_stage.py").write_text("SHARED = 1\n")
    missed = ROW + 'def run():\n    return [Row("chain.a", 1.0, bar=">= 2", ok=False)]\n'
    (folder / "chain_missed.py").write_text(missed)
    return folder


def test_find_modules__of_an_area__are_its_own_and_all_is_everything(folder: Path) -> None:
    names = lambda area: [path.name for path in find_modules(folder, area)]

    assert names("da") == ["da_good.py", "da_stage.py"]
    assert names("all") == ["da_good.py", "da_stage.py", "chain_missed.py"]


@pytest.mark.parametrize("area", ["", "..", "gpu", "da_good"])
def test_find_modules__of_no_area__is_refused(folder: Path, area: str) -> None:
    with pytest.raises(UnknownArea):
        find_modules(folder, area)


def test_find_modules__nothing_measured_there__is_not_found(folder: Path) -> None:
    with pytest.raises(NoBenchmarks):
        find_modules(folder, "staking")


def test_measure__as_json__prints_one_list_and_leaves_out_stages(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = measure(folder, "da", as_json=True)

    rows = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [row["name"] for row in rows] == ["da.a", "da.b"]
    wanted = {"name", "value", "unit", "bar", "ok", "baseline", "ratio", "command"}
    assert set(rows[0]) == wanted


def test_measure__a_bar_is_missed__ends_with_4(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(folder, "chain", as_json=False) == 4
    assert "MISS chain.a" in capsys.readouterr().err
