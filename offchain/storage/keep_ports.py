"""What keeping stored bytes alive reads from the chain and sends to it, as values and two ports.

Every value is as of one block. What a node does and can take back (fetch, prove) it decides from
the newest block; what it cannot (delete) only from a final one.
Source: docs/protocol/storage.md#keeping.
"""

from dataclasses import dataclass
from typing import Protocol

from offchain.storage.model import FileState, SeatState


@dataclass(frozen=True, slots=True)
class Moment:
    """A block to read at, and its time in seconds."""

    block: int
    time: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class SeatNow:
    """One seat of a group. `since`: when its state began. `successor`: 0 when none is drawn.

    `endpoint` answers for the present holder, `successor_endpoint` for who is to follow.
    """

    seat: int
    operator: int
    endpoint: str
    state: SeatState
    since: int
    generation: int = 0
    successor: int = 0
    successor_endpoint: str = ""

    @property
    def is_live(self) -> bool:
        """Whether its holder owes an answer to readers."""
        return self.state not in {SeatState.VACANT, SeatState.NONE}


@dataclass(frozen=True, slots=True)
class GroupNow:
    """The seats of one group, in order of their numbers."""

    group: int
    profile: int
    seats: tuple[SeatNow, ...]

    def seats_of(self, operator: int) -> tuple[SeatNow, ...]:
        """Held by this operator, also those it lost and still has to hand over."""
        return tuple(seat for seat in self.seats if seat.operator == operator)

    def to_follow(self, operator: int) -> tuple[SeatNow, ...]:
        """The seats that this operator is drawn to take over."""
        return tuple(seat for seat in self.seats if seat.successor == operator)


@dataclass(frozen=True, slots=True)
class OwedFile:
    """One file of a group. `keep_until`: end and grace of a stored one, else when it must be in."""

    file_id: bytes
    root: bytes
    group: int
    profile: int
    segments: int
    length: int
    state: FileState
    keep_until: int

    def is_owed(self, now: int) -> bool:
        """Whether its seats answer for it at this time."""
        return self.state is FileState.STORED and now < self.keep_until


@dataclass(frozen=True, slots=True)
class Challenge:
    """One leaf that a seat has to show by `deadline`.

    `number` is the epoch of a challenge that the beacon drew, or the id of a bonded one.
    `skipped`: the ids of files that the draw passed over, as the contract wants them shown.
    """

    is_bonded: bool
    number: int
    group: int
    seat: int
    file_id: bytes
    segment: int
    row: int
    leaf: int
    deadline: int
    skipped: tuple[bytes, ...] = ()

    @property
    def key(self) -> str:
        """What tells its answer from every other transaction of the operator."""
        kind = "bonded" if self.is_bonded else "beacon"
        return f"storage.{kind}:{self.number}:{self.group}:{self.seat}"


@dataclass(frozen=True, slots=True)
class LeafProof:
    """What settles a challenge: the segment under the file's root, the leaf under the segment."""

    data_root: bytes
    commitment: bytes
    columns: int
    length: int
    segment_path: tuple[bytes, ...]
    leaf_frame: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that is mined."""

    transaction: bytes
    block: int
    gas_used: int


class KeeperLedger(Protocol):
    """The chain, as a keeper reads it. Every method raises Unavailable when it does not answer."""

    def head(self) -> Moment:
        """The newest block."""
        ...

    def final(self) -> Moment:
        """The newest block that no reorganisation takes back."""
        ...

    def groups_of(self, operator: int, *, at: Moment) -> tuple[GroupNow, ...]:
        """Groups in which the operator holds a seat, is drawn for one, or has just left one."""
        ...

    def files_of(self, group: int, *, at: Moment) -> tuple[OwedFile, ...]:
        """Every file that was placed in a group and is not over."""
        ...

    def file(self, file_id: bytes, *, at: Moment) -> OwedFile | None:
        """One file, whatever became of it; None when the chain does not know it."""
        ...

    def challenges(self, operator: int, *, at: Moment) -> tuple[Challenge, ...]:
        """What the operator's seats have to show and have not shown yet, window still open."""
        ...


class KeeperDesk(Protocol):
    """What a keeper sends with its operator's account; every effect happens once."""

    def prove(self, challenge: Challenge, proof: LeafProof) -> Sent:
        """Show a leaf. Raises: Rejected; Conflict when it was shown already or too late."""
        ...

    def take_over(self, group: int, seat: SeatNow, *, signature: bytes) -> Sent:
        """Begin to serve a seat as its successor, all shards held. Raises: Rejected, Conflict."""
        ...

    def declare_loss(self, group: int, seat: int) -> Sent:
        """Give a seat up before a challenge finds it empty: a quarter of the fine."""
        ...
