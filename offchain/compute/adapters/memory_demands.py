"""Payers' demands in one process: a `DemandDesk` without a chain."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from offchain.chain.model import Block, BlockHash
from offchain.compute.answer_demands import OpenDemand
from offchain.compute.shown import ShownItem, ShownLeaf
from offchain.core.units import BlockNumber


@dataclass(slots=True)
class MemoryDemands:
    """`now` is its block's time; an answer ends the demand it is for."""

    now: int
    demands: list[OpenDemand] = field(default_factory=list)
    answered: list[tuple[ShownItem, ShownLeaf]] = field(default_factory=list)

    def head(self) -> Block:
        return Block(BlockNumber(1), BlockHash(bytes(32)), BlockHash(bytes(32)), self.now, 0, 0)

    def open_demands(self, batches: Sequence[int], block: Block) -> list[OpenDemand]:
        del block
        return [one for one in self.demands if one.batch in batches]

    def answer(self, item: ShownItem, leaf: ShownLeaf) -> None:
        self.demands = [
            one for one in self.demands if (one.batch, one.index) != (item.batch, item.index)
        ]
        self.answered.append((item, leaf))
