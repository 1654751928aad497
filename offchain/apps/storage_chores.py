"""What a storage node does by itself beside serving: chores, each in its own rhythm.

  prove      leaves that the beacon or a demand asks its seats for
  repair     shards that are owed and not here; seats that it is drawn to take over; a loss that
             nobody can make good is declared
  collect    shards that nobody answers for any more

The first two send transactions with the operator's account, whose outbox makes each effect happen
once, also when the node is killed in the middle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.apps.network import SETTLED_DEPTH, Network, address_of, open_sender
from offchain.apps.node_chores import Chore, Operator
from offchain.core.erasure import ErasureEngine
from offchain.node.leased_sender import LeasedSender
from offchain.storage.acquire import AcquireParts, AcquireShards
from offchain.storage.adapters.chain_keeper import (
    ChainFineTerms,
    ChainKeeperDesk,
    ChainKeeperLedger,
)
from offchain.storage.adapters.chain_ledger import ChainStorageLedger, StorageClients
from offchain.storage.adapters.group_events import EventRules, GroupEvents
from offchain.storage.collect import CollectParts, CollectRules, CollectShards
from offchain.storage.keep_ports import SegmentBook
from offchain.storage.losses import DeclareLosses, LossParts, LossRules
from offchain.storage.ports import HeldSigner, SeatClient, ShardStore
from offchain.storage.prove import ProveChallenges, ProveParts
from offchain.storage.repair import RepairRules, RepairShards
from offchain.storage.watch import Patience

PROVE_SECONDS: Final = 3.0
REPAIR_SECONDS: Final = 5.0
COLLECT_SECONDS: Final = 60.0
LINGER_EPOCHS: Final = 1  # a shard is unwanted for so long before it goes
LOSS_EPOCHS: Final = 1  # repair is tried for so long before a loss is declared
PATIENCE_EPOCHS: Final = 3  # a vacant seat waits so long while many live: half a successor's day
HAND_OVER_DAYS: Final = 3  # as in contracts/storage/StorageSeats.vy


@dataclass(frozen=True, slots=True)
class KeeperParts:
    """What a storage node keeps with. `is_busy`: whether an upload uses a matrix."""

    operator: int
    store: ShardStore
    book: SegmentBook
    client: SeatClient
    engine: ErasureEngine
    signer: HeldSigner
    is_busy: Callable[[bytes], bool]


def storage_clients(network: Network) -> StorageClients:
    """The contracts that storage nodes and the worker read."""
    return StorageClients(
        network.node,
        network.stake,
        network.seats,
        network.draws,
        network.market,
        network.proofs,
        network.beacon,
    )


def storage_ledger(network: Network) -> ChainStorageLedger:
    """What the chain says of files and groups."""
    return ChainStorageLedger(storage_clients(network))


def group_events(network: Network) -> GroupEvents:
    """What happened to groups since the deployment."""
    rules = EventRules(network.deployments.first_block(), SETTLED_DEPTH)
    return GroupEvents(storage_clients(network), rules)


def sender_of(network: Network, operator: Operator) -> LeasedSender:
    """The operator's sender, one for all that a node sends: its parts wait for each other alone."""
    opening = partial(open_sender, network, operator.home, operator.role, operator.account)
    return LeasedSender(address_of(operator.account), opening)


def keeper_chores(network: Network, sender: LeasedSender, parts: KeeperParts) -> list[Chore]:
    """Everything an honest storage node does by itself."""
    clients = storage_clients(network)
    events, ledger = group_events(network), storage_ledger(network)
    chain = ChainKeeperLedger(clients, ledger, events, depth=SETTLED_DEPTH)
    desk = ChainKeeperDesk(clients, sender, parts.signer)
    prove = ProveChallenges(ProveParts(parts.operator, chain, desk, parts.store, parts.book))
    acquire = AcquireShards(
        AcquireParts(parts.operator, parts.store, parts.book, parts.client, parts.engine)
    )
    at = network.node.block().hash
    epoch = network.stake.epoch_length(at=at)
    repair = RepairShards(
        chain,
        desk,
        acquire,
        operator=parts.operator,
        rules=RepairRules(Patience(PATIENCE_EPOCHS * epoch)),
    )
    declare = DeclareLosses(
        LossParts(parts.operator, chain, ChainFineTerms(clients), desk, parts.store, parts.book),
        LossRules(patience_seconds=LOSS_EPOCHS * epoch, epoch_seconds=epoch),
    )
    collect = CollectShards(
        CollectParts(parts.operator, chain, parts.store, parts.book, parts.is_busy),
        CollectRules(
            hand_over_seconds=HAND_OVER_DAYS * network.registry.clock(at=at).day_seconds,
            linger_seconds=LINGER_EPOCHS * epoch,
        ),
    )
    return [
        Chore("prove", PROVE_SECONDS, partial(_prove, prove)),
        Chore("repair", REPAIR_SECONDS, partial(_repair, repair, declare)),
        Chore("collect", COLLECT_SECONDS, partial(_collect, collect)),
    ]


async def _prove(prove: ProveChallenges) -> int:
    return len((await prove.prove()).sent)


async def _repair(repair: RepairShards, declare: DeclareLosses) -> int:
    report = await repair.repair()
    return report.count + len(await declare.declare(report.unmade))


async def _collect(collect: CollectShards) -> int:
    return len(await collect.collect())
