"""Headers that wait together are checked together: one sum of points instead of one each.

While one batch is being checked in a thread, headers that arrive queue up and become the next
batch; a lonely header does not wait. A header that comes again, or waits already, is checked once:
a node may keep several shards of one matrix. Source: docs/protocol/da.md#node-check.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from offchain.core.erasure import ErasureEngine
from offchain.core.hashing import keccak
from offchain.core.matrix.check import MAX_BATCH, CheckedHeader, check_headers
from offchain.core.matrix.errors import HeaderRejected
from offchain.core.wire import Header

KNOWN_HEADERS: Final = 32  # remembered, 0.2 MB each
Verdict = CheckedHeader | HeaderRejected


class HeaderDesk:
    """Checks headers off the event loop, in batches of what is waiting."""

    def __init__(self, engine: ErasureEngine) -> None:
        self._engine = engine
        self._waiting: OrderedDict[bytes, tuple[Header, asyncio.Future[Verdict]]] = OrderedDict()
        self._checking: dict[bytes, asyncio.Future[Verdict]] = {}
        self._known: OrderedDict[bytes, CheckedHeader] = OrderedDict()
        self._worker: asyncio.Task[None] | None = None

    async def check(self, header: Header) -> CheckedHeader:
        """Raises: HeaderRejected."""
        key = keccak(header.to_bytes())
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        outcome = await asyncio.shield(self._verdict(key, header))  # others may wait for it too
        if isinstance(outcome, HeaderRejected):
            raise outcome
        return outcome

    def _verdict(self, key: bytes, header: Header) -> asyncio.Future[Verdict]:
        """What will be said of a header that is being checked, waits, or waits from now on."""
        if key in self._checking:
            return self._checking[key]
        if key not in self._waiting:
            self._waiting[key] = (header, asyncio.get_running_loop().create_future())
            if self._worker is None or self._worker.done():
                self._worker = asyncio.create_task(self._drain())
        return self._waiting[key][1]

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popitem(last=False) for _ in range(self._next_size())]
            self._checking = {key: waiting for key, (_, waiting) in batch}
            try:
                verdicts: Sequence[Verdict] = await asyncio.to_thread(
                    check_headers, [header for _, (header, _) in batch], self._engine
                )
            except BaseException as error:
                for _, (_, waiting) in batch:
                    waiting.set_exception(error)
                raise
            finally:
                self._checking = {}
            for (key, (_, waiting)), verdict in zip(batch, verdicts, strict=True):
                if isinstance(verdict, CheckedHeader):
                    self._remember(key, verdict)
                waiting.set_result(verdict)

    def _next_size(self) -> int:
        return min(len(self._waiting), MAX_BATCH)

    def _remember(self, key: bytes, checked: CheckedHeader) -> None:
        self._known[key] = checked
        if len(self._known) > KNOWN_HEADERS:
            self._known.popitem(last=False)
