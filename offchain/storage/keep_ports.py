"""What keeping stored bytes alive reads from the chain and sends to it, as values and two ports.

Every value is as of one block. What a node does and can take back (fetch, prove) it decides from
the newest block; what it cannot (delete) only from a final one.
Source: docs/protocol/storage.md#keeping.
"""

from dataclasses import dataclass
from typing import Protocol

from offchain.chain.model import Block
from offchain.storage.model import Segment
from offchain.storage.ports import GroupView, SeatView, StoredFile


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
    root: bytes
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

    segment: Segment
    path: tuple[bytes, ...]
    frame: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that is mined."""

    transaction: bytes
    block: int
    gas_used: int


class KeeperLedger(Protocol):
    """The chain, as a keeper reads it. Every method raises Unavailable when it does not answer."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def final(self) -> Block:
        """The newest block that no reorganisation takes back."""
        ...

    def groups_of(self, operator: int, *, at: Block) -> tuple[GroupView, ...]:
        """Groups in which the operator holds a seat, is drawn for one, or has just left one."""
        ...

    def files_of(self, group: int, *, at: Block) -> tuple[StoredFile, ...]:
        """Every file that was placed in a group and is not over."""
        ...

    def placed_in(self, group: int, *, at: Block) -> int:
        """How much was ever placed in a group; a successor signs it, so that it misses nothing."""
        ...

    def file(self, file_id: bytes, *, at: Block) -> StoredFile | None:
        """One file, whatever became of it; None when the chain does not know it."""
        ...

    def challenges(self, operator: int, *, at: Block) -> tuple[Challenge, ...]:
        """What the operator's seats have to show and have not shown yet, window still open."""
        ...


class KeeperDesk(Protocol):
    """What a keeper sends with its operator's account; every effect happens once."""

    def prove(self, challenge: Challenge, proof: LeafProof) -> Sent:
        """Show a leaf. Raises: Rejected; Conflict when it was shown already or too late."""
        ...

    def take_over(self, group: int, seat: SeatView, *, placed: int) -> Sent:
        """Sign for a seat as its successor, all its shards held, and begin to serve it.

        `placed`: what `placed_in` said when the shards were counted. Raises: Rejected, Conflict.
        """
        ...

    def declare_loss(self, group: int, seat: int) -> Sent:
        """Give a seat up before a challenge finds it empty: a quarter of the fine."""
        ...


class SegmentBook(Protocol):
    """The segments of the files a node keeps, durable; without them no leaf leads to a root."""

    async def segments(self, root: bytes) -> tuple[Segment, ...] | None:
        """All segments in order, as they were kept under this root; None when they were not."""
        ...

    async def keep(self, root: bytes, segments: tuple[Segment, ...]) -> None:
        """Keep segments that were checked against the root."""
        ...
