"""Groups of storage: asked for, drawn, advanced, lost seats drawn again, closed and freed.

Subjects: a profile, a group, or `group/seat`. Whoever comes first does it; what is due is asked of
the contract by trying the call at the block that is looked at. A profile gets a group only where
enough operators keep: n seats with at most `limit` each. Source: docs/protocol/storage.md#keeping.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from offchain.chain.due import execute_due, is_accepted
from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.errors import Conflict, Rejected
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.staking.onchain import StakeManagerClient
from offchain.storage.adapters.draw_planner import DrawPlanner
from offchain.storage.adapters.waiting_endings import WaitingEndings
from offchain.storage.model import GroupState, Profile
from offchain.storage.onchain_market import StorageMarketClient
from offchain.storage.onchain_seats import Group, StorageSeatsClient

MAX_PRICE_WEI: Final = 4_100_000_000  # ten coins for a terabyte and month: above every sane ask
SEAT_KINDS: Final = (JobKind.LAPSE_SUCCESSOR, JobKind.LET_GO, JobKind.PUSH_OUT)


@dataclass(frozen=True, slots=True)
class GroupParts:
    """What serving groups reads.

    `wanted`: profiles of which one group should be open, as far as there are operators for it.
    """

    reader: ChainReader
    stake: StakeManagerClient
    seats: StorageSeatsClient
    market: StorageMarketClient
    planner: DrawPlanner
    sender_address: Address
    wanted: Callable[[Block], Sequence[Profile]]


class ServeGroups:
    """Finds and does what groups need. Finding is one thread's; doing keeps nothing."""

    def __init__(self, parts: GroupParts) -> None:
        self._parts = parts
        self._waiting = WaitingEndings(parts.reader, parts.market)
        self._looked: dict[int, int] = {}  # group -> epoch in which its seats' stake was looked at

    def find_due(self, groups: Iterable[int], block: Block) -> Iterator[Job]:
        """What is due at a block among the groups that are not drained."""
        for profile in self._parts.wanted(block):
            if self._is_missing(profile, block):
                yield Job(JobKind.REQUEST_GROUP, str(profile.number))
        epoch = self._parts.stake.current_epoch(at=block.hash)
        for number in sorted(groups):
            group = self._parts.seats.group(number, at=block.hash)
            if group.state is GroupState.REQUESTED:
                if epoch > group.requested:
                    yield Job(JobKind.DRAW_GROUP, str(number))
                continue
            if self._waiting.stand_in_the_way(number, block):
                yield Job(JobKind.ADVANCE_GROUP, str(number))
            yield from self._seat_jobs(number, group, epoch, block)
            yield from self._uncovered(number, group, epoch, block)
            for kind in (JobKind.FILL_GROUP, JobKind.DRAIN_GROUP):
                if self._is_accepted(self._group_call(kind, number), block):
                    yield Job(kind, str(number))

    def request(self, profile: Profile, sender: TransactionSender) -> Outcome:
        """Ask for a group of a profile, once an epoch while none is open or awaited."""
        block = self._parts.reader.block()
        if not self._is_missing(profile, block):
            return Outcome.ALREADY
        epoch = self._parts.stake.current_epoch(at=block.hash)
        call = self._parts.seats.request_group(profile.number, MAX_PRICE_WEI)
        execute_due(sender, call, key=f"storage.request:{profile.number}:{epoch}")
        return Outcome.DONE

    def draw(self, number: int, sender: TransactionSender) -> Outcome:
        """Draw a group's seats, batch after batch. Raises: Rejected from the contract."""
        parts = self._parts
        while True:
            block = parts.reader.block()
            group = parts.seats.group(number, at=block.hash)
            if group.state is not GroupState.REQUESTED:
                return Outcome.DONE
            if parts.stake.current_epoch(at=block.hash) <= group.requested:
                return Outcome.NOT_DUE
            call = parts.planner.draw(number, at=block)
            try:
                execute_due(sender, call, key=f"storage.draw:{number}:{group.drawn}")
            except (Conflict, Rejected):  # somebody drew this batch, or the group failed
                if parts.seats.group(number, at=parts.reader.block().hash) == group:
                    raise

    def advance(self, number: int, sender: TransactionSender) -> Outcome:
        """Pass the endings that are in the way of a group's files and seats."""
        return Outcome.DONE if self._waiting.pass_all(number, sender) else Outcome.NOT_DUE

    def draw_successor(self, number: int, seat: int, sender: TransactionSender) -> Outcome:
        """Draw who follows on a seat. Raises: Rejected from the contract."""
        parts = self._parts
        block = parts.reader.block()
        record = parts.seats.seat(number, seat, at=block.hash)
        epoch = parts.stake.current_epoch(at=block.hash)
        if record.successor or not record.redraw_epoch or epoch <= record.redraw_epoch:
            return Outcome.NOT_DUE
        call = parts.planner.draw_successor(number, seat, at=block)
        key = f"storage.successor:{number}:{seat}:{record.generation}:{record.redraw_epoch}"
        try:
            execute_due(sender, call, key=key)
        except (Conflict, Rejected):
            if parts.seats.seat(number, seat, at=parts.reader.block().hash) == record:
                raise
            return Outcome.ALREADY
        return Outcome.DONE

    def settle(self, kind: JobKind, number: int, seat: int, sender: TransactionSender) -> Outcome:
        """Do a call that needs no more than its subject, if the contract takes it now."""
        block = self._parts.reader.block()
        call = (
            self._seat_call(kind, number, seat)
            if kind in SEAT_KINDS
            else self._group_call(kind, number)
        )
        if not self._is_accepted(call, block):
            return Outcome.NOT_DUE
        key = f"storage.{kind}:{number}:{seat}:{block.number}"
        try:
            execute_due(sender, call, key=key)
        except (Conflict, Rejected):
            if self._is_accepted(call, self._parts.reader.block()):
                raise
            return Outcome.ALREADY
        return Outcome.DONE

    def _seat_jobs(self, number: int, group: Group, epoch: int, block: Block) -> Iterator[Job]:
        """What vacant and leaving seats need."""
        sought = group.vacant | group.leaving
        for seat in (one for one in range(sought.bit_length()) if sought >> one & 1):
            record = self._parts.seats.seat(number, seat, at=block.hash)
            subject = f"{number}/{seat}"
            if not record.successor and record.redraw_epoch and epoch > record.redraw_epoch:
                yield Job(JobKind.DRAW_SUCCESSOR, subject)
            elif record.successor and block.timestamp > record.successor_until:
                yield Job(JobKind.LAPSE_SUCCESSOR, subject)
            if record.leaves_at and block.timestamp > record.leaves_at:
                yield Job(JobKind.LET_GO, subject)

    def _uncovered(self, number: int, group: Group, epoch: int, block: Block) -> Iterator[Job]:
        """Seats whose operator left or lost its stake; looked for once an epoch."""
        if self._looked.get(number) == epoch:
            return
        self._looked[number] = epoch
        for seat in range(group.drawn):
            if (group.vacant | group.leaving) >> seat & 1:
                continue
            if self._is_accepted(self._parts.seats.push_out(number, seat), block):
                yield Job(JobKind.PUSH_OUT, f"{number}/{seat}")

    def _is_missing(self, profile: Profile, block: Block) -> bool:
        """Whether a profile has no group that files may go to, and none awaited."""
        seats = self._parts.seats
        if seats.requested_count(profile.number, at=block.hash):
            return False
        return not self._parts.market.listed_count(profile.number, at=block.hash)

    def _seat_call(self, kind: JobKind, number: int, seat: int) -> TypedCall:
        seats = self._parts.seats
        if kind is JobKind.LAPSE_SUCCESSOR:
            return seats.lapse(number, seat)
        if kind is JobKind.PUSH_OUT:
            return seats.push_out(number, seat)
        return seats.let_go(number, seat)

    def _group_call(self, kind: JobKind, number: int) -> TypedCall:
        seats = self._parts.seats
        if kind is JobKind.FILL_GROUP:
            return seats.close_group(number)
        return seats.drain_group(number)

    def _is_accepted(self, call: TypedCall, block: Block) -> bool:
        parts = self._parts
        return is_accepted(parts.reader, call, parts.sender_address, block.hash)
