"""Tell the tree of weights what a slashed pool weighs: load at one block, decide, apply.

A slash leaves the tree alone, so that reporting costs the same for everybody; whoever uses the tree
calls `reweigh`. The subject is the pool. Source: docs/protocol/staking.md#snapshots.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from offchain.chain.due import execute_due
from offchain.chain.errors import CallReverted
from offchain.chain.model import Address, Block
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.errors import Conflict
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.staking.model import Service, pool_id
from offchain.staking.onchain import OperatorRegistryClient, StakeManagerClient


@dataclass(frozen=True, slots=True)
class ReweighPools:
    """Finds pools whose weight the tree has not heard of, and tells it."""

    reader: ChainReader
    registry: OperatorRegistryClient
    stake: StakeManagerClient
    sender_address: Address

    def find_due(self, block: Block) -> Iterator[Job]:
        """Every such pool at a block; pools are looked at only where the chain counts some."""
        for service in Service:
            if self.stake.untold(service, at=block.hash):
                count = self.registry.operator_count(at=block.hash)
                for operator in range(1, count + 1):
                    pool = pool_id(operator, service)
                    if self._is_untold(pool, block):
                        yield Job(JobKind.REWEIGH_POOL, str(pool))

    def reweigh(self, pool: int, sender: TransactionSender) -> Outcome:
        """Tell the tree, once for each slash."""
        block = self.reader.block()
        if not self._is_untold(pool, block):
            return Outcome.ALREADY
        # The same pool may be slashed again: the effect is bound to the block it was asked at.
        key = f"staking.reweigh:{pool}:{block.number}"
        try:
            execute_due(sender, self.stake.reweigh(pool), key=key)
        except Conflict:
            return Outcome.ALREADY
        return Outcome.DONE

    def _is_untold(self, pool: int, block: Block) -> bool:
        call = self.stake.reweigh(pool).call_from(self.sender_address)
        try:
            self.reader.calls([call], at=block.hash)
        except CallReverted:
            return False
        return True
