"""An adversary: a node that holds its rows and answers readers falsely, in one chosen way.

Shipped for tests and drills; no process of `apps` builds it. Readers must return the exact bytes in
spite of it and blame it and nobody else.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from offchain.core.wire import HEADER_BYTES, PATH_BYTES
from offchain.da.serve import RowServer

_HEAD: Final = 44


class Lie(Enum):
    """How the answers are wrong."""

    WRONG_BYTES = "one bit of every row changed"
    WRONG_PATH = "one bit of every path changed"
    SHORT = "the frame cut in the middle"
    FEWER_ROWS = "a well-formed frame with the first row only"
    SWAPPED = "two rows changed places"
    OVERSIZE = "more bytes than asked for"
    OTHER_BLOB = "a frame that names another blob"
    SLOW = "nothing before the reader's patience ends"
    EMPTY = "no bytes at all"
    GARBAGE = "bytes without meaning"
    BAD_HEADER = "a header with one combination changed"


class LyingServer:
    """A `RowServer` that answers through another one and then lies."""

    def __init__(self, honest: RowServer, lie: Lie, *, slow_seconds: float = 30.0) -> None:
        self._honest = honest
        self._lie = lie
        self._slow_seconds = slow_seconds

    async def have(self, blob_id: bytes) -> bytes:
        return await self._honest.have(blob_id)

    async def header(self, blob_id: bytes) -> bytes:
        raw = await self._honest.header(blob_id)
        if self._lie is Lie.BAD_HEADER:
            return raw[: HEADER_BYTES - 1] + bytes([raw[-1] ^ 1])
        return raw

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> bytes:
        raw = await self._honest.rows(blob_id, indices)
        if self._lie is Lie.SLOW:
            await asyncio.sleep(self._slow_seconds)
        return falsify(raw, len(indices), self._lie)

    async def leaf(self, blob_id: bytes, row: int, leaf: int) -> bytes:
        return await self._honest.leaf(blob_id, row, leaf)


def falsify(raw: bytes, count: int, lie: Lie) -> bytes:
    """The rows frame `raw` of `count` rows, changed as the lie says."""
    size = (len(raw) - _HEAD) // count
    match lie:
        case Lie.WRONG_BYTES:
            return _in_each(raw, size, lambda entry: _flip(entry, len(entry) - 1))
        case Lie.WRONG_PATH:
            return _in_each(raw, size, lambda entry: _flip(entry, 4 + PATH_BYTES - 1))
        case Lie.SHORT:
            return raw[: len(raw) // 2]
        case Lie.FEWER_ROWS:
            return raw[: _HEAD - 4] + (1).to_bytes(4, "big") + raw[_HEAD : _HEAD + size]
        case Lie.SWAPPED:
            return _swapped(raw, size)
        case Lie.OVERSIZE:
            return raw + bytes(4_096)
        case Lie.OTHER_BLOB:
            return _flip(raw, 4)
        case Lie.EMPTY:
            return b""
        case Lie.GARBAGE:
            return b"\xa5" * len(raw)
        case Lie.SLOW | Lie.BAD_HEADER:
            return raw


def _in_each(raw: bytes, size: int, change: Callable[[bytes], bytes]) -> bytes:
    entries = (raw[start : start + size] for start in range(_HEAD, len(raw), size))
    return raw[:_HEAD] + b"".join(change(entry) for entry in entries)


def _swapped(raw: bytes, size: int) -> bytes:
    """The first two rows' paths and data exchanged; their indices stay in order."""
    entries = [raw[start : start + size] for start in range(_HEAD, len(raw), size)]
    if len(entries) < 2:
        return _flip(raw, len(raw) - 1)
    first, second = entries[0], entries[1]
    entries[:2] = [first[:4] + second[4:], second[:4] + first[4:]]
    return raw[:_HEAD] + b"".join(entries)


def _flip(raw: bytes, position: int) -> bytes:
    return raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
