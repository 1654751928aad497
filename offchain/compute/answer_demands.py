"""A provider answers payers who say that a leaf was withheld: on chain, where all can see it.

A demand that nobody answers in time gives the claimed part of an item back, whatever was served; so
every demand for an own batch is answered, once. Source: docs/protocol/compute.md#receipt-court.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from offchain.chain.model import Block
from offchain.compute.batch_shelf import BatchShelf, Opened
from offchain.compute.shown import SettledBatch, ShownItem, ShownLeaf

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenDemand:
    """A payer's question for one leaf of an item; `deadline` is the last second of an answer."""

    batch: int
    index: int
    leaf: int
    deadline: int


class DemandDesk(Protocol):
    """What the chain says of demands, and where they are answered. Raises: Unavailable."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def open_demands(self, batches: Sequence[int], block: Block) -> Sequence[OpenDemand]:
        """Those for these batches that nobody has answered."""
        ...

    def answer(self, item: ShownItem, leaf: ShownLeaf) -> None:
        """Show the leaf. Raises: Rejected when it was answered or the time is over."""
        ...


class AnswerDemands:
    """One provider's answers."""

    def __init__(self, desk: DemandDesk, batches: BatchShelf) -> None:
        self._desk = desk
        self._batches = batches

    async def round(self) -> int:
        """Answer what is open and in time; how many. Raises: Unavailable, Rejected, StoreBroken."""
        return await asyncio.to_thread(self._round)

    def _round(self) -> int:
        head = self._desk.head()
        own = [posted.id for posted in self._batches.batches()]
        found = [
            one for one in self._desk.open_demands(own, head) if head.timestamp <= one.deadline
        ]
        for one in found:
            self._desk.answer(*shown_leaf(self._batches.opened(one.batch), one))
            log.info("demand_answered", extra={"batch": one.batch, "index": one.index})
        return len(found)


def shown_leaf(opened: Opened, demand: OpenDemand) -> tuple[ShownItem, ShownLeaf]:
    """The leaf that was asked for, with both paths."""
    batch = SettledBatch.of(opened.posted.id, opened.items)
    return batch.item(demand.index), batch.leaf(demand.index, demand.leaf)
