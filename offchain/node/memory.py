"""What a long-lived process does about its memory once: keep what is freed, leave what stays.

A shard's body has two megabytes. The C library gives memory of that size back as soon as it is
free, and the system hands it out again page by page, zeroed: that costs as much as hashing the
body. Where the C library is another one, nothing changes.

Objects that live as long as the process (modules, compiled kernels, routes) are walked by each full
run of the garbage collector; after `leave_what_stays` they are not.
"""

import ctypes
import gc
from typing import Final

TRIM_THRESHOLD: Final = -1
MMAP_THRESHOLD: Final = -3
KEPT_BYTES: Final = 64 << 20  # free at the end of an arena before it goes back
LARGEST_BYTES: Final = 32 << 20  # what is larger is mapped alone


def keep_freed_memory() -> bool:
    """Once, when a process starts; whether the C library knows how."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(TRIM_THRESHOLD, KEPT_BYTES) and mallopt(MMAP_THRESHOLD, LARGEST_BYTES))


def leave_what_stays() -> None:
    """Once, when everything is loaded that stays: the collector looks at newer objects only."""
    gc.collect()
    gc.freeze()
