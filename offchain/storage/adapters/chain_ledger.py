"""What the contracts say of files, groups and seats, as one named block shows it.

A group at a block is one picture for every file in it: bitmaps of seats that are suspect, vacant or
leaving, operators seat by seat, endpoints and keys by operator. It is kept by its block's hash, a
key by the epoch whose key the group counts. Endpoints may be a few blocks old.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from offchain.chain.kept import Kept
from offchain.chain.model import Block, BlockHash, BlockRef
from offchain.chain.ports import ChainReader
from offchain.core.bls import PublicKey
from offchain.core.errors import NotFound
from offchain.staking.onchain import RandomBeaconClient, StakeManagerClient
from offchain.storage.errors import SubmissionUnknown
from offchain.storage.model import (
    FileShape,
    FileState,
    GroupState,
    SeatState,
    held_domain,
    profile_of,
)
from offchain.storage.onchain_draws import StorageDrawsClient
from offchain.storage.onchain_market import File, StorageMarketClient
from offchain.storage.onchain_proofs import StorageProofsClient
from offchain.storage.onchain_seats import Group, StorageSeatsClient
from offchain.storage.ports import FileView, GroupView, SeatView, StoredFile

KEPT_GROUPS: Final = 128
KEPT_KEYS: Final = 1_024
SETTLED: Final = frozenset({SeatState.DRAWN, SeatState.SERVING})  # nobody is to follow on them
ENDPOINT_BLOCKS: Final = 4  # an operator that moves is followed after so many blocks


class GroupNotThere(NotFound):
    """There is no such group at this block."""

    code = "storage.group.not_there"


@dataclass(frozen=True, slots=True)
class StorageClients:
    """The contracts a ledger of storage reads."""

    reader: ChainReader
    stake: StakeManagerClient
    seats: StorageSeatsClient
    draws: StorageDrawsClient
    market: StorageMarketClient
    proofs: StorageProofsClient
    beacon: RandomBeaconClient


class ChainStorageLedger:
    """A `StorageLedger` over the contracts."""

    def __init__(self, clients: StorageClients) -> None:
        self._clients = clients
        self._groups: Kept[tuple[int, BlockHash], GroupView] = Kept(KEPT_GROUPS)
        self._keys: Kept[tuple[int, int], PublicKey] = Kept(KEPT_KEYS)
        self._answering: dict[int, tuple[int, str]] = {}
        self._domain: bytes | None = None

    def head(self) -> Block:
        return self._clients.reader.block()

    def domain(self) -> bytes:
        if self._domain is None:
            chain_id, market = self._clients.reader.chain_id(), self._clients.market.address
            self._domain = held_domain(chain_id=chain_id, market=market)
        return self._domain

    def view(self, file_id: bytes, *, at: BlockRef) -> FileView:
        block = self._clients.reader.block(at)
        file = self.file(file_id, block)
        if file is None:
            raise SubmissionUnknown(file_id=file_id.hex(), block=block.number)
        group = self.group_at(file.group, block) if file.group else None
        return FileView(block, file, group)

    def group(self, number: int, *, at: BlockRef) -> GroupView:
        return self.group_at(number, self._clients.reader.block(at))

    def free_bytes(self, operator: int, *, at: BlockRef) -> int:
        block = self._clients.reader.block(at)
        epoch = self._clients.stake.current_epoch(at=block.hash)
        return self._clients.draws.ask_at(operator, epoch, at=block.hash).capacity

    def file(self, file_id: bytes, block: Block) -> StoredFile | None:
        """One file at a block; None when the market does not know it."""
        record = self._clients.market.file(file_id, at=block.hash)
        return None if record.state is FileState.NONE else stored_file(file_id, record)

    def group_at(self, number: int, block: Block) -> GroupView:
        """Raises: GroupNotThere."""
        return self._groups.get((number, block.hash), lambda: self._group(number, block))

    def _group(self, number: int, block: Block) -> GroupView:
        seats, at = self._clients.seats, block.hash
        group = seats.group(number, at=at)
        if group.state is GroupState.NONE:
            raise GroupNotThere(group=number, block=block.number)
        operators = seats.operators_of(number, at=at)[: group.drawn]
        known = sorted(set(operators))
        keys = dict(zip(known, self._read_keys(number, known, at), strict=True))
        states = [state_of(group, seat) for seat in range(len(operators))]
        unsettled = [seat for seat, state in enumerate(states) if state not in SETTLED]
        records = dict(zip(unsettled, seats.seats(number, unsettled, at=at), strict=True))
        found = []
        for seat, (operator, state) in enumerate(zip(operators, states, strict=True)):
            endpoint, record = self._endpoint(operator, block), records.get(seat)
            view = SeatView(seat, operator, state, endpoint, keys[operator])
            if record is not None:
                since = record.vacated_at if state is SeatState.VACANT else record.since
                view = replace(view, successor=record.successor, since=since)
            found.append(view)
        return GroupView(number, profile_of(group.profile), group.state, tuple(found))

    def _read_keys(
        self, group: int, operators: Sequence[int], at: BlockHash
    ) -> Iterator[PublicKey]:
        """The keys that count in a group."""
        epochs = self._clients.seats.key_epochs(group, operators, at=at)
        for operator, epoch in zip(operators, epochs, strict=True):
            yield self._keys.get((operator, epoch), partial(self._key, operator, epoch, at))

    def _key(self, operator: int, epoch: int, at: BlockHash) -> PublicKey:
        return PublicKey.parse(self._clients.stake.key_at(operator, epoch, at=at))

    def _endpoint(self, operator: int, block: Block) -> str:
        """Where an operator answers: no part of its duty, so a few blocks old is new enough."""
        read_at, found = self._answering.get(operator, (-ENDPOINT_BLOCKS, ""))
        if not 0 <= block.number - read_at < ENDPOINT_BLOCKS:
            found = self._clients.draws.endpoint(operator, at=block.hash)
            self._answering[operator] = block.number, found
        return found


def state_of(group: Group, seat: int) -> SeatState:
    """How a seat stands, from its group's bitmaps; a suspect seat that leaves is suspect. Pure."""
    bit = 1 << seat
    if group.vacant & bit:
        return SeatState.VACANT
    if group.suspect & bit:
        return SeatState.SUSPECT
    if group.leaving & bit:
        return SeatState.LEAVING
    return SeatState.DRAWN if group.state is GroupState.REQUESTED else SeatState.SERVING


def stored_file(file_id: bytes, record: File) -> StoredFile:
    """The market's record as nodes and clients read it. Pure."""
    is_stored = record.state is FileState.STORED
    return StoredFile(
        file_id=file_id,
        state=record.state,
        owner=record.owner,
        root=record.root,
        shape=FileShape(record.segments, record.length),
        profile=profile_of(record.profile),
        group=record.group,
        expiry=record.end,
        placed_block=record.submitted_block,
        keep_until=record.leaves if is_stored else record.deadline,
        absent=record.absent,
    )
