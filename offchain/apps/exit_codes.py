"""How a command ends: the exit code of each of the six kinds of error.

  0 done   1 a bug   2 wrong input   3 not found   4 corrupt or contradicted
  5 the protocol refused   6 unavailable, try again   7 conflict   130 interrupted
Source: docs/how-to/run-apogee-locally.md.
"""

from enum import IntEnum

from offchain.core.errors import (
    ApogeeError,
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
    kind_of,
)


class ExitCode(IntEnum):
    """What a shell reads after a command."""

    DONE = 0
    BUG = 1
    WRONG_INPUT = 2
    NOT_FOUND = 3
    CORRUPT = 4
    REJECTED = 5
    UNAVAILABLE = 6
    CONFLICT = 7
    INTERRUPTED = 130


_CODES: dict[type[ApogeeError], ExitCode] = {
    InvalidInput: ExitCode.WRONG_INPUT,
    NotFound: ExitCode.NOT_FOUND,
    Corrupt: ExitCode.CORRUPT,
    Rejected: ExitCode.REJECTED,
    Unavailable: ExitCode.UNAVAILABLE,
    Conflict: ExitCode.CONFLICT,
}


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code an error ends a command with; anything that is not ours is a bug."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, ApogeeError):
        return _CODES.get(kind_of(error), ExitCode.BUG)
    return ExitCode.BUG
