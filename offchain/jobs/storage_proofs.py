"""Silence of storage seats punished, challenges measured, pay of own seats credited.

Subjects: `epoch/group/seat`, a demand's id, an epoch, `group/seat`. An epoch of a group is looked
through once its answer window is over and until the contract takes nothing more; demands that
nobody answered are closed for as many epochs back: bonds go home, and who was silent is fined.
Source: docs/protocol/storage.md#keeping.
"""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from offchain.chain.due import execute_due, is_accepted
from offchain.chain.errors import CallReverted
from offchain.chain.model import Address, Block, BlockHash, TypedCall
from offchain.chain.sender import TransactionSender
from offchain.core.errors import Conflict, Rejected
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.storage.adapters.chain_ledger import ChainStorageLedger, StorageClients
from offchain.storage.adapters.challenge_finder import ChallengeFinder
from offchain.storage.adapters.waiting_endings import WaitingEndings
from offchain.storage.challenge_draw import rate_of
from offchain.storage.model import GroupState, SeatState
from offchain.storage.onchain_proofs import Demanded, DrawnSeat

LOOK_BACK_EPOCHS: Final = 6
LEAST_PAY_WEI: Final = 2 * 10**15  # twenty times what crediting it costs at a gwei
MOVED_PART: Final = 8  # the measure is taken again when what is kept moved by more than 1/8


@dataclass(frozen=True, slots=True)
class ProofParts:
    """What the jobs around proofs read; `own_operators` are those whose pay is collected."""

    clients: StorageClients
    ledger: ChainStorageLedger
    finder: ChallengeFinder
    own_operators: Callable[[BlockHash], AbstractSet[int]]
    sender_address: Address


class WatchProofs:
    """Finds and does the jobs around proofs. Finding is one thread's; doing keeps nothing."""

    def __init__(self, parts: ProofParts) -> None:
        self._parts = parts
        self._waiting = WaitingEndings(parts.clients.reader, parts.clients.market)
        self._judged: set[tuple[int, int]] = set()  # (epoch, group) with nothing left to punish
        self._paid: tuple[int, BlockHash] | None = None

    def find_due(self, groups: Iterable[int], block: Block) -> Iterator[Job]:
        """What is due at a block among the groups that are not drained."""
        clients = self._parts.clients
        current = clients.stake.current_epoch(at=block.hash)
        self._judged = {one for one in self._judged if one[0] >= current - LOOK_BACK_EPOCHS}
        living = [
            one
            for one in sorted(groups)
            if self._parts.ledger.group_at(one, block).state is not GroupState.REQUESTED
        ]
        for epoch in range(current, max(current - LOOK_BACK_EPOCHS, 0), -1):
            for group in living:
                yield from self._defaults(epoch, group, block)
        for event in self._unanswered(current, block):
            if self._is_accepted(clients.proofs.close(event.wanted), block):
                yield Job(JobKind.CLOSE_DEMAND, "0x" + event.demand_id.hex())
        if living and self._is_measure_due(current, block):
            yield Job(JobKind.MEASURE_BYTES, str(current))
        if self._paid is None or self._paid[0] != current:
            self._paid = (current, block.hash)
            for group in living:
                yield from self._pay(group, block)

    def default(self, epoch: int, group: int, seat: int, sender: TransactionSender) -> Outcome:
        """Punish a seat that showed nothing; once for each epoch."""
        block = self._parts.clients.reader.block()
        call = self._default_call(epoch, group, seat, block)
        if call is None:
            return Outcome.NOT_DUE
        return self._execute(call, sender, f"storage.default:{epoch}:{group}:{seat}")

    def close(self, demand_id: bytes, sender: TransactionSender) -> Outcome:
        """End a demand that nobody answered: its bond goes back, and who was silent is fined."""
        clients = self._parts.clients
        block = clients.reader.block()
        current = clients.stake.current_epoch(at=block.hash)
        for event in self._unanswered(current, block):
            if event.demand_id == demand_id:
                key = f"storage.close:{demand_id.hex()}:{event.deadline}"
                return self._execute(clients.proofs.close(event.wanted), sender, key)
        return Outcome.NOT_DUE

    def measure(self, epoch: int, sender: TransactionSender) -> Outcome:
        """Set from what is kept now how many bytes go to one challenge."""
        clients = self._parts.clients
        block = clients.reader.block()
        current = clients.stake.current_epoch(at=block.hash)
        if epoch != current or not self._is_measure_due(current, block):
            return Outcome.NOT_DUE
        return self._execute(clients.proofs.measure(), sender, f"storage.measure:{block.number}")

    def collect(self, group: int, seat: int, sender: TransactionSender) -> Outcome:
        """Credit what a seat has earned to its operator's owner."""
        clients = self._parts.clients
        block = clients.reader.block()
        call = clients.market.collect(group, seat)
        if not self._is_accepted(call, block):
            return Outcome.NOT_DUE
        epoch = clients.stake.current_epoch(at=block.hash)
        return self._execute(call, sender, f"storage.collect:{group}:{seat}:{epoch}")

    def _defaults(self, epoch: int, group: int, block: Block) -> Iterator[Job]:
        window = self._parts.finder.window(epoch, at=block)
        if (epoch, group) in self._judged or block.timestamp <= window.end:
            return
        view = self._parts.ledger.group_at(group, block)
        is_done = not self._waiting.stand_in_the_way(group, block)  # they refuse a punishment too
        for seat, fallen in self._parts.finder.missed(view, epoch, at=block):
            drawn = DrawnSeat(epoch, group, seat)
            proofs = self._parts.clients.proofs
            call = proofs.default_(drawn, fallen.file.id, skipped=fallen.skipped)
            if self._is_accepted(call, block):
                is_done = False
                yield Job(JobKind.DEFAULT_PROOF, f"{epoch}/{group}/{seat}")
        if is_done:
            self._judged.add((epoch, group))

    def _default_call(self, epoch: int, group: int, seat: int, block: Block) -> TypedCall | None:
        view = self._parts.ledger.group_at(group, block)
        for missed, fallen in self._parts.finder.missed(view, epoch, at=block):
            if missed == seat:
                drawn = DrawnSeat(epoch, group, seat)
                proofs = self._parts.clients.proofs
                call = proofs.default_(drawn, fallen.file.id, skipped=fallen.skipped)
                return call if self._is_accepted(call, block) else None
        return None

    def _unanswered(self, current: int, block: Block) -> Iterator[Demanded]:
        since = max(current - LOOK_BACK_EPOCHS, 0)
        start = self._parts.clients.stake.epoch_start(since, at=block.hash)
        return self._parts.finder.unanswered(since=start, at=block)

    def _is_measure_due(self, current: int, block: Block) -> bool:
        """Whether what is kept has moved away from the measure of the next epoch to be decided."""
        clients = self._parts.clients
        epoch = current + 1
        if block.timestamp >= clients.stake.epoch_cutoff(epoch, at=block.hash):
            epoch += 1
        kept = clients.market.total_kept(at=block.hash)
        wanted = rate_of(kept, clients.seats.operator_count(at=block.hash))
        measured = clients.proofs.bytes_per_challenge(epoch, at=block.hash)
        return wanted > 0 and abs(wanted - measured) > measured // MOVED_PART

    def _pay(self, group: int, block: Block) -> Iterator[Job]:
        own = self._parts.own_operators(block.hash)
        for seat in self._parts.ledger.group_at(group, block).seats:
            is_paid = seat.state in {SeatState.SERVING, SeatState.LEAVING}
            if seat.operator in own and is_paid and self._pay_of(group, seat.seat, block):
                yield Job(JobKind.COLLECT_PAY, f"{group}/{seat.seat}")

    def _pay_of(self, group: int, seat: int, block: Block) -> bool:
        """Whether a seat has earned enough to be worth a transaction."""
        call = self._parts.clients.market.collect(group, seat)
        try:
            asked = call.call_from(self._parts.sender_address)
            [answer] = self._parts.clients.reader.calls([asked], at=block.hash)
        except CallReverted:
            return False
        return int.from_bytes(answer, "big") >= LEAST_PAY_WEI

    def _execute(self, call: TypedCall, sender: TransactionSender, key: str) -> Outcome:
        try:
            execute_due(sender, call, key=key)
        except (Conflict, Rejected):
            if self._is_accepted(call, self._parts.clients.reader.block()):
                raise
            return Outcome.ALREADY
        return Outcome.DONE

    def _is_accepted(self, call: TypedCall, block: Block) -> bool:
        parts = self._parts
        return is_accepted(parts.clients.reader, call, parts.sender_address, block.hash)
