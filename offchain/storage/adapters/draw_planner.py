"""The calls that show whom the beacon drew for seats, made from the chain's state at one block.

The STORAGE tree of the seed's epoch is rebuilt from the registry's logs and must have the root that
the chain froze, so a wrong view of the chain draws nothing. Source: docs/protocol/storage.md#seats.
"""

from dataclasses import dataclass, replace

from offchain.chain.model import Block, BlockHash, TypedCall
from offchain.chain.ports import ChainReader
from offchain.staking.frozen_tree import TreeSources, frozen_tree
from offchain.staking.model import Service
from offchain.staking.onchain import (
    OperatorRegistryClient,
    RandomBeaconClient,
    StakeManagerClient,
    split_key,
)
from offchain.staking.tree import StakeTree
from offchain.storage.model import profile_of
from offchain.storage.onchain_draws import StorageDrawsClient
from offchain.storage.onchain_seats import StorageSeatsClient
from offchain.storage.seat_draw import (
    Candidate,
    DrawCall,
    DrawsId,
    Lottery,
    draw_calls,
    draw_group,
    draw_seat,
)


@dataclass(frozen=True, slots=True)
class DrawSources:
    """Whom a draw reads; `first_block` of the deployment."""

    reader: ChainReader
    registry: OperatorRegistryClient
    stake: StakeManagerClient
    beacon: RandomBeaconClient
    seats: StorageSeatsClient
    draws: StorageDrawsClient
    first_block: int


class DrawPlanner:
    """Plans draws; each reads the logs anew, since draws are rare."""

    def __init__(self, sources: DrawSources) -> None:
        self._sources = sources

    def draw(self, group: int, *, at: Block) -> TypedCall:
        """The next batch of a requested group's seats. Raises: TreeMismatch, Rejected."""
        record = self._sources.seats.group(group, at=at.hash)
        epoch = self._sources.draws.seed_epoch(record.requested, at=at.hash)
        lottery, candidates = self._lottery(group, epoch, at)
        drawn = list(draw_group(lottery, record.drawn, candidates))
        first = next(iter(draw_calls(lottery, record.drawn, drawn)))
        return self._sources.draws.draw(
            group, first.seat, first.cover, self._keys(first, epoch, at.hash), first.picks
        )

    def draw_successor(self, group: int, seat: int, *, at: Block) -> TypedCall:
        """Who follows on a seat. Raises: TreeMismatch, Rejected."""
        record = self._sources.seats.seat(group, seat, at=at.hash)
        epoch = self._sources.draws.seed_epoch(record.redraw_epoch, at=at.hash)
        lottery, candidates = self._lottery(group, epoch, at)
        longest = self._sources.seats.group(group, at=at.hash).longest_epochs
        lottery = replace(lottery, is_successor=True, least_epochs=longest)
        drawn = [draw_seat(lottery, seat, candidates)] if lottery.tree.total_wei else []
        [call] = draw_calls(lottery, seat, drawn)
        return self._sources.draws.draw_successor(
            group, seat, call.cover, self._keys(call, epoch, at.hash), call.picks
        )

    def _lottery(self, group: int, epoch: int, at: Block) -> tuple[Lottery, dict[int, Candidate]]:
        sources = self._sources
        record = sources.seats.group(group, at=at.hash)
        tree = self._tree(epoch, at)
        lottery = Lottery(
            DrawsId(sources.reader.chain_id(), sources.draws.address),
            group,
            profile_of(record.profile),
            sources.beacon.randomness(epoch, at=at.hash),
            tree,
            record.max_price,
            sources.registry.clock(at=at.hash).day_seconds,
        )
        operators = [leaf.operator_id for leaf in tree.leaves.values()]
        held = sources.seats.held_by(group, operators, at=at.hash)
        candidates = {
            one: Candidate(
                sources.draws.ask_at(one, epoch, at=at.hash),
                sources.draws.load_of(one, at=at.hash),
                count,
            )
            for one, count in zip(operators, held, strict=True)
        }
        return lottery, candidates

    def _tree(self, epoch: int, at: Block) -> StakeTree:
        """The STORAGE tree of an epoch. Raises: TreeMismatch."""
        one = self._sources
        sources = TreeSources(one.reader, one.registry, one.stake, one.first_block)
        return frozen_tree(sources, Service.STORAGE, epoch, at=at)

    def _keys(
        self, call: DrawCall, epoch: int, at: BlockHash
    ) -> list[tuple[bytes, bytes, bytes, bytes]]:
        keys = self._sources.stake.keys_at(list(call.operators), epoch, at=at)
        return [split_key(key) for key in keys]
