"""Compile the erasure code's kernels once, in a process of its own, so that every node finds them.

Eight nodes that compile the same kernels at once keep two cores busy for minutes; one does it in
seconds and numba's cache serves the rest. Run as a module it compiles and exits.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from offchain.apps.processes import inherited_environment
from offchain.core.errors import Unavailable
from offchain.jobs.lifeline import lifeline_to

COMPILE_SECONDS: Final = 300.0


class CompilationFailed(Unavailable):
    """The erasure kernels could not be compiled or failed their self-test."""

    code = "kernels.compilation_failed"
    next_step = "Read logs/kernels.log of the home; `apogee doctor` checks the compiler."


class Compilation:
    """One compilation under way; `wait` before nodes start."""

    def __init__(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("ab") as file:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "offchain.apps.compilation"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=inherited_environment(),
                preexec_fn=lifeline_to(os.getpid()),  # noqa: PLW1509 - two system calls, no locks
            )

    def wait(self) -> None:
        """Raises: CompilationFailed."""
        try:
            status = self._child.wait(COMPILE_SECONDS)
        except subprocess.TimeoutExpired as error:
            self._child.kill()
            raise CompilationFailed(seconds=COMPILE_SECONDS) from error
        if status:
            raise CompilationFailed(exit_status=status, log=self._log)


def main() -> None:
    from offchain.core.erasure.choose import choose_engine

    choose_engine()


if __name__ == "__main__":
    main()
