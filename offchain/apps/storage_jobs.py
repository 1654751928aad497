"""The worker's jobs around storage, built for a home; `up` and the demo call the same ones."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of
from offchain.apps.storage_chores import group_events, storage_clients, storage_ledger
from offchain.chain.model import Address, Block, BlockHash
from offchain.chain.sender import TransactionSender
from offchain.jobs.model import Outcome
from offchain.jobs.storage import StorageJobs
from offchain.jobs.storage_files import FileParts, MoveFiles
from offchain.jobs.storage_groups import GroupParts, ServeGroups
from offchain.jobs.storage_proofs import ProofParts, WatchProofs
from offchain.storage.adapters.challenge_finder import ChallengeFinder
from offchain.storage.adapters.draw_planner import DrawPlanner, DrawSources
from offchain.storage.model import MAX_GROUP_BYTES, GroupState, Profile, profile_named
from offchain.storage.seat_draw import limit_of

WORKER_ROLE: Final = "worker"
WANTED: Final = ("local", "replica", "durable")  # a group of each, where enough keep
OpenSender = Callable[[], AbstractContextManager[TransactionSender]]


def profiles_for(keepers: int) -> tuple[Profile, ...]:
    """Of which profiles so many operators can have a group; `solo` where of no other."""
    found = tuple(
        profile
        for profile in map(profile_named, WANTED)
        if keepers * limit_of(profile) >= profile.seats
    )
    return found or ((profile_named("solo"),) if keepers else ())


def serve_groups(network: Network, sender_address: Address) -> ServeGroups:
    """Requests and draws groups of this network."""
    sources = DrawSources(
        network.node,
        network.registry,
        network.stake,
        network.beacon,
        network.seats,
        network.draws,
        network.deployments.first_block(),
    )
    counted: dict[int, tuple[Profile, ...]] = {}  # by epoch

    def wanted(block: Block) -> tuple[Profile, ...]:
        epoch = network.stake.current_epoch(at=block.hash)
        if epoch not in counted:
            counted.clear()
            counted[epoch] = profiles_for(count_keepers(network, epoch, block))
        return counted[epoch]

    return ServeGroups(
        GroupParts(
            network.node,
            network.stake,
            network.seats,
            network.market,
            DrawPlanner(sources),
            sender_address,
            wanted,
        )
    )


def count_keepers(network: Network, epoch: int, block: Block) -> int:
    """Operators whose ask of an epoch has room for a seat."""
    known = range(1, network.registry.operator_count(at=block.hash) + 1)
    asks = (network.draws.ask_at(one, epoch, at=block.hash) for one in known)
    return sum(ask.capacity >= MAX_GROUP_BYTES for ask in asks)


def waiting_groups(network: Network) -> list[int]:
    """Groups that were requested in an epoch that is over and are not drawn."""
    block = network.node.block()
    epoch = network.stake.current_epoch(at=block.hash)
    found = []
    for number in group_events(network).groups(block):
        group = network.seats.group(number, at=block.hash)
        if group.state is GroupState.REQUESTED and group.requested < epoch:
            found.append(number)
    return found


def storage_jobs(network: Network, home: Home, open_sender: OpenSender) -> StorageJobs:
    """Everything the worker does for storage."""
    keystore = Keystore(home.keys)
    address = address_of(keystore.account(WORKER_ROLE))
    clients = storage_clients(network)

    def own_operators(at: BlockHash) -> set[int]:
        accounts = [address_of(keystore.account(role)) for role in keystore.bls_roles()]
        return {int(network.stake.operator_of(one, at=at)) for one in accounts} - {0}

    def sending(act: Callable[[TransactionSender], Outcome]) -> Outcome:
        with open_sender() as sender:
            return act(sender)

    finder = ChallengeFinder(clients, group_events(network))
    return StorageJobs(
        files=MoveFiles(FileParts(network.node, network.market, network.orders, address)),
        groups=serve_groups(network, address),
        proofs=WatchProofs(
            ProofParts(clients, storage_ledger(network), finder, own_operators, address)
        ),
        sending=sending,
    )
