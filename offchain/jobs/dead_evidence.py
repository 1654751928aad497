"""Answers of a home whose evidence is dead: it stood neither at a receipt's time nor near it.

Each receipt is read once, in the order in which answers came. Evidence stands for one stretch of
time, so what was heard of it answers for the receipts in between: the chain is asked a few times a
renewal, not once an answer. Source: docs/protocol/compute.md#receipt-court.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from offchain.chain.model import Block, BlockHash
from offchain.compute.dispute import CLOCK_SECONDS, is_disputable
from offchain.compute.model import Receipt
from offchain.core.errors import Unavailable

PAGE: Final = 1_024  # receipts read at a time
MAX_ASKED: Final = 64  # receipts that the chain is asked about in one round
OVERLAP_SECONDS: Final = 120  # an answer may be written down later than one that came after it
LOOK_SECONDS: Final = 600  # of the chain, until the book is read again: receipts may be late
AGAIN_SECONDS: Final = 30  # until a book is asked again that did not answer
HEARD_SECONDS: Final = 8 * 86_400  # a batch's epoch and the week the court hears of it

log = logging.getLogger(__name__)

Stood = Callable[[bytes, int, BlockHash], bool]  # evidence, time, as this block says


class AttestedAnswers(Protocol):
    """Answers that this home paid for. Raises: Unavailable."""

    def attested(self, since: int, most: int) -> Sequence[tuple[int, Receipt]]:
        """Receipts that name evidence, and when they came; from a time on, the first of them."""
        ...


class DeadEvidence:
    """Receipts over dead evidence, as far as the book was read. One thread's."""

    def __init__(self, stood: Stood, answers: AttestedAnswers) -> None:
        self._ask = stood
        self._answers = answers
        self._since = 0
        self._read_at = -LOOK_SECONDS
        self._seen: set[bytes] = set()  # requests that came since
        self._waiting: dict[bytes, Receipt] = {}  # request: not asked about yet
        self._dead: dict[bytes, Receipt] = {}
        self._stood: dict[bytes, tuple[int, int]] = {}  # evidence: first and last time heard of

    def upto(self, block: Block) -> list[Receipt]:
        """Those that the court still hears of. Raises: Unavailable."""
        self._read(block)
        self._waiting, self._dead = (
            {id_: one for id_, one in kept.items() if _is_heard(one, block)}
            for kept in (self._waiting, self._dead)
        )
        over = [one for one in self._waiting.values() if one.time + CLOCK_SECONDS < block.timestamp]
        for receipt in over[:MAX_ASKED]:
            if self._is_dead(receipt, block.hash):
                self._dead[receipt.request_id] = receipt
            del self._waiting[receipt.request_id]
        return list(self._dead.values())

    def _read(self, block: Block) -> None:
        if block.timestamp < self._read_at + LOOK_SECONDS:
            return
        try:
            page = self._answers.attested(self._since, PAGE)
        except Unavailable as error:  # the other jobs do not wait for a book
            log.warning("own_answers_unread", extra={"code": error.code})
            self._read_at = block.timestamp + AGAIN_SECONDS - LOOK_SECONDS
            return
        for _, receipt in page:
            if receipt.request_id not in self._seen and _is_heard(receipt, block):
                self._waiting[receipt.request_id] = receipt
        is_whole = len(page) < PAGE
        newest = max((at for at, _ in page), default=self._since)
        self._since = max(self._since, newest - OVERLAP_SECONDS) if is_whole else newest
        self._seen = {one.request_id for at, one in page if at >= self._since}
        if is_whole:  # else the next round goes on at once
            self._read_at = block.timestamp

    def _is_dead(self, receipt: Receipt, at: BlockHash) -> bool:
        def stood(attestation_id: bytes, time: int) -> bool:
            first, last = self._stood.get(attestation_id, (time, time - 1))
            if first <= time <= last:
                return True
            found = self._ask(attestation_id, time, at)
            if found:
                self._stood[attestation_id] = (min(first, time), max(last, time))
            return found

        return is_disputable(receipt, stood, is_void=False)


def _is_heard(receipt: Receipt, block: Block) -> bool:
    return receipt.time + HEARD_SECONDS >= block.timestamp
