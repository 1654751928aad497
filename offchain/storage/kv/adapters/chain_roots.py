"""Roots of streams on the chain: who may post, what was posted, and posting itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.chain.due import Executes, execute_due
from offchain.chain.ports import ChainReader
from offchain.staking.onchain import StakeManagerClient
from offchain.storage.adapters.chain_ledger import ChainStorageLedger
from offchain.storage.kv.post_root import Now, ReplicaGroup, RootVotes, Seat
from offchain.storage.model import SeatState, profile_named
from offchain.storage.onchain_log import KVStreamsClient, RootQuorum
from offchain.storage.onchain_market import StorageMarketClient
from offchain.storage.ports import GroupView

PROFILE: Final = "replica"


@dataclass(frozen=True, slots=True)
class RootClients:
    """The contracts that roots are about; `ledger` reads groups."""

    reader: ChainReader
    stake: StakeManagerClient
    market: StorageMarketClient
    streams: KVStreamsClient
    ledger: ChainStorageLedger


class ChainRoots:
    """A `RootLedger`; without a sender it only reads."""

    def __init__(self, clients: RootClients, sender: Executes | None = None) -> None:
        self._clients = clients
        self._sender = sender

    def now(self) -> Now:
        stake = self._clients.stake
        block = self._clients.reader.block()
        epoch = stake.current_epoch(at=block.hash)
        start, length = stake.epoch_start(epoch, at=block.hash), stake.epoch_length(at=block.hash)
        return Now(epoch, start, min(1.0, max(0.0, (block.timestamp - start) / length)))

    def epoch(self) -> int:
        at = self._clients.reader.block().hash
        return self._clients.stake.current_epoch(at=at)

    def groups(self) -> Sequence[ReplicaGroup]:
        clients = self._clients
        block = clients.reader.block()
        number = profile_named(PROFILE).number
        return [
            ReplicaGroup(group, len(view.seats), _held(view))
            for group in clients.market.listed_groups(number, at=block.hash)
            for view in [clients.ledger.group_at(group, block)]
        ]

    def is_seat_of(self, operator: int, group: int) -> bool:
        """Whether an operator holds a seat of an open replica group."""
        return any(
            one.number == group and any(seat.operator == operator for seat in one.seats)
            for one in self.groups()
        )

    def newest(self, stream: bytes) -> tuple[int, int]:
        at = self._clients.reader.block().hash
        found = self._clients.streams.stream(stream, at=at)
        return found.head, found.posted_at

    def root_of(self, stream: bytes, seq: int) -> bytes:
        at = self._clients.reader.block().hash
        return self._clients.streams.root_of(stream, seq, at=at)

    def post(self, votes: RootVotes) -> None:
        assert self._sender is not None, "a ledger that posts has a sender"
        keys = b"".join(_short(seat.key.eip2537()) for seat in votes.absent)
        absent = sum(1 << seat.seat for seat in votes.absent)
        quorum = RootQuorum(votes.group, votes.epoch, absent, keys, votes.signature.eip2537())
        call = self._clients.streams.post_root(votes.root, quorum)
        key = f"kv-root:{votes.root.stream.hex()}:{votes.root.seq}:{votes.epoch}:{absent}"
        execute_due(self._sender, call, key=key)


def _held(view: GroupView) -> tuple[Seat, ...]:
    """Seats that somebody holds, whose keys are in the group's sum."""
    return tuple(
        Seat(one.seat, one.operator, one.endpoint, one.key)
        for one in view.seats
        if one.state is not SeatState.VACANT and one.key is not None
    )


def _short(key: bytes) -> bytes:
    """X and y of a padded key, 48 bytes each."""
    return key[16:64] + key[80:128]
