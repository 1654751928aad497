"""What a provider, a buyer and an auditor need from outside: the chain, in two parts; an engine.

Chain ports are synchronous (use cases call them in a thread); the engine's port is in engine.py.
Every port has two adapters in `adapters/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from offchain.chain.model import Block, BlockRef
from offchain.compute.batch import BatchItem, SettleItem
from offchain.compute.model import PriceRow, Service, Verifiability


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a payer has with one provider in one token.

    `spent` and `last_nonce` only grow. `exit_amount`: what is on its way out; the provider takes
    no new request against it.
    """

    balance: int = 0
    spent: int = 0
    last_nonce: int = 0
    exit_amount: int = 0
    exit_at: int = 0
    releases: int = 0

    @property
    def available(self) -> int:
        """What a new request may count on, beyond `spent`."""
        return max(0, self.balance - self.exit_amount)


@dataclass(frozen=True, slots=True)
class Delegate:
    """A key that signs vouchers for a payer; zero provider or service: any.

    Its `spent` counts what was settled by its signature; a revoked one only settles.
    """

    key: bytes
    token: bytes
    cap: int
    spent: int
    expiry: int
    provider: bytes = bytes(20)
    service: bytes = bytes(32)
    is_revoked: bool = False

    def serves(self, provider: bytes, service: bytes, token: bytes) -> bool:
        """Whether it may sign for this service of this provider, in this token."""
        return (
            self.provider in (bytes(20), provider)
            and self.service in (bytes(32), service)
            and self.token == token
        )


class BatchState(IntEnum):
    """How far a posted batch is; numbers are the flag values of ComputeEscrow."""

    NONE = 0
    POSTED = 1
    RELEASED = 2


@dataclass(frozen=True, slots=True)
class PostedBatch:
    """One batch on chain. `held` can still be refunded; nothing is paid before `release_at`."""

    id: int
    provider: bytes
    service: bytes
    token: bytes
    root: bytes
    total: int
    items: int
    posted_block: int
    posted_at: int
    release_at: int
    held: int
    open_cases: int
    state: BatchState


class SkipReason(IntEnum):
    """Why an item was not taken; numbers are the flag values of ComputeEscrow."""

    SIGNATURE = 1
    EXPIRED = 2
    PRICE_ROW = 4
    CLAIM = 8
    NONCE = 16
    LEAVES = 32
    DELEGATE = 64
    BALANCE = 128
    STAKE = 256


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a settlement: the batch (0: no item was taken), and each item's reason.

    `skipped` goes by position among the items presented; the others were taken, in order.
    """

    batch: int
    skipped: Mapping[int, SkipReason]


class ServiceLedger(Protocol):
    """What the chain says of services, at one block. Raises: Unavailable when no node answers."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def service(self, service: bytes, *, at: BlockRef) -> Service:
        """Raises: ServiceUnknown."""
        ...

    def services(self, *, at: BlockRef) -> Sequence[Service]:
        """All that were ever registered, in their order."""
        ...

    def price_row(self, service: bytes, version: int, *, at: BlockRef) -> PriceRow:
        """Raises: PriceUnknown."""
        ...

    def signer_at(self, service: bytes, time: int, *, at: BlockRef) -> bytes:
        """Whose receipts count at this chain time."""
        ...

    def is_serving(self, service: bytes, *, at: BlockRef) -> bool:
        """Whether vouchers signed now count: ACTIVE, with its stake."""
        ...

    def verifiability_of(self, service: bytes, *, at: BlockRef) -> Verifiability:
        """Its level, from live evidence."""
        ...


class EscrowLedger(Protocol):
    """What the chain says of money, at one block. Raises: Unavailable when no node answers."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def domain(self) -> bytes:
        """The EIP-712 domain separator of vouchers and receipts."""
        ...

    def price_grace_seconds(self) -> int:
        """How long a retired row stays payable."""
        ...

    def bucket(self, payer: bytes, provider: bytes, token: bytes, *, at: BlockRef) -> Bucket:
        """An empty one when nothing was ever put in."""
        ...

    def delegate(self, payer: bytes, key: bytes, *, at: BlockRef) -> Delegate | None:
        """None when this key may not sign for the payer."""
        ...

    def room(self, provider: bytes, token: bytes, *, at: BlockRef) -> int:
        """How much more of a token the provider's stake lets him hold."""
        ...

    def takes_signature(
        self, payer: bytes, digest: bytes, signature: bytes, *, at: BlockRef
    ) -> bool:
        """Whether a payer that is a contract takes this signature (ERC-1271)."""
        ...

    def batch(self, batch: int, *, at: BlockRef) -> PostedBatch:
        """One with state NONE when there is none."""
        ...


class SettleDesk(Protocol):
    """Where a provider presents what he earned; blocks until it is in the chain."""

    def settle(
        self, service: bytes, token: bytes, items: Sequence[SettleItem], root: bytes
    ) -> Settlement:
        """Present items; `root` is their file's. The same items and root are sent once.

        Raises: Rejected when the escrow refuses as a whole, Unavailable when no node answers.
        """
        ...

    def find(self, items: Sequence[BatchItem], root: bytes) -> Settlement | None:
        """What became of a file that was presented earlier; None when it is not on chain."""
        ...
