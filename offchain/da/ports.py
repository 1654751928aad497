"""What data availability needs from outside: the chain's meaning, a store, a journal, other nodes.

Chain ports are synchronous (use cases call them in a thread), storage and network ports
asynchronous. Every port has two adapters in `adapters/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from offchain.core.bls import Signature
from offchain.core.errors import ApogeeError
from offchain.core.wire import Header, Row
from offchain.da.authenticate import SignedRequest
from offchain.da.duties import BlobTerms, BlobView, Moment
from offchain.da.model import Certificate
from offchain.node.body import Body

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Share:
    """One node's rows of one blob for one seed, checked: the header and the rows frame as sent.

    `rows` are the indices in the frame, in its order; `columns` is its width m; `deadline` is
    until when it is kept without a certificate, should the chain forget the payment. An inherited
    share holds rows of signers that are gone, and stands next to the node's own.
    """

    blob_id: bytes
    seed: bytes
    deadline: int
    columns: int
    rows: tuple[int, ...] = field(repr=False)
    header: Bytes = field(repr=False)
    frame: Bytes = field(repr=False)
    is_inherited: bool = False


@dataclass(frozen=True, slots=True)
class HeldShare:
    """What a store says of one share it holds.

    One whose front cannot be read has no seed, no rows and deadline 0, and waits to be removed with
    its blob.
    """

    blob_id: bytes
    seed: bytes
    deadline: int
    rows: frozenset[int] = field(repr=False)
    size_bytes: int
    is_inherited: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What a node has decided to sign, once for ever for one (blob id, seed).

    `payer` and `reserved_bytes` count against the payer's quota until the blob is confirmed.
    """

    blob_id: bytes
    seed: bytes
    digest: bytes
    epoch: int
    deadline: int
    expiry: int
    payer: bytes
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """A mined transaction: its hash, the gas it used and what it paid, in wei."""

    transaction: bytes
    gas_used: int
    value_wei: int = 0


Outcome = Settlement | ApogeeError  # of one order among several


class BlobLedger(Protocol):
    """What the chain says of blobs. Raises: Unavailable when no node answers."""

    def head(self) -> Moment:
        """The newest block."""
        ...

    def moment(self, block: int) -> Moment:
        """A block's number and time."""
        ...

    def view(self, blob_id: bytes, *, at: int) -> BlobView:
        """The blob and its duties at block `at`. Raises: BlobUnknown."""
        ...

    def domain(self) -> bytes:
        """The EIP-712 domain separator of attestations and of requests to nodes."""
        ...


class Departures(Protocol):
    """Which operators the chain has seen go. Raises: Unavailable when no node answers."""

    def gone(self, operators: Sequence[int], *, at: int) -> frozenset[int]:
        """Those who at block `at` are no members any more: left, evicted, jailed, tombstoned."""
        ...


class BlobTill(Protocol):
    """Money around a blob; each call is idempotent by the blob id and returns once mined."""

    def blob_id(self, terms: BlobTerms) -> bytes:
        """The id these terms have on this chain."""
        ...

    def quote(self, length: int, days: int) -> int:
        """The exact fee in wei at the newest block."""
        ...

    def pay(self, terms: BlobTerms) -> Settlement:
        """Pay the exact fee. Raises: Rejected when the contract refuses."""
        ...

    def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement: ...

    def pay_many(self, orders: Sequence[BlobTerms]) -> Sequence[Outcome]:
        """Pay for up to 8 blobs together; what one is refused stops no other."""
        ...

    def confirm_many(self, orders: Sequence[tuple[BlobTerms, Certificate]]) -> Sequence[Outcome]:
        """Up to 8 certificates in one transaction, each judged alone; the gas is its share."""
        ...

    def refund(self, terms: BlobTerms) -> Settlement:
        """Have the fee credited to the payer after a deadline without certificate."""
        ...


class Court(Protocol):
    """Where evidence is brought; each call returns once mined. Raises: Rejected."""

    def committed_block(self, commitment: bytes) -> int | None:
        """The block a commitment that is still open was mined in."""
        ...

    def commit(self, commitment: bytes) -> Settlement: ...

    def report(self, offence: int, evidence: bytes, salt: bytes) -> tuple[bytes, Settlement]:
        """The offence id, and the transaction that judged it."""
        ...


class RequestSigner(Protocol):
    """The disperser's hot key."""

    @property
    def address(self) -> bytes:
        """The 20 bytes that the signature recovers to."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r || s || v, v 27 or 28, low s."""
        ...


class AttestationSigner(Protocol):
    """The node's BLS key."""

    def sign_attestation(self, digest: bytes) -> Signature: ...


class RowStore(Protocol):
    """Durable shares. What `put` returned from survives a power cut.

    Raises: StoreFull, StoreBroken.
    """

    async def put(self, share: Share) -> None:
        """Keep a share; putting it again changes nothing."""
        ...

    async def held(self) -> Sequence[HeldShare]: ...

    async def rows_held(self, blob_id: bytes) -> frozenset[int]:
        """The rows of one blob that can be served; empty when none."""
        ...

    async def header(self, blob_id: bytes) -> Header:
        """Raises: BlobUnknown, ShareCorrupt."""
        ...

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> list[Row]:
        """These rows in order, each checked against D. Raises: RowNotHeld, ShareCorrupt."""
        ...

    async def drop(self, blob_id: bytes) -> None: ...


class DecisionJournal(Protocol):
    """What this key has decided to sign. Raises: StoreFull, StoreBroken, JournalCorrupt."""

    async def decided(self, blob_id: bytes, seed: bytes) -> Decision | None: ...

    async def record(self, decision: Decision) -> None:
        """Durable on return. Raises: AlreadySigned for another digest of the same pair."""
        ...

    async def decisions(self) -> Sequence[Decision]: ...

    async def forget(self, blob_ids: Sequence[bytes]) -> None:
        """Drop decisions whose evidence window is over for good."""
        ...


class NodeClient(Protocol):
    """Other nodes by endpoint; every answer is bounded in size and time.

    Raises: NodeUnreachable, NodeSlow, NodeRefused, AnswerInvalid.
    """

    async def send_rows(
        self, endpoint: str, blob_id: bytes, request: SignedRequest, body: Body
    ) -> bytes:
        """Deliver header and rows; the node's 96-byte signature."""
        ...

    async def signature(self, endpoint: str, blob_id: bytes) -> bytes:
        """The signature over what the node already holds."""
        ...

    async def have(self, endpoint: str, blob_id: bytes) -> bytes:
        """384-byte bitmap of durable rows."""
        ...

    async def header(self, endpoint: str, blob_id: bytes) -> bytes: ...

    async def rows(
        self, endpoint: str, blob_id: bytes, indices: Sequence[int], *, max_bytes: int
    ) -> bytes:
        """A rows frame, unchecked."""
        ...

    async def leaf(self, endpoint: str, blob_id: bytes, row: int, leaf: int) -> bytes:
        """A leaf frame, unchecked."""
        ...
