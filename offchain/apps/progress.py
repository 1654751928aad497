"""One line of progress on stderr: bytes, rate, time left; rewritten on a terminal, else a few."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TextIO

from offchain.core.units import MEGABYTE
from offchain.da.dispersals import Stage
from offchain.da.disperse import Progress

REDRAW_SECONDS: Final = 0.1
REPEAT_SECONDS: Final = 5.0  # between lines where nothing is rewritten
_SENT: Final = 0.85  # of a blob's way, when enough have signed
_SHARES: Final = {
    Stage.PLANNED: 0.05,
    Stage.PAID: 0.1,
    Stage.ATTESTED: 0.9,
    Stage.CONFIRMED: 1.0,
}


@dataclass(slots=True)
class ProgressLine:
    """Shows how much of `total` bytes is done; says nothing in the first moment."""

    total: int
    verb: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    _started: float = 0.0
    _first: float | None = None
    _shown: float = 0.0
    _width: int = 0

    def __post_init__(self) -> None:
        self._started = self.clock()

    def show(self, done: float, detail: str = "") -> None:
        """`done` bytes are done, some of them perhaps by an earlier run."""
        now = self.clock()
        if self._first is None:
            self._first = done
        wait = REDRAW_SECONDS if self.stream.isatty() else REPEAT_SECONDS
        if now - max(self._shown, self._started) < wait:
            return
        self._shown = now
        line = self.line(done, now - self._started, detail)
        if self.stream.isatty():
            self.stream.write("\r\033[K" + line)
            self._width = len(line)
        else:
            self.stream.write(line + "\n")
        self.stream.flush()

    def close(self) -> None:
        """Leave the line to whatever is printed next."""
        if self._width:
            self.stream.write("\r\033[K")
            self.stream.flush()
            self._width = 0

    def line(self, done: float, seconds: float, detail: str) -> str:
        """What is shown after `seconds`."""
        share = min(1.0, done / self.total) if self.total else 1.0
        rate = max(0.0, done - (self._first or 0.0)) / seconds if seconds else 0.0
        text = (
            f"{self.verb} {100 * share:3.0f} %  {done / MEGABYTE:.1f} of"
            f" {self.total / MEGABYTE:.1f} MB  {rate / MEGABYTE:.1f} MB/s"
        )
        if rate > 0 and done < self.total:
            text += f"  {(self.total - done) / rate:.0f} s left"
        return f"{text}  {detail}".rstrip()


class PutProgress:
    """Turns the stages of many blobs into one line about their file."""

    def __init__(self, line: ProgressLine, *, blobs: int) -> None:
        self._line = line
        self._blobs = blobs
        self._shares: dict[bytes, float] = {}

    def __call__(self, progress: Progress) -> None:
        share = _SHARES.get(progress.stage, 0.0)
        if progress.slices_needed:
            share += (_SENT - share) * min(1.0, progress.slices_signed / progress.slices_needed)
        self._shares[progress.blob_id] = max(share, self._shares.get(progress.blob_id, 0.0))
        done = sum(self._shares.values()) * self._line.total / self._blobs
        confirmed = sum(1 for one in self._shares.values() if one >= 1)
        self._line.show(min(done, self._line.total), f"{confirmed} of {self._blobs} confirmed")
