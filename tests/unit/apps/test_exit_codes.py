"""Each kind of error ends a command with its own exit code; anything else is a bug."""

import pytest

from offchain.apps.exit_codes import exit_code_of
from offchain.core.errors import (
    KINDS,
    ApogeeError,
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
)


class DiskFull(Unavailable):
    """A subclass of a kind."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput(), 2),
        (NotFound(), 3),
        (Corrupt(), 4),
        (Rejected(), 5),
        (Unavailable(), 6),
        (DiskFull(), 6),
        (Conflict(), 7),
        (ApogeeError(), 1),
        (ValueError(), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_code__of_each_error__is_documented(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_exit_code__of_the_six_kinds__are_all_different() -> None:
    assert len({exit_code_of(kind()) for kind in KINDS}) == len(KINDS)
