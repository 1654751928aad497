"""Follow a deviation of D to a row that proves it: the path of each row asked for narrows it down.

A row from the deviating subtree either breaks the code, which is the proof, or its siblings show a
smaller subtree that deviates: ten rows are enough. Rows that nobody gives are passed over; when
only such are left, their places are the answer, and a ROW challenge makes their owners publish.
Source: docs/protocol/da.md#fraud-proofs.
"""

import asyncio
import logging
from typing import Final

from offchain.core.erasure import ErasureEngine
from offchain.da.errors import Bottom
from offchain.da.fetch import FetchRows, RowHunt
from offchain.da.fraud import (
    BottomLocated,
    BottomProven,
    Codeword,
    Deviation,
    encode_again,
    locate,
)
from offchain.da.plan import Batch

MAX_ROWS_ASKED: Final = 64
log = logging.getLogger(__name__)


class Pursue:
    """Looks for the row that makes a bad encoding provable."""

    def __init__(self, fetch: FetchRows, engine: ErasureEngine, *, threads: int = 1) -> None:
        self._fetch = fetch
        self._engine = engine
        self._threads = threads

    async def pursue(self, hunt: RowHunt, *, seconds: float) -> Bottom:
        """What there is to say of a hunt whose K rows do not encode to D."""
        codeword = await asyncio.to_thread(
            encode_again, hunt.checked, hunt.rows, self._engine, threads=self._threads
        )
        found = await self._located(hunt, codeword)
        withheld: set[int] = set()
        try:
            async with asyncio.timeout(seconds):
                while isinstance(found, BottomLocated) and len(withheld) < MAX_ROWS_ASKED:
                    row = next_suspect(found.deviations, withheld)
                    if row is None:
                        break
                    if await self._came(hunt, row):
                        found = await self._located(hunt, codeword)
                    else:
                        withheld.add(row)
        except BottomProven as proven:
            found = proven
        except TimeoutError:
            log.info("pursuit_ended", extra={"blob_id": hunt.blob_id.hex()})
        log.warning("encoding_is_bad", extra={"blob_id": hunt.blob_id.hex(), **found.fields})
        return found

    async def _came(self, hunt: RowHunt, row: int) -> bool:
        """Whether somebody gave the row, and it is right. Raises: BottomProven."""
        holders = [duty for duty in hunt.duties.members if row in duty.rows]
        for holder in holders:
            if not await self._fetch.ask(hunt, Batch(holder, (row,))):
                return True
        return False

    async def _located(self, hunt: RowHunt, codeword: Codeword) -> Bottom:
        return await asyncio.to_thread(
            locate, hunt.checked, codeword, hunt.rows, hunt.paths, self._engine
        )


def next_suspect(deviations: tuple[Deviation, ...], withheld: set[int]) -> int | None:
    """A row of the smallest deviating subtree that was not asked for in vain."""
    for deviation in deviations:
        for row in deviation.rows:
            if row not in withheld:
                return row
    return None
