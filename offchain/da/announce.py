"""Announce evidence by its hash and wait until a later block: then nobody can copy it in time."""

import asyncio
from typing import Protocol

from offchain.da.ports import BlobLedger, Settlement


class Announces(Protocol):
    """Where announcements are kept; each call returns once mined."""

    def committed_block(self, commitment: bytes) -> int | None:
        """The block an announcement that still counts was mined in."""
        ...

    def commit(self, commitment: bytes) -> Settlement: ...


async def announce(
    ledger: BlobLedger, desk: Announces, commitment: bytes, *, poll_seconds: float
) -> Settlement | None:
    """Return in a block after the announcement's; None when an earlier run had announced it."""
    committed = None
    block = await asyncio.to_thread(desk.committed_block, commitment)
    if block is None:
        committed = await asyncio.to_thread(desk.commit, commitment)
        block = await asyncio.to_thread(desk.committed_block, commitment)
    while block is None or (await asyncio.to_thread(ledger.head)).block <= block:
        await asyncio.sleep(poll_seconds)
        block = await asyncio.to_thread(desk.committed_block, commitment)
    return committed
