"""Storage nodes that cheat: for drills, and for tests of everybody who has to notice.

A cheating node accepts and signs like an honest one; it cheats when it is asked for what it holds.
"""

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import Final

from offchain.core.layout import K
from offchain.node.body import Body
from offchain.storage.errors import ShardNotHeld
from offchain.storage.frames import siblings_of
from offchain.storage.serve_shards import ShardServer

SILENCE_SECONDS: Final = 3_600.0
_RUN_HEAD: Final = 16
_ROWS_HEAD: Final = 44
_PATH_BYTES: Final = 324
_LEAF_HEAD: Final = 8


class Misconduct(Enum):
    """How a node cheats after it has signed."""

    WITHHOLD = "withhold"  # says it holds nothing
    SILENT = "silent"  # takes the question and never answers
    SLOW = "slow"  # answers right, after ten seconds
    WRONG_BYTES = "wrong-bytes"  # a flipped bit in a row, under the right path
    SWAPPED = "swapped"  # the right path and place, the data of another row
    SHORT = "short"  # the last byte is missing


class CheatingServer:
    """A `ShardServer` in front of an honest one."""

    def __init__(self, inner: ShardServer, how: Misconduct, *, slow_seconds: float = 10.0) -> None:
        self._inner = inner
        self._how = how
        self._slow_seconds = slow_seconds

    async def segments(self, root: bytes) -> bytes:
        await self._stall()
        return self._spoilt(await self._inner.segments(root), 0)

    async def header(self, data_root: bytes) -> bytes:
        await self._stall()
        return self._spoilt(await self._inner.header(data_root), 32_900)

    async def run(self, data_root: bytes, first: int, count: int) -> Body:
        await self._stall()
        start = _RUN_HEAD + 32 * (siblings_of(count) + 3)
        raw = b"".join((await self._inner.run(data_root, first, count)).pieces)
        if self._how is not Misconduct.SWAPPED:
            return Body.of(self._spoilt(raw, start))
        size = (len(raw) - start) // count
        rows = [raw[at : at + size] for at in range(start, len(raw), size)]
        return Body.of(raw[:start], *rows[1:], rows[0])

    async def rows(self, data_root: bytes, indices: Sequence[int]) -> bytes:
        await self._stall()
        raw = await self._inner.rows(data_root, indices)
        if self._how is not Misconduct.SWAPPED:
            return self._spoilt(raw, _ROWS_HEAD + _PATH_BYTES)
        size = (len(raw) - _ROWS_HEAD) // len(indices)
        data = [raw[at + _PATH_BYTES : at + size] for at in range(_ROWS_HEAD, len(raw), size)]
        paths = [raw[at : at + _PATH_BYTES] for at in range(_ROWS_HEAD, len(raw), size)]
        moved = data[1:] + data[:1]
        return raw[:_ROWS_HEAD] + b"".join(
            path + row for path, row in zip(paths, moved, strict=True)
        )

    async def leaf(self, data_root: bytes, row: int, leaf: int) -> bytes:
        await self._stall()
        other = (row ^ 1) if self._how is Misconduct.SWAPPED else row
        raw = await self._inner.leaf(data_root, other, leaf)
        if self._how is Misconduct.SWAPPED:
            raw = row.to_bytes(4, "big") + raw[4:]
        return self._spoilt(raw, _LEAF_HEAD)

    async def _stall(self) -> None:
        match self._how:
            case Misconduct.WITHHOLD:
                raise ShardNotHeld(rows=K)
            case Misconduct.SILENT:
                await asyncio.sleep(SILENCE_SECONDS)
            case Misconduct.SLOW:
                await asyncio.sleep(self._slow_seconds)
            case _:
                return

    def _spoilt(self, raw: bytes, position: int) -> bytes:
        match self._how:
            case Misconduct.WRONG_BYTES:
                return raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
            case Misconduct.SHORT:
                return raw[:-1]
            case _:
                return raw
