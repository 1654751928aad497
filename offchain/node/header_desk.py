"""Headers that wait together are checked together: one sum of points instead of one each.

While one batch is being checked in a thread, headers that arrive queue up and become the next
batch; a lonely header does not wait. Source: docs/protocol/da.md#node-check.
"""

import asyncio
from collections.abc import Sequence

from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.check import MAX_BATCH, CheckedHeader, check_headers
from offchain.core.matrix.errors import HeaderRejected
from offchain.core.wire import Header

Verdict = CheckedHeader | HeaderRejected


class HeaderDesk:
    """Checks headers off the event loop, in batches of what is waiting."""

    def __init__(self, engine: ErasureEngine) -> None:
        self._engine = engine
        self._waiting: list[tuple[Header, asyncio.Future[Verdict]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def check(self, header: Header) -> CheckedHeader:
        """Raises: HeaderRejected."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append((header, verdict))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._drain())
        outcome = await verdict
        if isinstance(outcome, HeaderRejected):
            raise outcome
        return outcome

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            try:
                verdicts: Sequence[Verdict] = await asyncio.to_thread(
                    check_headers, [header for header, _ in batch], self._engine
                )
            except BaseException as error:
                for _, waiting in batch:
                    if not waiting.done():
                        waiting.set_exception(error)
                raise
            for (_, waiting), verdict in zip(batch, verdicts, strict=True):
                if not waiting.done():
                    waiting.set_result(verdict)
