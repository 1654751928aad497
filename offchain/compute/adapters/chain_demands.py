"""Payers' demands over ReceiptCourt: a `DemandDesk`."""

from collections.abc import Sequence

from offchain.chain.due import execute_due
from offchain.chain.followed import Followed
from offchain.chain.model import Block
from offchain.chain.ports import ChainReader
from offchain.compute.answer_demands import OpenDemand
from offchain.compute.onchain_receipt_court import LeafDemanded, ReceiptCourtClient
from offchain.compute.shown import ShownItem, ShownLeaf
from offchain.node.leased_sender import Sends


class ChainDemands:
    """Reads demands from events, and asks the contract which are still open."""

    def __init__(
        self, node: ChainReader, court: ReceiptCourtClient, sender: Sends, followed: tuple[int, int]
    ) -> None:
        """`followed`: first block of the deployment, and the depth at which blocks are settled."""
        first, depth = followed
        self._node = node
        self._court = court
        self._sender = sender
        self._demanded = Followed(
            node, court, LeafDemanded, indexed={}, first_block=first, depth=depth
        )

    def head(self) -> Block:
        return self._node.block()

    def open_demands(self, batches: Sequence[int], block: Block) -> list[OpenDemand]:
        wanted = set(batches)
        asked = {
            (one.batch, one.index) for one in self._demanded.upto(block) if one.batch in wanted
        }
        found = []
        for batch, index in sorted(asked):
            told = self._court.demand_of(batch, index, at=block.hash)
            if any(told.payer):
                found.append(OpenDemand(batch, index, told.leaf, told.deadline))
        return found

    def answer(self, item: ShownItem, leaf: ShownLeaf) -> None:
        key = f"compute.demand:{item.batch}:{item.index}:{leaf.index}"
        execute_due(self._sender, self._court.answer(item, leaf), key=key)
