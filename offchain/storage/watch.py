"""What one operator owes, decided from the chain's state at one block. Pure.

  own seats         every file of the group that is stored, also what came while it was absent
  seats to follow   the same, from the moment rebuilding is due
Rebuilding is lazy: a vacant seat is rebuilt after `patience_seconds`, at once when few are left, so
that an outage of many seats does not make everybody read everything; a hand-over begins at once.
Source: docs/protocol/storage.md#keeping, INV-STO-12.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from offchain.chain.model import Block
from offchain.storage.keep_ports import KeeperLedger
from offchain.storage.model import SeatState
from offchain.storage.ports import GroupView, SeatView, StoredFile

DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Patience:
    """`vacant_seconds`: how long a vacant seat waits while enough others live."""

    vacant_seconds: int = DAY


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything around one operator at one block."""

    operator: int
    block: Block
    groups: tuple[GroupView, ...]
    files: Mapping[int, tuple[StoredFile, ...]]

    def owed(self) -> Iterator[tuple[GroupView, SeatView, StoredFile]]:
        """What its own seats answer for, file by file."""
        for group in self.groups:
            for seat in group.seats:
                if seat.operator == self.operator and seat.is_owed:
                    for file in self.live_files(group):
                        yield group, seat, file

    def owed_seats(self, group: GroupView) -> set[int]:
        """The numbers of its own seats in a group."""
        return {one.seat for one in group.seats if one.operator == self.operator and one.is_owed}

    def to_follow(self, patience: Patience) -> Iterator[tuple[GroupView, SeatView]]:
        """Seats it is drawn for and should make its own now."""
        for group in self.groups:
            for seat in group.seats:
                if seat.successor == self.operator and is_rebuild_due(
                    group, seat, self.block.timestamp, patience
                ):
                    yield group, seat

    def live_files(self, group: GroupView) -> list[StoredFile]:
        return [one for one in self.files[group.group] if one.is_owed(self.block.timestamp)]


def look_around(ledger: KeeperLedger, operator: int, *, at: Block) -> Surroundings:
    """Read everything that is owed, at one block. Raises: Unavailable."""
    groups = ledger.groups_of(operator, at=at)
    files = {one.group: ledger.files_of(one.group, at=at) for one in groups}
    return Surroundings(operator, at, groups, files)


def is_rebuild_due(group: GroupView, seat: SeatView, now: int, patience: Patience) -> bool:
    """Whether the successor of a seat should begin to make its shards."""
    if seat.state is SeatState.LEAVING:
        return True
    if seat.state is not SeatState.VACANT:
        return False
    return now >= seat.since + patience.vacant_seconds or is_thin(group)


def is_thin(group: GroupView) -> bool:
    """Whether at most k + (n-k)/2 seats still serve."""
    profile = group.profile
    serving = sum(seat.state not in {SeatState.VACANT, SeatState.SUSPECT} for seat in group.seats)
    return serving <= profile.enough + (profile.seats - profile.enough) // 2
