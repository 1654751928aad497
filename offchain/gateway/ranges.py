"""The Range header (RFC 9110, section 14): one range of bytes, or the whole."""

import re
from dataclasses import dataclass
from typing import Final

from offchain.gateway.errors import RangeUnsatisfiable

_ONE: Final = re.compile(r"bytes=(\d{0,20})-(\d{0,20})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes start .. stop-1 of `length`."""

    start: int
    stop: int
    length: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def is_whole(self) -> bool:
        return self.size == self.length

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.length}"


def whole_of(length: int) -> ByteRange:
    return ByteRange(0, length, length)


def parse_range(header: str | None, length: int) -> ByteRange:
    """What is asked for; several ranges, other units and nonsense mean the whole, as RFC 9110 says.

    Raises: RangeUnsatisfiable when no byte lies in it.
    """
    found = _ONE.fullmatch(header.strip().replace(" ", "")) if header else None
    if found is None or found.groups() == ("", ""):
        return whole_of(length)
    first, last = found.groups()
    if not first:
        suffix = int(last)
        if not suffix:
            raise RangeUnsatisfiable(length=length)
        return ByteRange(max(0, length - suffix), length, length)
    start = int(first)
    if last and int(last) < start:
        return whole_of(length)
    if start >= length:
        raise RangeUnsatisfiable(start=start, length=length)
    return ByteRange(start, min(length, int(last) + 1) if last else length, length)
