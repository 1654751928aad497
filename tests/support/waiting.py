"""Wait for something another process does, without sleeping through it."""

import threading
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll `condition` until it holds. Raises: AssertionError naming `what` after `seconds`."""
    clock = threading.Event()
    steps = int(seconds / 0.05)
    for _ in range(max(1, steps)):
        if condition():
            return
        clock.wait(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} s")
