"""Payments and certificates that come up together travel together.

An order waits a moment for others. Up to `ROUNDS` transactions are on their way at a time, each in
a thread of the desk's own, so that waiting for blocks never takes the threads that encode and hash.
What is refused is refused for its own blob only. Source: docs/protocol/da.md#dispersal.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from offchain.core.errors import ApogeeError
from offchain.da.duties import BlobTerms
from offchain.da.model import Certificate
from offchain.da.ports import BlobTill, Outcome, Settlement

TOGETHER: Final = 8  # what DAEntrance.confirm_many takes
ROUNDS: Final = 4
GATHER_SECONDS: Final = 0.02
Order = TypeVar("Order")


class TillDesk:
    """A till for many blobs at once."""

    def __init__(self, till: BlobTill) -> None:
        self._payments = _Counter(till.pay_many)
        self._certificates = _Counter(till.confirm_many)

    async def pay(self, terms: BlobTerms) -> Settlement:
        """As `BlobTill.pay`."""
        return await self._payments.settle(terms)

    async def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement:
        """As `BlobTill.confirm`."""
        return await self._certificates.settle((terms, certificate))


class _Counter(Generic[Order]):
    """One kind of order."""

    def __init__(self, settle: Callable[[Sequence[Order]], Sequence[Outcome]]) -> None:
        self._settle = settle
        self._waiting: list[tuple[Order, asyncio.Future[Settlement]]] = []
        self._rounds: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(ROUNDS, thread_name_prefix="till")

    async def settle(self, order: Order) -> Settlement:
        answer: asyncio.Future[Settlement] = asyncio.get_running_loop().create_future()
        self._waiting.append((order, answer))
        if len(self._rounds) < ROUNDS:
            task = asyncio.create_task(self._round())
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)
        return await answer

    async def _round(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        while self._waiting:
            batch, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            orders = [order for order, _ in batch]
            try:
                outcomes = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._settle, orders
                )
            except BaseException as error:
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                if answer.done():
                    continue
                if isinstance(outcome, ApogeeError):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(outcome)


def one_by_one(settle: Callable[[Order], Settlement], orders: Sequence[Order]) -> list[Outcome]:
    """Each order on its own; what one is refused stops no other."""
    outcomes: list[Outcome] = []
    for order in orders:
        try:
            outcomes.append(settle(order))
        except ApogeeError as error:
            outcomes.append(error)
    return outcomes
