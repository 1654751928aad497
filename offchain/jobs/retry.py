"""Errors to handling: the one place that decides whether a failed job is tried again.

  InvalidInput, NotFound, Conflict -> drop      Rejected -> drop and report
  Unavailable -> retry with backoff             Corrupt -> stop and alarm
Anything that is not ours is a bug: reported with its traceback, found again by the reconcile loop.
"""

from typing import Final

from offchain.core.errors import ApogeeError, Corrupt, Rejected, Unavailable
from offchain.jobs.model import Handling

FIRST_SECONDS: Final = 1.0
LIMIT_SECONDS: Final = 300.0
MAX_RETRIES: Final = 12


def handling_of(error: Exception) -> Handling:
    """What to do with a job that raised `error`."""
    if isinstance(error, Unavailable):
        return Handling.RETRY
    if isinstance(error, Corrupt):
        return Handling.STOP
    if isinstance(error, Rejected) or not isinstance(error, ApogeeError):
        return Handling.REPORT
    return Handling.DROP


def retry_seconds(attempts: int) -> float:
    """How long to wait before attempt number `attempts + 1`: doubling, bounded."""
    return float(min(LIMIT_SECONDS, FIRST_SECONDS * 2 ** min(attempts, 30)))
