"""One reader of the newest block for everybody who waits for another one."""

import asyncio
from collections.abc import Callable

from offchain.da.duties import Moment
from offchain.da.ports import BlobLedger

Wanted = Callable[[Moment], bool]


class HeadWatch:
    """Looks at the head every `poll_seconds` while somebody waits, however many there are."""

    def __init__(self, ledger: BlobLedger, poll_seconds: float) -> None:
        self._ledger = ledger
        self._poll_seconds = poll_seconds
        self._waiting: list[tuple[Wanted, asyncio.Future[Moment]]] = []
        self._poller: asyncio.Task[None] | None = None

    async def other_than(self, seen: Moment) -> Moment:
        """The first head that is another block, higher or, after a reorg, lower."""
        return await self._until(lambda head: head.block != seen.block)

    async def at_least(self, block: int) -> Moment:
        """The first head at this height or above."""
        return await self._until(lambda head: head.block >= block)

    async def _until(self, is_wanted: Wanted) -> Moment:
        answer: asyncio.Future[Moment] = asyncio.get_running_loop().create_future()
        self._waiting.append((is_wanted, answer))
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        return await answer

    async def _poll(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._poll_seconds)
            try:
                head = await asyncio.to_thread(self._ledger.head)
            except Exception as error:  # noqa: BLE001 - raised wherever the head is awaited
                for _, answer in self._open():
                    answer.set_exception(error)
            else:
                for is_wanted, answer in self._open():
                    if is_wanted(head):
                        answer.set_result(head)
            self._waiting = self._open()

    def _open(self) -> list[tuple[Wanted, asyncio.Future[Moment]]]:
        return [pair for pair in self._waiting if not pair[1].done()]
