"""What a storage node and its callers need from outside: a shard store, other seats, the chain.

Chain ports are synchronous (use cases call them in a thread), storage and network ports
asynchronous. Every port has two adapters in `adapters/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from offchain.chain.model import Block, BlockRef
from offchain.core.bls import PublicKey, Signature
from offchain.core.field import Elements
from offchain.core.merkle import Digests
from offchain.core.wire import Header, Row
from offchain.node.body import Body
from offchain.storage.model import (
    FileShape,
    FileState,
    GroupState,
    Profile,
    SeatState,
    Segment,
)


@dataclass(frozen=True, slots=True, order=True)
class ShardKey:
    """`rows` aligned rows of one matrix, from row `number * rows` on; one file in a store."""

    data_root: bytes
    number: int
    rows: int

    @property
    def first(self) -> int:
        return self.number * self.rows

    def covers(self, first: int, count: int) -> bool:
        """Whether rows first .. first+count-1 all lie in it."""
        return self.first <= first and first + count <= self.first + self.rows


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Aligned rows (a power of two of them) of one matrix, with what leads them to its root.

    `data` has shape (rows, m, 32); `siblings` lead from the run's subtree to its coset root, lowest
    first, and are as many as rows are short of 1,024 in powers of two.
    """

    first: int
    siblings: tuple[bytes, ...]
    coset_roots: tuple[bytes, bytes, bytes]
    data: Elements = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A checked shard on its way into a store: its rows and the header of their matrix.

    `roots` are the roots of its rows when whoever checked it hashed these very bytes.
    """

    key: ShardKey
    header: Header = field(repr=False)
    run: Run = field(repr=False)
    roots: Digests | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HeldShard:
    """What a store says of one shard it holds; `size_bytes` on its medium."""

    key: ShardKey
    columns: int
    size_bytes: int


class ScrubOutcome(Enum):
    """What re-reading a shard found; UNKNOWN is not healthy."""

    SUCCESS = "success"  # every byte is what its root says
    FAILURE = "failure"  # it is not; the shard is quarantined and has to be rebuilt
    OFFLINE = "offline"  # the medium does not answer
    CONTAINED = "contained"  # failed before, quarantined, not rebuilt yet
    UNKNOWN = "unknown"  # anything else


@dataclass(frozen=True, slots=True)
class SeatView:
    """One seat of a group; `successor` 0 when none is drawn. `key` is its operator's BLS key.

    A vacant seat names who lost it. `since`: chain time from which its operator answers for it; of
    a vacant one from which nobody does.
    """

    seat: int
    operator: int
    state: SeatState
    endpoint: str
    key: PublicKey | None = None
    successor: int = 0
    since: int = 0

    @property
    def is_owed(self) -> bool:
        """Whether its operator answers for what the seat keeps."""
        return self.state in {SeatState.SERVING, SeatState.SUSPECT, SeatState.LEAVING}


@dataclass(frozen=True, slots=True)
class GroupView:
    """The seats of one group, in order of their numbers."""

    group: int
    profile: Profile
    state: GroupState
    seats: tuple[SeatView, ...]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One submission as StorageMarket knows it. `group` 0 until it is placed.

    `expiry`: as receipts name it, when the paid term is over, in chain seconds. `keep_until`: from
    when on nobody owes it, grace included; before receipts the last second for them. `absent`:
    seats that had not signed when it was confirmed, a bit each.
    """

    file_id: bytes
    state: FileState
    owner: bytes
    root: bytes
    shape: FileShape
    profile: Profile
    group: int
    expiry: int
    placed_block: int = 0
    keep_until: int = 0
    absent: int = 0

    def is_owed(self, now: int) -> bool:
        """Whether every seat of its group answers for it at this chain time."""
        return self.state is FileState.STORED and now < self.keep_until

    def was_signed_by(self, seat: int) -> bool:
        """Whether a miss of it costs who holds the seat."""
        return not self.absent >> seat & 1


@dataclass(frozen=True, slots=True)
class FileView:
    """A submission and its group, read at one block; `group` None until it is placed."""

    block: Block
    file: StoredFile
    group: GroupView | None


class StorageLedger(Protocol):
    """What the chain says of files and groups. Raises: Unavailable when no node answers."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def view(self, file_id: bytes, *, at: BlockRef) -> FileView:
        """The submission and its group at one block. Raises: SubmissionUnknown."""
        ...

    def group(self, number: int, *, at: BlockRef) -> GroupView:
        """Raises: NotFound."""
        ...

    def free_bytes(self, operator: int, *, at: BlockRef) -> int:
        """Kept bytes that the operator's ask offers in all; 0 without an ask."""
        ...

    def domain(self) -> bytes:
        """The EIP-712 domain separator of receipts."""
        ...


class HeldSigner(Protocol):
    """The node's BLS key."""

    def sign_held(self, digest: bytes) -> Signature: ...


class ShardStore(Protocol):
    """Durable shards, immutable. What `put` returned from survives a power cut.

    What is read was checked against the key's root on this very read; nothing else leaves.
    Raises: StoreFull, StoreBroken, BackendUnreachable.
    """

    async def put(self, shard: Shard) -> None:
        """Keep a shard; putting it again changes nothing, and heals one that has rotted."""
        ...

    async def held(self, data_root: bytes | None = None) -> Sequence[HeldShard]:
        """What can be served, of one matrix or of all; quarantined shards are not in it."""
        ...

    async def run(self, data_root: bytes, first: int, count: int) -> Run:
        """Aligned rows of one shard. Raises: ShardNotHeld, ShardCorrupt."""
        ...

    async def rows(self, data_root: bytes, indices: Sequence[int]) -> list[Row]:
        """These rows in order, with their paths. Raises: ShardNotHeld, ShardCorrupt."""
        ...

    async def header(self, data_root: bytes) -> Header:
        """Raises: ShardNotHeld, ShardCorrupt."""
        ...

    def kept_bytes(self) -> int:
        """Bytes of rows that are held, as terms count them: without headers and hashes."""
        ...

    async def verify(self, key: ShardKey) -> ScrubOutcome:
        """Read a whole shard again; one that does not hold is quarantined and never served."""
        ...

    async def drop(self, key: ShardKey) -> None:
        """Remove a shard, quarantined or not; it is no error when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shard belongs: a submission, one of its segments, a seat of its group."""

    file_id: bytes
    segment: int
    seat: int


class SeatClient(Protocol):
    """Storage nodes by endpoint; every answer is bounded in size and time.

    `run` and `rows` come back in the form of their frames and are *not* checked against the root:
    whoever asks judges them (offchain/storage/judge.py) and blames.
    Raises: SeatUnreachable, SeatSlow, SeatRefused, SeatAnswerInvalid.
    """

    async def put_shard(self, endpoint: str, place: Place, body: Body) -> None:
        """Deliver one shard (offchain/storage/shard_body.py makes the body); durable on return."""
        ...

    async def have(self, endpoint: str, file_id: bytes, seat: int) -> bytes:
        """A bitmap of 128 bytes: bit j (from the top of byte 0) is set when segment j is held."""
        ...

    async def held(self, endpoint: str, file_id: bytes) -> bytes:
        """The 96-byte signature over Held, once every shard of every seat of this node is here."""
        ...

    async def segments(self, endpoint: str, root: bytes, shape: FileShape) -> Sequence[Segment]:
        """All segments of a file, checked against its root."""
        ...

    async def header(self, endpoint: str, data_root: bytes) -> Header:
        """The header of a matrix, well formed; `Segment.is_header` ties it to a file."""
        ...

    async def run(
        self, endpoint: str, data_root: bytes, *, first: int, count: int, columns: int
    ) -> Run:
        """Aligned rows, `columns` wide."""
        ...

    async def rows(
        self, endpoint: str, data_root: bytes, indices: Sequence[int], *, columns: int
    ) -> Sequence[Row]:
        """At most 256 rows with their paths, exactly those asked for."""
        ...

    async def leaf(self, endpoint: str, segment: Segment, *, row: int, leaf: int) -> bytes:
        """A leaf frame (offchain/core/wire.py), unchecked."""
        ...
