"""What a job is about, read from its subject: an id as 0x-hex, numbers in decimal, a/b/c."""

from typing import Final

from offchain.core.errors import InvalidInput

MAX_DIGITS: Final = 18


def parse_number(subject: str) -> int:
    """An epoch, a pool, a group or a profile. Raises: InvalidInput."""
    if not (subject.isascii() and subject.isdigit()) or len(subject) > MAX_DIGITS:
        raise InvalidInput("the subject of this job is a number", subject=subject[:40])
    return int(subject)


def parse_numbers(subject: str, *, most: int) -> list[int]:
    """Numbers between slashes. Raises: InvalidInput."""
    parts = subject.split("/", most)
    if len(parts) > most:
        raise InvalidInput("too many numbers in the subject of this job", subject=subject[:80])
    return [parse_number(part) for part in parts]


def parse_id(subject: str) -> bytes:
    """32 bytes from 0x-hex. Raises: InvalidInput."""
    try:
        raw = bytes.fromhex(subject.removeprefix("0x"))
    except ValueError as error:
        raise InvalidInput("an id is 0x and 64 hex digits", subject=subject[:80]) from error
    if len(raw) != 32:
        raise InvalidInput("an id is 0x and 64 hex digits", subject=subject[:80])
    return raw
