"""What tests of worker processes look at: lines that workers wrote, and how one is started."""

import subprocess
from collections.abc import Callable
from pathlib import Path

StartWorker = Callable[..., "subprocess.Popen[bytes]"]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
