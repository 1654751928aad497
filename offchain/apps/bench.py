"""Runs `benchmarks/<area>_*.py`: each module's `run()` returns rows with the figure and its bar."""

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Final

from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import project_root
from offchain.apps.output import print_json, print_table, say
from offchain.core.errors import InvalidInput, NotFound

AREAS: Final = ("da", "storage", "compute", "attest", "agents", "staking", "chain", "demo")
COLUMNS: Final = ("name", "value", "unit", "bar", "ok", "baseline", "ratio", "command")


class UnknownArea(InvalidInput):
    """There are no benchmarks of that name."""

    code = "bench.unknown_area"
    next_step = "Choose da, storage, compute, attest, agents, staking, chain, demo or all."


class NoBenchmarks(NotFound):
    """No benchmark module of this area is in this checkout."""

    code = "bench.none"
    next_step = "Run from a full checkout; benchmarks/ holds `<area>_*.py` modules."


def find_modules(folder: Path, area: str) -> list[Path]:
    """The benchmark modules of an area, `all` for every area. Raises: UnknownArea, NoBenchmarks."""
    if area != "all" and area not in AREAS:
        raise UnknownArea(area=area)
    wanted = AREAS if area == "all" else (area,)
    paths = [path for name in wanted for path in sorted(folder.glob(f"{name}_*.py"))]
    if not paths:
        raise NoBenchmarks(area=area, folder=folder)
    return paths


def run_area(folder: Path, area: str, *, nodes: int | None = None) -> Iterable[dict[str, object]]:
    """Each row of an area as it is measured; with `nodes`, only what grows with nodes, up to it."""
    name = "run" if nodes is None else "run_nodes"
    for path in find_modules(folder, area):
        module = _load(path)
        if not hasattr(module, name):  # a stage that benchmarks share
            continue
        for row in module.run() if nodes is None else module.run_nodes(nodes):
            yield {column: getattr(row, column) for column in COLUMNS}


def _load(path: Path) -> ModuleType:
    """Import one benchmark module; its siblings (rows.py) are importable as `benchmarks.rows`."""
    root = str(path.parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    spec = importlib.util.spec_from_file_location(f"benchmarks.{path.stem}", path)
    assert spec, "a .py file always has a loader"
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def print_bench(area: str, *, as_json: bool, nodes: int | None = None) -> int:
    """Measure an area of this checkout."""
    return measure(project_root() / "benchmarks", area, as_json=as_json, nodes=nodes)


def measure(folder: Path, area: str, *, as_json: bool, nodes: int | None = None) -> int:
    """Measure an area and print its rows; 4 when a bar is missed."""
    rows = []
    for row in run_area(folder, area, nodes=nodes):
        rows.append(row)
        mark = "MISS" if row["ok"] is False else "ok  "
        say(f"{mark} {row['name']} = {row['value']} {row['unit']}")
    if as_json:
        print_json(rows)
    else:
        print_table("", COLUMNS, [[row[column] for column in COLUMNS] for row in rows])
    is_missed = any(row["ok"] is False for row in rows)
    return ExitCode.CORRUPT if is_missed else ExitCode.DONE
