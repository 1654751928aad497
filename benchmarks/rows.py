"""One measured figure: what `apogee bench --json` prints and docs/performance.md quotes."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its bar.

    `bar` says what is wanted (">= 200") and `ok` whether it was met, both None without one. `ratio`
    is the value over `baseline`, another way of doing the same, timed in the same run. `command`
    repeats the measurement.
    """

    name: str
    value: float
    unit: str
    bar: str | None
    ok: bool | None
    baseline: float | None
    ratio: float | None
    command: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def flags_of(docstring: str | None) -> argparse.ArgumentParser:
    """The flags of every measurement; its own are added."""
    parser = argparse.ArgumentParser(description=(docstring or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="a list, as performance_page.py reads")
    return parser


def measure(run: Callable[[], Sequence[Row]], docstring: str | None) -> int:
    """A measurement without flags of its own, from the command line."""
    asked = flags_of(docstring).parse_args()
    return show(run(), as_json=asked.json)


def show(rows: Sequence[Row], *, as_json: bool) -> int:
    """Print rows; 0 where every bar is met."""
    if as_json:
        sys.stdout.write(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    else:
        for row in rows:
            value = f"{row.value:,.0f}" if row.value >= 1_000 else f"{row.value:.3f}"
            sys.stdout.write(f"{row.name:36} {value:>12} {row.unit:14} {row.bar or ''}\n")
    return 0 if all(row.ok is not False for row in rows) else 1


def at_least(
    name: str,
    value: float,
    unit: str,
    bar: float | None,
    *,
    command: str,
    baseline: float | None = None,
) -> Row:
    """A figure that should reach `bar`; None states it without a bar."""
    ok = None if bar is None else value >= bar
    shown = None if bar is None else f">= {bar:g}"
    return _row(name, value, unit, shown, ok, baseline, command)


def at_most(
    name: str,
    value: float,
    unit: str,
    bar: float | None,
    *,
    command: str,
    baseline: float | None = None,
) -> Row:
    """A figure that should stay within `bar`; None states it without a bar."""
    ok = None if bar is None else value <= bar
    shown = None if bar is None else f"<= {bar:g}"
    return _row(name, value, unit, shown, ok, baseline, command)


def _row(  # noqa: PLR0913, PLR0917  # one parameter a column
    name: str,
    value: float,
    unit: str,
    bar: str | None,
    ok: bool | None,
    baseline: float | None,
    command: str,
) -> Row:
    ratio = round(value / baseline, 2) if baseline else None
    shown = round(baseline, 3) if baseline is not None else None
    return Row(name, round(value, 3), unit, bar, ok, shown, ratio, command)
