"""One measured figure: what `apogee bench --json` prints and docs/performance.md quotes."""

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
    return _row(name, value, unit, f">= {bar:g}" if bar else None, ok, baseline, command)


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
    return _row(name, value, unit, f"<= {bar:g}" if bar else None, ok, baseline, command)


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
