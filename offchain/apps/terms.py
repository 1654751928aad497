"""Lengths of time as people type them: `30d`, `12w`, `6m`, `1y`; and byte ranges: `0-1023`."""

import re
from typing import Final

from offchain.core.errors import InvalidInput

DAY: Final = 86_400
_UNITS: Final = {"h": 3_600, "d": DAY, "w": 7 * DAY, "m": 30 * DAY, "y": 365 * DAY}
_TERM: Final = re.compile(r"^([0-9]{1,6})([hdwmy])$")
_RANGE: Final = re.compile(r"^([0-9]{1,15})-([0-9]{1,15})$")


class TermInvalid(InvalidInput):
    """A term is a number and h, d, w, m (30 days) or y (365 days)."""

    code = "storage.term.malformed"
    next_step = "Type a term such as 30d, 6m or 1y."


class RangeMalformed(InvalidInput):
    """A range is first-last, both counted from 0 and included."""

    code = "storage.range.malformed"
    next_step = "Type a range such as 0-1023."


def parse_term(text: str) -> int:
    """Seconds. Raises: TermInvalid."""
    match = _TERM.match(text.strip().lower())
    if not match or not int(match[1]):
        raise TermInvalid(term=text[:40])
    return int(match[1]) * _UNITS[match[2]]


def epochs_in(seconds: int, epoch_seconds: int) -> int:
    """Whole epochs, as many as cover the time."""
    return -(-seconds // epoch_seconds)


def parse_range(text: str) -> tuple[int, int]:
    """Start and stop, the stop not included. Raises: RangeMalformed."""
    match = _RANGE.match(text.strip())
    if not match or int(match[1]) > int(match[2]):
        raise RangeMalformed(range=text[:40])
    return int(match[1]), int(match[2]) + 1
