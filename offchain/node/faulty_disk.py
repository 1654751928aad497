"""A disk that fails at one chosen step: full, broken, cut in the middle of a write, or killed.

Shipped because operators test their restarts with it and our crash tests walk every step. Steps
count calls that change the disk (write, append, truncate, sync, rename, remove), from 0.
"""

import errno
import os
import signal
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import NoReturn

from offchain.node.disk import Chunk, Disk


class Fault(Enum):
    """What happens at the chosen step."""

    FULL = "full"  # half of the bytes, then ENOSPC
    BROKEN = "broken"  # EIO, nothing done
    CRASH = "crash"  # the process is gone before the step
    TORN = "torn"  # half of the bytes, then the process is gone
    KILL = "kill"  # as TORN, by SIGKILL to this very process


class Crashed(BaseException):
    """The process died here; not an `Exception`, because nobody may handle it."""


class FaultyDisk:
    """Passes everything to another disk until the chosen step."""

    def __init__(self, inner: Disk, fault: Fault, *, at_step: int) -> None:
        self._inner = inner
        self._fault = fault
        self._at_step = at_step
        self.steps = 0
        self.dead = False

    def arm(self, at_step: int) -> None:
        """Count from now on, and fail at this step."""
        self.steps = 0
        self._at_step = at_step

    def write(self, path: Path, parts: Iterable[Chunk]) -> None:
        if self._fails_here():
            whole = b"".join(bytes(part) for part in parts)
            self._fail(lambda: self._inner.write(path, [whole[: len(whole) // 2]]))
        self._inner.write(path, parts)

    def append(self, path: Path, data: bytes) -> None:
        if self._fails_here():
            self._fail(lambda: self._inner.append(path, data[: len(data) // 2]))
        self._inner.append(path, data)

    def truncate(self, path: Path, size: int) -> None:
        self._step()
        self._inner.truncate(path, size)

    def sync(self, path: Path) -> None:
        self._step()
        self._inner.sync(path)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        self._inner.rename(source, target)

    def remove(self, path: Path) -> None:
        self._step()
        self._inner.remove(path)

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        self._require_alive()
        return self._inner.read(path, start, size)

    def view(self, path: Path, start: int, size: int) -> memoryview:
        self._require_alive()
        return self._inner.view(path, start, size)

    def size(self, path: Path) -> int:
        self._require_alive()
        return self._inner.size(path)

    def names(self, folder: Path) -> list[str]:
        self._require_alive()
        return self._inner.names(folder)

    def _step(self) -> None:
        if self._fails_here():
            self._fail(lambda: None)

    def _fails_here(self) -> bool:
        self._require_alive()
        self.steps += 1
        return self.steps - 1 == self._at_step

    def _require_alive(self) -> None:
        if self.dead:
            raise Crashed

    def _fail(self, half: Callable[[], None]) -> NoReturn:
        match self._fault:
            case Fault.FULL:
                half()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case Fault.BROKEN:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            case Fault.TORN:
                half()
            case Fault.KILL:
                half()
                os.kill(os.getpid(), signal.SIGKILL)
            case Fault.CRASH:
                pass
        self.dead = True
        raise Crashed
