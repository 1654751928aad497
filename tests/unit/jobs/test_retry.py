"""One table decides what becomes of a failed job."""

import pytest

from offchain.core.errors import (
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
)
from offchain.jobs.model import Handling
from offchain.jobs.retry import LIMIT_SECONDS, handling_of, retry_seconds


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidInput(), Handling.DROP),
        (NotFound(), Handling.DROP),
        (Conflict(), Handling.DROP),
        (Rejected(), Handling.REPORT),
        (Unavailable(), Handling.RETRY),
        (Corrupt(), Handling.STOP),
        (KeyError("a bug"), Handling.REPORT),
    ],
)
def test_handling__of_each_kind__is_the_tables(error: Exception, expected: Handling) -> None:
    assert expected == handling_of(error)


def test_retry_seconds__grows__and_is_bounded() -> None:
    waits = [retry_seconds(attempts) for attempts in range(40)]

    assert waits == sorted(waits)
    assert (waits[0], waits[1], waits[-1]) == (1.0, 2.0, LIMIT_SECONDS)
