"""Contribute this relayer's seats to the coming epoch: load at one block, decide, apply.

The tree of the drawn snapshot is rebuilt from `WeightSet` logs and must have the root the chain
froze, so a wrong view of the chain signs nothing. The key of the transaction is (epoch, seats): a
retry never sends the same seats twice. Source: docs/protocol/staking.md#beacon.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from offchain.chain.model import Receipt
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.bls import SecretKey
from offchain.core.errors import Corrupt
from offchain.core.hashing import keccak
from offchain.staking.beacon import (
    BeaconId,
    Contribution,
    build_contribution,
    seats_of,
    sign_for,
)
from offchain.staking.events import WeightSet
from offchain.staking.onchain import (
    OperatorRegistryClient,
    RandomBeaconClient,
    StakeManagerClient,
)
from offchain.staking.tree import Leaf, StakeTree

RELAYER: Final = 4


class TreeMismatch(Corrupt):
    """The weights read from the logs do not fold to the frozen root."""

    code = "staking.beacon.tree_mismatch"
    next_step = "Read the logs again from another node; nothing was signed."


@dataclass(frozen=True, slots=True)
class BeaconView:
    """What deciding needs, all of one block."""

    beacon: BeaconId
    epoch: int  # the coming one
    is_open: bool  # its cut-off has passed
    prior: bytes
    bitmap: int
    tree: StakeTree  # RELAYER weights of the epoch before
    root: bytes


@dataclass(frozen=True, slots=True)
class BeaconParts:
    """Whom contributing reads and who sends it."""

    reader: ChainReader
    registry: OperatorRegistryClient
    stake: StakeManagerClient
    beacon: RandomBeaconClient
    first_block: int  # of the deployment


def load(parts: BeaconParts) -> BeaconView:
    """Read everything at the newest block."""
    block = parts.reader.block()
    at = block.hash
    epoch = parts.stake.current_epoch(at=at) + 1
    wanted = parts.registry.event_filter(
        WeightSet, first_block=parts.first_block, last_block=block.number
    )
    events = parts.registry.events_in(WeightSet, parts.reader.logs(wanted))
    weights = weights_at(events, epoch - 1)
    leaves = {
        seat: Leaf(
            event.pool >> 8,
            event.weight,
            keccak(parts.stake.key_at(event.pool >> 8, epoch - 1, at=at)),
        )
        for seat, event in weights.items()
    }
    return BeaconView(
        beacon=BeaconId(parts.reader.chain_id(), parts.beacon.address),
        epoch=epoch,
        is_open=block.timestamp >= parts.stake.epoch_cutoff(epoch, at=at),
        prior=parts.beacon.randomness(epoch - 1, at=at),
        bitmap=parts.beacon.seats_of(epoch, at=at),
        tree=StakeTree(leaves),
        root=parts.stake.tree_root_at(RELAYER, epoch - 1, at=at),
    )


def weights_at(events: Iterable[WeightSet], epoch: int) -> dict[int, WeightSet]:
    """The RELAYER leaf of every seat in force at an epoch; events come in chain order."""
    leaves: dict[int, WeightSet] = {}
    for event in events:
        if event.pool & 255 == RELAYER and event.epoch <= epoch:
            leaves[event.seat] = event
    return {seat: event for seat, event in leaves.items() if event.weight}


def decide(view: BeaconView, keys: Mapping[int, SecretKey]) -> Contribution | None:
    """Sign for the seats that `keys` (operator id -> key) hold and that are missing; None if none.

    Raises: TreeMismatch.
    """
    if view.tree.root != view.root:
        raise TreeMismatch(epoch=view.epoch)
    if not view.is_open:
        return None
    mine = [
        operator
        for seat, bits in seats_of(view.tree, view.prior).items()
        if (operator := view.tree.leaves[seat].operator_id) in keys
        and not bits & view.bitmap
        and keccak(keys[operator].public_key().eip2537()) == view.tree.leaves[seat].key_hash
    ]
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


def apply(
    beacon: RandomBeaconClient, sender: TransactionSender, contribution: Contribution
) -> Receipt:
    """Send it once. Raises: DoneAlready when somebody sent these seats, TooLate after the start."""
    key = f"staking.beacon:{contribution.epoch}:{contribution.bitmap:08x}"
    return sender.execute(beacon.contribute(contribution), key=key)
