"""Serve the coming epoch's seats, and name the empty ones of an epoch that has begun.

Load at one block, decide, apply. The tree of the drawn snapshot is rebuilt from `WeightSet` logs
and must have the root the chain froze, so a wrong view of the chain signs and accuses nothing. The
key of a transaction is (epoch, seats): a retry never sends the same seats twice.
Source: docs/protocol/staking.md#beacon.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from offchain.chain.due import execute_due
from offchain.chain.model import Block, Receipt
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.bls import SecretKey
from offchain.core.errors import Corrupt
from offchain.core.hashing import keccak
from offchain.staking.beacon import (
    Absence,
    BeaconId,
    Contribution,
    absences,
    build_contribution,
    seats_of,
    sign_for,
)
from offchain.staking.model import Service, operator_of
from offchain.staking.onchain import (
    OperatorRegistryClient,
    RandomBeaconClient,
    StakeManagerClient,
)
from offchain.staking.tree import Leaf, StakeTree
from offchain.staking.weight_book import WeightBook


class TreeMismatch(Corrupt):
    """The weights read from the logs do not fold to the frozen root."""

    code = "staking.beacon.tree_mismatch"
    next_step = "Read the logs again from another node; nothing was signed."


@dataclass(frozen=True, slots=True)
class BeaconView:
    """What deciding needs about one epoch, all of one block."""

    beacon: BeaconId
    epoch: int
    is_open: bool  # its cut-off has passed and it has not begun
    prior: bytes
    bitmap: int
    tree: StakeTree  # RELAYER weights of the epoch before
    root: bytes


@dataclass(frozen=True, slots=True)
class BeaconParts:
    """Whom serving the beacon reads."""

    reader: ChainReader
    registry: OperatorRegistryClient
    stake: StakeManagerClient
    beacon: RandomBeaconClient
    first_block: int  # of the deployment

    def open_book(self) -> WeightBook:
        return WeightBook(self.reader, self.registry, first_block=self.first_block)


def load(
    parts: BeaconParts, book: WeightBook, *, epoch: int | None = None, block: Block | None = None
) -> BeaconView:
    """Read everything about an epoch at one block; by default the coming one at the newest."""
    book.look()
    block = block or parts.reader.block()
    at = block.hash
    coming = parts.stake.current_epoch(at=at) + 1
    if epoch is None:
        epoch = coming
    weights = book.weights_at(epoch - 1)
    operators = {seat: operator_of(event.pool) for seat, event in weights.items()}
    keys = parts.stake.keys_at(list(operators.values()), epoch - 1, at=at)
    leaves = {
        seat: Leaf(operator, weights[seat].weight, keccak(key))
        for (seat, operator), key in zip(operators.items(), keys, strict=True)
    }
    return BeaconView(
        beacon=BeaconId(parts.reader.chain_id(), parts.beacon.address),
        epoch=epoch,
        is_open=epoch == coming and block.timestamp >= parts.stake.epoch_cutoff(epoch, at=at),
        prior=parts.beacon.randomness(epoch - 1, at=at),
        bitmap=parts.beacon.seats_of(epoch, at=at),
        tree=StakeTree(leaves),
        root=parts.stake.tree_root_at(Service.RELAYER, epoch - 1, at=at),
    )


def owed(view: BeaconView, keys: Mapping[int, SecretKey]) -> list[int]:
    """Operators of `keys` (operator id -> key) whose seats are missing and may still be added.

    Raises: TreeMismatch.
    """
    _check(view)
    if not view.is_open:
        return []
    return [
        operator
        for seat, bits in seats_of(view.tree, view.prior).items()
        if (operator := view.tree.leaves[seat].operator_id) in keys
        and not bits & view.bitmap
        and keccak(keys[operator].public_key().eip2537()) == view.tree.leaves[seat].key_hash
    ]


def decide(view: BeaconView, keys: Mapping[int, SecretKey]) -> Contribution | None:
    """Sign for the seats that are owed; None if none. Raises: TreeMismatch."""
    mine = owed(view, keys)
    if not mine:
        return None
    return build_contribution(
        view.tree,
        view.prior,
        epoch=view.epoch,
        signatures={
            operator: sign_for(keys[operator], view.beacon, view.epoch, view.prior)
            for operator in mine
        },
        keys={operator: keys[operator].public_key() for operator in mine},
    )


def absent(view: BeaconView, *, spared: Collection[int]) -> list[Absence]:
    """Empty seats of an epoch that has begun, save those of the operators in `spared`.

    Raises: TreeMismatch.
    """
    _check(view)
    found = absences(view.tree, view.prior, epoch=view.epoch, bitmap=view.bitmap)
    return [one for one in found if one.leaf.operator_id not in spared]


def apply(
    beacon: RandomBeaconClient, sender: TransactionSender, contribution: Contribution
) -> Receipt:
    """Send it once. Raises: DoneAlready when somebody sent these seats, TooLate after the start."""
    key = f"staking.beacon:{contribution.epoch}:{contribution.bitmap:08x}"
    return execute_due(sender, beacon.contribute(contribution), key=key)


def _check(view: BeaconView) -> None:
    if view.tree.root != view.root:
        raise TreeMismatch(epoch=view.epoch)
