"""One answer on the event loop: a queue that an engine fills, with the deadlines of its job."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from offchain.compute.engine import Deadlines, Piece, Trace
from offchain.compute.engine_errors import EngineStopped, TokenLate
from offchain.compute.model import Finish
from offchain.core.errors import ApogeeError

log: Final = logging.getLogger(__name__)


class QueuedStream:
    """A `TokenStream`. `put` and `end` are called on the loop, in order, `end` exactly once."""

    def __init__(
        self,
        deadlines: Deadlines,
        *,
        stop: Callable[[], None],
        trace: Callable[[int], Trace],
    ) -> None:
        self._queue: asyncio.Queue[Piece | Finish | ApogeeError] = asyncio.Queue()
        self._deadlines = deadlines
        self._now = asyncio.get_running_loop().time
        self._start = self._now()
        self._has_begun = False
        self._finish: Finish | None = None
        self._over = asyncio.Event()
        self._stop, self._trace = stop, trace

    def put(self, piece: Piece) -> None:
        self._queue.put_nowait(piece)

    def end(self, why: Finish | ApogeeError) -> None:
        self._queue.put_nowait(why)
        self._over.set()

    def __aiter__(self) -> "QueuedStream":
        return self

    async def __anext__(self) -> Piece:
        if self._finish is not None:
            raise StopAsyncIteration
        item = await self._next()
        if isinstance(item, ApogeeError):
            self._finish = Finish.CUT
            raise item
        if isinstance(item, Finish):
            self._finish = item
            raise StopAsyncIteration
        self._has_begun = True
        return item

    @property
    def finish(self) -> Finish | None:
        return self._finish

    def cancel(self) -> None:
        if self._finish is None:
            self._finish = Finish.CUT
        self._stop()

    async def trace(self, tokens: int) -> Trace:
        if not self._over.is_set():
            self.cancel()
            await self._over.wait()
        return self._trace(tokens)

    async def _next(self) -> Piece | Finish | ApogeeError:
        limits = self._deadlines
        wait = limits.idle if self._has_begun else limits.first_token
        left = self._start + limits.total - self._now()
        try:
            async with asyncio.timeout(max(0.0, min(wait, left))):
                return await self._queue.get()
        except TimeoutError:
            self.cancel()
            if not self._has_begun:
                return TokenLate(seconds=round(self._now() - self._start, 3))
            return Finish.CUT


def end_with(stream: QueuedStream, task: asyncio.Task[Finish]) -> None:
    """End a stream with the outcome of the task that filled it, even one that never began."""
    if task.cancelled():
        stream.end(Finish.CUT)
        return
    error = task.exception()
    if error is None:
        stream.end(task.result())
    elif isinstance(error, ApogeeError):
        stream.end(error)
    else:
        log.error("engine_task_failed", exc_info=error)
        stream.end(EngineStopped(cause=type(error).__name__))
