"""The chain as a keeper of stored bytes reads it, and what it sends with its operator's account.

Which groups concern an operator, and which files are in a group, comes from events; how they stand,
from views at the block that is asked about.
"""

from typing import Final

from offchain.chain.model import Block, Receipt, TypedCall
from offchain.core.units import BlockNumber
from offchain.node.leased_sender import Sends
from offchain.storage.adapters.chain_ledger import (
    ChainStorageLedger,
    StorageClients,
    stored_file,
)
from offchain.storage.adapters.challenge_finder import ChallengeFinder
from offchain.storage.adapters.group_events import ENDED, GroupEvents
from offchain.storage.adapters.waiting_endings import WaitingEndings
from offchain.storage.keep_ports import Challenge, LeafProof, Sent
from offchain.storage.model import FileState, GroupState
from offchain.storage.onchain_proofs import DrawnSeat, ShownSegment
from offchain.storage.ports import GroupView, HeldSigner, SeatView, StoredFile

NOT_THERE: Final = ENDED | {FileState.NONE}


class ChainKeeperLedger:
    """A `KeeperLedger` over the contracts; a block with `depth` others on top is final."""

    def __init__(
        self,
        clients: StorageClients,
        ledger: ChainStorageLedger,
        events: GroupEvents,
        *,
        depth: int,
    ) -> None:
        self._clients = clients
        self._ledger = ledger
        self._events = events
        self._finder = ChallengeFinder(clients, events)
        self._depth = depth

    def head(self) -> Block:
        return self._clients.reader.block()

    def final(self) -> Block:
        deep = max(self.head().number - self._depth, 0)
        return self._clients.reader.block(BlockNumber(deep))

    def groups_of(self, operator: int, *, at: Block) -> tuple[GroupView, ...]:
        found = (self._ledger.group_at(one, at) for one in self._events.groups_of(operator, at))
        return tuple(
            group
            for group in found
            if group.state is not GroupState.DRAINED
            and any(operator in {seat.operator, seat.successor} for seat in group.seats)
        )

    def files_of(self, group: int, *, at: Block) -> tuple[StoredFile, ...]:
        return tuple(
            stored_file(file_id, record)
            for file_id, record in self._events.files(group, at).items()
            if record.state not in NOT_THERE and record.group == group
        )

    def placed_in(self, group: int, *, at: Block) -> int:
        return self._clients.market.group(group, at=at.hash).segments

    def file(self, file_id: bytes, *, at: Block) -> StoredFile | None:
        return self._ledger.file(file_id, at)

    def challenges(self, operator: int, *, at: Block) -> tuple[Challenge, ...]:
        groups = self.groups_of(operator, at=at)
        return (
            *self._finder.drawn_for(operator, groups, at=at),
            *self._finder.demanded_of(operator, at=at),
        )


class ChainFineTerms:
    """`FineTerms` over the contracts."""

    def __init__(self, clients: StorageClients) -> None:
        self._clients = clients

    def fined_bytes(self, group: int, *, at: Block) -> int:
        clients = self._clients
        epoch = clients.stake.current_epoch(at=at.hash)
        kept = clients.market.bytes_at(group, epoch, at=at.hash)
        return max(kept, clients.proofs.bytes_per_challenge(epoch, at=at.hash))


class ChainKeeperDesk:
    """A `KeeperDesk` over the contracts."""

    def __init__(self, clients: StorageClients, sender: Sends, signer: HeldSigner) -> None:
        self._clients = clients
        self._sender = sender
        self._signer = signer
        self._waiting = WaitingEndings(clients.reader, clients.market)

    def prove(self, challenge: Challenge, proof: LeafProof) -> Sent:
        shown = ShownSegment(proof.segment, proof.path)
        proofs = self._clients.proofs
        if challenge.is_bonded:
            call = proofs.answer(challenge.file_id, challenge.seat, shown, proof.frame)
        else:
            drawn = DrawnSeat(challenge.number, challenge.group, challenge.seat)
            call = proofs.prove(
                drawn, challenge.file_id, shown, proof.frame, skipped=challenge.skipped
            )
        return self._send(call, challenge.group, challenge.key)

    def take_over(self, group: int, seat: SeatView, *, placed: int) -> Sent:
        seats, block = self._clients.seats, self._clients.reader.block()
        digest = seats.took_digest(group, seat.seat, placed, at=block.hash)
        signature = self._signer.sign_held(digest).eip2537()
        generation = seats.seat(group, seat.seat, at=block.hash).generation
        call = seats.take_over(group, seat.seat, placed, signature)
        key = f"storage.take_over:{group}:{seat.seat}:{generation}:{placed}"
        return self._send(call, group, key)

    def declare_loss(self, group: int, seat: int) -> Sent:
        at = self._clients.reader.block().hash
        generation = self._clients.seats.seat(group, seat, at=at).generation
        call = self._clients.proofs.declare_loss(group, seat)
        return self._send(call, group, f"storage.declare_loss:{group}:{seat}:{generation}")

    def _send(self, call: TypedCall, group: int, key: str) -> Sent:
        receipt: Receipt = self._waiting.execute(self._sender, call, group=group, key=key)
        return Sent(receipt.transaction_hash, receipt.block_number, receipt.gas_used)
