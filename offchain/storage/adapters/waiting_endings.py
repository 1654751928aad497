"""Files' endings that wait in a group: passed by `advance` where they are in others' way.

An ordinary call passes 8, and while more wait it is refused, whoever sends it. One `advance` passes
64, so its gas is bounded; its key is the group and the time up to which the group was exact, so one
sent twice has one effect. Source: docs/protocol/storage.md#market.
"""

from typing import Final

from offchain.chain.due import execute_due
from offchain.chain.errors import CallReverted
from offchain.chain.model import Address, Block, Receipt, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.reverts import reason_of
from offchain.core.errors import Conflict, Rejected
from offchain.node.leased_sender import Sends
from offchain.storage.onchain_market import StorageMarketClient
from offchain.storage.reverts_market import ADVANCE_FIRST

MOST_ADVANCES: Final = 8  # that one caller sends for one call: 512 endings


class WaitingEndings:
    """Of the groups of one market."""

    def __init__(self, reader: ChainReader, market: StorageMarketClient) -> None:
        self._reader = reader
        self._market = market
        self._seats: Address | None = None

    def stand_in_the_way(self, group: int, block: Block) -> bool:
        """Whether an ordinary call of the group is refused for them at this block.

        Tried by the change of no pay, which StorageSeats alone may send.
        """
        self._seats = self._seats or Address(self._market.seats(at=block.hash))
        call = self._market.seat_changed(group, 0, 0, before=0, after=0)
        try:
            self._reader.calls([call.call_from(self._seats)], at=block.hash)
        except CallReverted as refused:
            return reason_of(refused.payload, refused.node_message) == ADVANCE_FIRST
        return False

    def pass_all(self, group: int, sender: Sends) -> int:
        """Pass them, at most so many at once; the transactions that were sent."""
        for sent in range(MOST_ADVANCES):
            block = self._reader.block()
            if not self.stand_in_the_way(group, block):
                return sent
            moved = self._market.group(group, at=block.hash).moved
            key = f"storage.advance:{group}:{moved}"
            execute_due(sender, self._market.advance(group), key=key)
        return MOST_ADVANCES

    def execute(
        self, sender: Sends, call: TypedCall, *, group: int, key: str, confirmations: int = 1
    ) -> Receipt:
        """Send and wait; pass what is in the call's way. Raises: as `TransactionSender.execute`."""
        try:
            return execute_due(sender, call, key=key, confirmations=confirmations)
        except (Conflict, Rejected) as refused:
            if refused.fields.get("reason") != ADVANCE_FIRST:
                raise
        self.pass_all(group, sender)
        return execute_due(sender, call, key=key, confirmations=confirmations)
