"""An operator hands its seats over: no new ones, every seat left, then it waits for successors.

Each pass reads one block and does what is not done yet, so it may be repeated, killed and run
beside the node, which has to serve until nothing is owed. The ask rises to the highest price there
is, which keeps new groups away; its bytes stay, or uploads to seats still held would be refused.
Source: docs/protocol/storage.md#keeping, INV-STO-11.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from offchain.chain.model import Block
from offchain.core.errors import Conflict, Rejected
from offchain.storage.model import SeatState
from offchain.storage.ports import GroupView, SeatView
from offchain.storage.seat_draw import Ask

PRICE_STEP: Final = 256
HIGHEST_PRICE: Final = PRICE_STEP * (2**36 - 1)  # of an ask, wei per 2^30 byte-seconds


class DrainLedger(Protocol):
    """What handing over reads. Every method raises Unavailable."""

    def head(self) -> Block: ...

    def groups_of(self, operator: int, *, at: Block) -> tuple[GroupView, ...]:
        """Groups in which the operator holds a seat, is drawn for one, or has just left one."""
        ...


class DrainDesk(Protocol):
    """What handing over sends with the operator's account; every effect happens once."""

    def ask(self, *, at: Block) -> Ask:
        """The newest ask, also one that counts from the next epoch only."""
        ...

    def set_ask(self, ask: Ask) -> None:
        """Ask for other terms from the next epoch on. Raises: Rejected."""
        ...

    def leave(self, group: int, seat: int) -> None:
        """Let a successor be drawn. Raises: Rejected, Conflict."""
        ...

    def leaves_at(self, group: int, seat: int, *, at: Block) -> int:
        """Until when a leaving seat is owed if nobody comes, chain seconds."""
        ...


@dataclass(frozen=True, slots=True)
class OwedSeat:
    """A seat that is still served: by whom it will be taken over, and until when it may last."""

    group: int
    seat: int
    state: SeatState
    successor: int
    until: int


@dataclass(frozen=True, slots=True)
class Drained:
    """How one pass found and left things."""

    block: Block
    is_ask_closed: bool
    left: tuple[tuple[int, int], ...]
    owed: tuple[OwedSeat, ...]
    drawn_for: tuple[tuple[int, int], ...]  # seats of others it may still be asked to follow on

    @property
    def is_over(self) -> bool:
        """Whether no seat is held and none is to come."""
        return not self.owed and not self.drawn_for


class DrainSeats:
    """One operator's way out."""

    def __init__(self, operator: int, ledger: DrainLedger, desk: DrainDesk) -> None:
        self._operator = operator
        self._ledger = ledger
        self._desk = desk

    def look(self) -> Drained:
        """What is owed now; sends nothing."""
        head = self._ledger.head()
        is_closed = self._desk.ask(at=head).price in {0, HIGHEST_PRICE}
        return self._report(head, is_ask_closed=is_closed, left=())

    def step(self) -> Drained:
        """Close the ask, leave every seat that is not leaving yet, and say what is owed."""
        head = self._ledger.head()
        ask = self._desk.ask(at=head)
        if ask.price not in {0, HIGHEST_PRICE}:
            self._desk.set_ask(Ask(ask.epoch, HIGHEST_PRICE, ask.capacity, ask.longest_epochs))
        left = [
            (group.group, seat.seat)
            for group, seat in self._held(head)
            if seat.state is not SeatState.LEAVING and self._leave(group, seat)
        ]
        return self._report(self._ledger.head(), is_ask_closed=True, left=tuple(left))

    def _leave(self, group: GroupView, seat: SeatView) -> bool:
        try:
            self._desk.leave(group.group, seat.seat)
        except (Conflict, Rejected):  # it is leaving, lost or pushed out already
            return False
        return True

    def _report(
        self, head: Block, *, is_ask_closed: bool, left: tuple[tuple[int, int], ...]
    ) -> Drained:
        owed = tuple(
            OwedSeat(
                group.group,
                seat.seat,
                seat.state,
                seat.successor,
                self._desk.leaves_at(group.group, seat.seat, at=head),
            )
            for group, seat in self._held(head)
        )
        followed = tuple(
            (group.group, seat.seat)
            for group in self._ledger.groups_of(self._operator, at=head)
            for seat in group.seats
            if seat.successor == self._operator
        )
        return Drained(head, is_ask_closed, left, owed, followed)

    def _held(self, at: Block) -> list[tuple[GroupView, SeatView]]:
        groups = self._ledger.groups_of(self._operator, at=at)
        return [
            (group, seat)
            for group in groups
            for seat in group.seats
            if seat.operator == self._operator and seat.is_owed
        ]
