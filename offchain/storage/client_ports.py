"""What the client of storage needs beside the chain's state and the seats.

A till and an index of the log, a journal of what is being stored, a keystore.

The till sends transactions and returns when they are mined; each effect happens once however often
it is asked for. Source: docs/protocol/storage.md#client.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from offchain.chain.model import BlockRef
from offchain.core.bls import PublicKey, Signature
from offchain.storage.model import FileShape, Profile, Segment
from offchain.storage.ports import StoredFile


@dataclass(frozen=True, slots=True)
class Order:
    """What is paid for: with its owner, `root` and `nonce` are the id, whatever else changes."""

    root: bytes
    nonce: int
    shape: FileShape
    profile: Profile
    term_epochs: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a file costs in the dearest open group that is not above the limit.

    `cost_wei` at the prices of now; `deposit_wei` the most it can cost, grace included; what is not
    used comes back. `groups`: how many may take it.
    """

    kept_bytes: int
    cost_wei: int
    deposit_wei: int
    groups: int


@dataclass(frozen=True, slots=True)
class Paid:
    """A mined transaction: what it moved and used."""

    transaction: bytes
    gas_used: int
    value_wei: int = 0


@dataclass(frozen=True, slots=True)
class Quorum:
    """The receipts of a group: which seats are missing, and the sum of the others' signatures.

    `absent_keys`: their operators' keys, seats rising. Vacant seats are not named.
    """

    group: int
    absent: frozenset[int]
    absent_keys: tuple[PublicKey, ...]
    signature: Signature = field(repr=False)

    @property
    def absent_bits(self) -> int:
        return sum(1 << seat for seat in self.absent)


class StorageTill(Protocol):
    """Money and state changes, by this client's account. Blocking.

    Raises: Unavailable; Rejected and Conflict with the contract's reason.
    """

    @property
    def owner(self) -> bytes:
        """20 bytes: who owns what is submitted here."""
        ...

    def file_id(self, root: bytes, nonce: int) -> bytes:
        """The id before anything is paid."""
        ...

    def quote(self, length: int, profile: Profile, term_epochs: int) -> Quote:
        """Raises: NoGroup when no group of the profile takes files of that term."""
        ...

    def submit(self, order: Order, *, max_cost_wei: int) -> Paid:
        """Pay once; the value comes back when the id is known."""
        ...

    def place(self, file_id: bytes) -> Paid:
        """Let the chain say which group keeps it. Raises: Conflict before its block is there."""
        ...

    def confirm(self, file_id: bytes, quorum: Quorum) -> Paid: ...

    def refund(self, file_id: bytes) -> Paid:
        """Have a file that was not stored in time paid back."""
        ...


class TermTill(Protocol):
    """What becomes of a file's term, by this client's account; raises as `StorageTill`."""

    def release(self, file_id: bytes) -> Paid:
        """End a file's term; the rest comes back."""
        ...

    def renewal_price(self, file_id: bytes, epochs: int) -> int:
        """The most that so many more epochs cost."""
        ...

    def renew(self, file_id: bytes, epochs: int, *, value_wei: int) -> Paid: ...


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """Whoever comes may renew a file by so many epochs out of these funds, for a tip.

    `limit_wei`: the most that one of the epochs may cost at the prices of the day.
    """

    epochs: int
    limit_wei: int
    tip_wei: int
    funds_wei: int


class OrderTill(Protocol):
    """Standing orders of files that this client's account owns; raises as `StorageTill`."""

    def order(self, file_id: bytes) -> StandingOrder | None:
        """What stands now."""
        ...

    def set_order(self, file_id: bytes, order: StandingOrder) -> Paid:
        """Let this stand, with at least these funds; what stands already is not paid again."""
        ...

    def end_order(self, file_id: bytes) -> Paid:
        """End it and take back what it held; `value_wei` is what came back."""
        ...


class StorageIndex(Protocol):
    """What the log says of all files. Blocking. Raises: Unavailable."""

    def ids_of_root(self, root: bytes, *, at: BlockRef) -> Sequence[bytes]:
        """Every submission with this root, newest first."""
        ...

    def files_of(self, owner: bytes, *, at: BlockRef) -> Sequence[StoredFile]:
        """Every submission of an owner, oldest first."""
        ...


class PutStage(Enum):
    """How far a put has come, as its journal last knew; the chain knows better."""

    PLANNED = "planned"
    PAID = "paid"
    PLACED = "placed"
    HELD = "held"
    STORED = "stored"
    OVER = "over"

    @property
    def is_final(self) -> bool:
        return self in {PutStage.STORED, PutStage.OVER}


@dataclass(frozen=True, slots=True)
class PutRecord:
    """One put: durable before money moves, so that it is never paid twice.

    `marks`: of the bytes of each segment, compared before they are sent. `path` and `seal_head`
    say how to read the source again; the key of a sealed one is in the keystore.
    """

    file_id: bytes
    order: Order
    segments: tuple[Segment, ...] = field(repr=False)
    marks: tuple[bytes, ...] = field(repr=False)
    max_price_wei: int | None
    path: str = ""
    seal_head: bytes = field(default=b"", repr=False)
    stage: PutStage = PutStage.PLANNED


@dataclass(frozen=True, slots=True)
class SegmentTrace:
    """What encoding a segment found, 131 KB; with it its rows are made again without hashing."""

    header: bytes = field(repr=False)
    row_roots: bytes = field(repr=False)


class PutJournal(Protocol):
    """What this client is storing. What a method returned from survives a power cut.

    Raises: StoreFull, StoreBroken, JournalCorrupt.
    """

    async def trace(self, draft: str, index: int, trace: SegmentTrace) -> None:
        """Keep what encoding segment `index` of a plan in the making found; not durable yet."""
        ...

    async def plan(self, record: PutRecord, draft: str) -> None:
        """Write a plan down with the traces of its draft."""
        ...

    async def load(self, file_id: bytes) -> PutRecord | None: ...

    async def trace_of(self, file_id: bytes, index: int) -> SegmentTrace: ...

    async def advance(self, file_id: bytes, stage: PutStage) -> None:
        """Note a stage; a final one lets go of the traces."""
        ...

    async def records(self) -> Sequence[PutRecord]:
        """All plans, open and done."""
        ...


class FileKeys(Protocol):
    """The client's keystore for files: keys of what it sealed, and its own reading keys."""

    def keep(self, key_id: bytes, key: bytes) -> None:
        """Durable on return."""
        ...

    def find(self, key_id: bytes) -> bytes | None: ...

    def reading_secrets(self) -> Sequence[bytes]:
        """X25519 secrets to which others may have wrapped keys."""
        ...
