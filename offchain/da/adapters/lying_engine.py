"""An adversary: an engine whose matrices are no encoding of anything, in one row.

A disperser that works with it commits to a root under which that row contradicts the code. Shipped
for tests and drills; no process of `apps` chooses it.
"""

from typing import Any

from offchain.core.erasure import ErasureEngine
from offchain.core.field import Elements
from offchain.core.merkle import Digests


class LyingEngine:
    """An `ErasureEngine` that changes the last byte of row `bad_row` before rows are hashed."""

    def __init__(self, honest: ErasureEngine, bad_row: int) -> None:
        self._honest = honest
        self._bad_row = bad_row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)

    def extend_and_hash(self, rows: Elements, *, threads: int = 1) -> Digests:
        self._honest.extend_in_place(rows, threads=threads)
        rows[self._bad_row, -1, -1] ^= 1
        return self._honest.row_roots(rows, threads=threads)
