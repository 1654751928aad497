"""What a put is made of, as values: rules, parts, what the caller wants, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from offchain.core.erasure import ErasureEngine
from offchain.storage.client_ports import Paid, PutJournal, PutRecord, PutStage, StorageTill
from offchain.storage.deliver_shards import DeliveryRules
from offchain.storage.model import Profile
from offchain.storage.ports import FileView, SeatClient, StorageLedger
from offchain.storage.segment_encoder import Matrix
from offchain.storage.sources import Source


@dataclass(frozen=True, slots=True)
class PutRules:
    """`confirmations`: of the block that named the group before shards are sent; `settled_depth`:
    of the confirmation before the plan is let go, both counting the block itself. `again_seconds`
    between rounds of sending. `threads`: for encoding.
    """

    confirmations: int = 1
    settled_depth: int = 1
    poll_seconds: float = 0.1
    again_seconds: float = 1.0
    threads: int = 1
    delivery: DeliveryRules = field(default_factory=DeliveryRules)


@dataclass(frozen=True, slots=True)
class PutParts:
    """What storing works with; `randomness` gives so many bytes."""

    ledger: StorageLedger
    till: StorageTill
    client: SeatClient
    journal: PutJournal
    engine: ErasureEngine
    randomness: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants: how it is kept, how long, at what most; how its source is found again.

    `nonce`: another one makes another file of the same bytes; drawn when None. `root`: what it must
    come to, where the caller knows; nothing is paid for other bytes.
    """

    profile: Profile
    term_epochs: int
    max_price_wei: int | None = None
    path: str = ""
    seal_head: bytes = field(default=b"", repr=False)
    nonce: int | None = None
    root: bytes | None = None


@dataclass(frozen=True, slots=True)
class PutProgress:
    """Where a put is, for whoever watches; `done` of `total` bytes are where they should be.

    `is_stored`: the newest block has the receipts; a reorganisation may still take them back.
    """

    stage: PutStage
    done: int
    total: int
    seats_held: int = 0
    seats: int = 0
    file_id: bytes = b""
    paid_wei: int = 0
    is_stored: bool = False


Watcher = Callable[[PutProgress], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is stored. Payments are None when an earlier run made them."""

    file_id: bytes
    root: bytes
    view: FileView
    paid: Paid | None = None
    confirmed: Paid | None = None
    absent: frozenset[int] = frozenset()
    failures: dict[int, str] = field(default_factory=dict)
    bytes_sent: int = 0


@dataclass(slots=True, eq=False)
class Planned:
    """A put that is written down. It may hold matrices that others wait for: carry it out."""

    record: PutRecord
    source: Source
    is_resumed: bool = False
    matrices: dict[int, Matrix] = field(default_factory=dict, repr=False)

    def let_go(self) -> None:
        for matrix in self.matrices.values():
            matrix.let_go()
        self.matrices.clear()
