"""What the demo says: one line a step while it runs, a table at the end, or one JSON object."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from offchain.apps.output import is_quiet, say
from offchain.core.units import MEGABYTE


@dataclass(slots=True)
class Step:
    """One line of the closing table; empty cells where a step has no such figure."""

    name: str
    seconds: float = 0.0
    size_bytes: int = 0
    gas: int = 0
    transaction: str = ""
    detail: str = ""

    @property
    def mb_s(self) -> float | None:
        """Payload bytes per second; None where no bytes moved."""
        return round(self.size_bytes / MEGABYTE / self.seconds, 1) if self.size_bytes else None

    def as_json(self) -> dict[str, object]:
        return {
            "step": self.name,
            "seconds": round(self.seconds, 3),
            "mb_s": self.mb_s,
            "gas": self.gas or None,
            "transaction": self.transaction or None,
            "detail": self.detail,
        }

    def cells(self) -> tuple[str, ...]:
        rate = "" if self.mb_s is None else f"{self.mb_s:.1f}"
        gas = f"{self.gas:,}" if self.gas else ""
        shown = self.transaction
        if len(shown) > 20:
            shown = f"{shown[:10]}..{shown[-6:]}"
        return (self.name, f"{self.seconds:.2f}", rate, gas, shown, self.detail)


COLUMNS = ("step", "time s", "MB/s", "gas", "transaction", "")


@dataclass(slots=True)
class Story:
    """The steps so far; each is said when it begins and when it is done."""

    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; a step that raises is not told as done."""
        number = len(self.steps) + 1
        say(f"[{number:>2}] {name} ...")
        step = Step(name)
        started = time.monotonic()
        yield step
        step.seconds = step.seconds or time.monotonic() - started
        self.steps.append(step)
        rate = f", {step.mb_s:.1f} MB/s" if step.mb_s else ""
        gas = f", {step.gas:,} gas" if step.gas else ""
        detail = f": {step.detail}" if step.detail else ""
        say(f"     done in {step.seconds:.2f} s{rate}{gas}{detail}")

    def mb_s_of(self, name: str) -> float:
        """The rate of a step that moved bytes."""
        return next(step.mb_s for step in self.steps if step.name == name and step.mb_s is not None)


def say_live(line: str) -> None:
    """Progress inside a step: rewritten in place, and only on a terminal."""
    if sys.stderr.isatty() and not is_quiet():
        sys.stderr.write(f"\r\033[K     {line}\r")
        sys.stderr.flush()
