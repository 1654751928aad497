"""The stake tree of a service as an epoch froze it, rebuilt from the registry's logs.

It must have the root that the chain froze, so a wrong view of the chain draws nobody.
Source: docs/protocol/staking.md#stake-tree.
"""

from dataclasses import dataclass

from offchain.chain.model import Block
from offchain.chain.ports import ChainReader
from offchain.core.errors import Corrupt
from offchain.core.hashing import keccak
from offchain.staking.model import Service, operator_of
from offchain.staking.onchain import OperatorRegistryClient, StakeManagerClient
from offchain.staking.tree import Leaf, StakeTree
from offchain.staking.weight_book import WeightBook


class TreeMismatch(Corrupt):
    """The weights read from the logs do not fold to the frozen root."""

    code = "staking.tree_mismatch"
    next_step = "Read the logs again from another node; nothing was drawn."


@dataclass(frozen=True, slots=True)
class TreeSources:
    """What a tree is read from; `first_block` of the deployment."""

    reader: ChainReader
    registry: OperatorRegistryClient
    stake: StakeManagerClient
    first_block: int


def frozen_tree(sources: TreeSources, service: Service, epoch: int, *, at: Block) -> StakeTree:
    """The tree of one service. Raises: TreeMismatch."""
    book = WeightBook(sources.reader, sources.registry, first_block=sources.first_block)
    try:
        book.look()
        weights = book.weights_at(epoch, service)
    finally:
        book.close()
    operators = {seat: operator_of(event.pool) for seat, event in weights.items()}
    keys = sources.stake.keys_at(list(operators.values()), epoch, at=at.hash)
    tree = StakeTree(
        {
            seat: Leaf(operator, weights[seat].weight, keccak(key))
            for (seat, operator), key in zip(operators.items(), keys, strict=True)
        }
    )
    if tree.root != sources.stake.tree_root_at(service, epoch, at=at.hash):
        raise TreeMismatch(service=service.name, epoch=epoch)
    return tree
