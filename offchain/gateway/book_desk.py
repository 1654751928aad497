"""The book, asked from one event loop: whoever asks while a transaction runs goes with the next.

What is over waits a moment for somebody who opens: both are one write to the disk. Nobody's answer
depends on it, and what a crash leaves open is asked for at the next start (collect.py).
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from offchain.core.errors import ApogeeError
from offchain.gateway.book import Book, BookUnreachable
from offchain.gateway.book_model import Ask, Attempt, Close, Find, Open, Opened, Told
from offchain.gateway.key_model import KeyRecord

MOST_TOGETHER: Final = 256
LINGER_SECONDS: Final = 0.02  # of what is over and of which nobody asked to hear
REMEMBERED_KEYS: Final = 4_096
log = logging.getLogger(__name__)
_Waiting = tuple[Ask, "asyncio.Future[Told]"]


class BookDesk:
    """A `KeyFinder`, and where requests hold and settle."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="book")
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._known: OrderedDict[bytes, KeyRecord] = OrderedDict()
        self._lingering: asyncio.TimerHandle | None = None

    async def stop(self) -> None:
        """Finish what was asked and close the book."""
        await self.flush()
        self._thread.shutdown(wait=True)
        self._book.close()

    async def flush(self) -> None:
        """Everything that was asked until now is written down."""
        while self._waiting or self._writer is not None:
            self._begin()
            if self._writer is not None:
                await asyncio.gather(self._writer, return_exceptions=True)

    async def find(self, digest: bytes, *, is_fresh: bool) -> KeyRecord | None:
        """See `KeyFinder`. Raises: KeyRevoked, KeyExpired, BookUnreachable."""
        known = None if is_fresh else self._known.get(digest)
        if known is not None:
            return known
        self._known.pop(digest, None)
        found = await self._ask(Find(digest))
        if not isinstance(found, KeyRecord):
            return None
        self._known[digest] = found
        if len(self._known) > REMEMBERED_KEYS:
            self._known.popitem(last=False)
        return found

    def forget(self, key: str) -> None:
        """What is remembered of a key is old: the next `find` asks the book."""
        for digest in [one for one, record in self._known.items() if record.id == key]:
            del self._known[digest]

    async def open(self, asked: Open) -> Opened:
        """Hold money and a nonce; who is cancelled meanwhile holds nothing.

        Raises: KeyCapReached, KeyRevoked, KeyExpired, BucketLow, BookUnreachable.
        """
        answer = self._ask(asked)
        try:
            opened = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self._tell(answer, answer.result())  # told too late to be heard
            raise
        assert isinstance(opened, Opened)
        return opened

    async def close(self, asked: Close) -> None:
        """Settle; durable on return."""
        await self._ask(asked)

    def close_soon(self, asked: Close) -> None:
        """Settle within a moment; a failure is told, and what is held stays held."""
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_told)
        self._waiting.append((asked, answer))
        if self._writer is None and self._lingering is None:
            loop = asyncio.get_running_loop()
            self._lingering = loop.call_later(LINGER_SECONDS, self._begin)

    async def attempt(self, request_id: bytes) -> Attempt | None:
        """One request that was sent, by its id."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._book.attempt, request_id)

    async def claim(self, record: KeyRecord, origin: bytes) -> KeyRecord:
        """The inactive key of a payment, made once."""
        loop, nobody = asyncio.get_running_loop(), secrets.token_bytes(32)
        return await loop.run_in_executor(self._thread, self._book.claim, record, nobody, origin)

    async def activate(self, origin: bytes, digest: bytes) -> KeyRecord | None:
        """Make it usable; None when somebody did."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._book.activate, origin, digest)

    async def unfinished(self) -> list[Attempt]:
        """What this process had under way when it ended."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._book.unfinished)

    def _ask(self, asked: Ask) -> "asyncio.Future[Told]":
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        self._begin()
        return answer

    def _begin(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._writer is None and self._waiting:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                together = self._waiting[:MOST_TOGETHER]
                del self._waiting[:MOST_TOGETHER]
                asked = [one for one, _ in together]
                try:
                    told: Sequence[Told | ApogeeError] = await loop.run_in_executor(
                        self._thread, self._book.apply, asked
                    )
                except BookUnreachable as error:
                    told = [error] * len(asked)
                for (_, answer), one in zip(together, told, strict=True):
                    self._tell(answer, one)
        finally:
            self._writer = None

    def _tell(self, answer: "asyncio.Future[Told]", told: Told | ApogeeError) -> None:
        if answer.done():  # who asked has left
            if isinstance(told, Opened):
                self.close_soon(Close(told.lane, told.nonce))
        elif isinstance(told, ApogeeError):
            answer.set_exception(told)
        else:
            answer.set_result(told)


def _told(answer: "asyncio.Future[Told]") -> None:
    """Of work that nobody waits for; its failure is told."""
    error = None if answer.cancelled() else answer.exception()
    if error is not None:
        log.warning("work_failed", extra={"code": getattr(error, "code", type(error).__name__)})
