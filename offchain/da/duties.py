"""Who answers for which row of a paid blob, as one named block shows it; pure.

A `BlobView` is everything a node, a disperser or a reader needs to judge one blob, read at one
block, so that no decision mixes two states of the chain. Source: docs/protocol/da.md#assignment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from offchain.core.bls import PublicKey
from offchain.core.hashing import keccak
from offchain.core.layout import N, Shape
from offchain.core.units import Seconds
from offchain.core.wire import Header
from offchain.da.model import AbsentSigner, Attestation, Blob, BlobState
from offchain.da.quorums import Assignment, Signer

BITMAP_BYTES = N // 8


@dataclass(frozen=True, slots=True)
class Moment:
    """One block: its number and its timestamp in seconds."""

    block: int
    time: int


@dataclass(frozen=True, slots=True)
class BlobTerms:
    """What is paid for; the blob id is the hash of exactly these and the contract.

    Addresses are 20 bytes, `days` whole days of retention, `salt` 32 bytes of the caller's choice.
    """

    payer: bytes
    disperser: bytes
    data_root: bytes
    commitment: bytes
    shape: Shape
    days: int
    salt: bytes

    def blob(self) -> Blob:
        """The terms as the contract takes them."""
        return Blob(
            payer=self.payer,
            disperser=self.disperser,
            data_root=self.data_root,
            commitment_hash=keccak(self.commitment),
            columns=self.shape.columns,
            length=self.shape.length,
            retention_days=self.days,
            salt=self.salt,
        )


@dataclass(frozen=True, slots=True)
class PaidBlob:
    """A paid blob as the contract knows it; times in chain seconds, addresses 20 bytes."""

    blob_id: bytes
    state: BlobState
    payer: bytes
    disperser: bytes
    data_root: bytes
    commitment: bytes
    shape: Shape
    paid_block: int
    deadline: int
    expiry: int

    def is_header(self, header: Header) -> bool:
        """Whether a header states what was paid for."""
        return (
            header.data_root == self.data_root
            and header.commitment == self.commitment
            and header.shape == self.shape
        )


@dataclass(frozen=True, slots=True)
class Duty:
    """One signer of a blob's quorum: its place and slots in the table, key and rows, sorted."""

    index: int
    operator: int
    endpoint: str
    key: PublicKey
    slots: tuple[int, int]
    rows: tuple[int, ...] = field(repr=False)

    def absent(self) -> AbsentSigner:
        """The entry in a certificate that this signer did not sign."""
        return AbsentSigner(self.index, *self.slots, self.key)


@dataclass(frozen=True, slots=True)
class Duties:
    """The quorum of one blob; `confirm_slices` rows must be signed for a certificate."""

    epoch: int
    quorum_id: int
    seed: bytes
    confirm_slices: int
    members: tuple[Duty, ...] = field(repr=False)

    def of(self, operator: int) -> Duty | None:
        """The duty of one operator, or None when it has no row of this blob."""
        return next((duty for duty in self.members if duty.operator == operator), None)

    def is_same_work(self, other: "Duties | None") -> bool:
        """Whether both give the same rows to the same signers, wherever their nodes answer now.

        An operator moves its endpoint at will, and must not end others' work by doing so.
        """
        return other is not None and _work_of(self) == _work_of(other)

    def owners(self) -> dict[int, Duty]:
        """The owner of every row."""
        return {row: duty for duty in self.members for row in duty.rows}

    def slices(self, operators: set[int]) -> int:
        """How many slices these operators carry together."""
        return sum(len(duty.rows) for duty in self.members if duty.operator in operators)


@dataclass(frozen=True, slots=True)
class BlobView:
    """One blob at one block; `duties` is None until the block after the payment exists."""

    moment: Moment
    record: PaidBlob
    duties: Duties | None

    @property
    def seed_depth(self) -> int:
        """Blocks on top of the block that seeds the duties, itself counted; <= 0 before it."""
        return self.moment.block - self.record.paid_block

    def attestation(self) -> Attestation:
        """What a signer of this blob signs. Only a view with duties has one."""
        assert self.duties is not None
        return Attestation(
            blob_id=self.record.blob_id,
            epoch=self.duties.epoch,
            quorum_id=self.duties.quorum_id,
            seed=self.duties.seed,
            data_root=self.record.data_root,
            commitment_hash=keccak(self.record.commitment),
            columns=self.record.shape.columns,
            length=self.record.shape.length,
            expiry=Seconds(self.record.expiry),
        )


def duties_of(
    epoch: int,
    seed: bytes,
    assignment: Assignment,
    seats: Sequence[tuple[Signer, PublicKey, str]],
    confirm_slices: int,
) -> Duties:
    """The duties of a blob from its quorum's signers in table order, with keys and endpoints."""
    members = tuple(
        Duty(
            index=index,
            operator=signer.operator_id,
            endpoint=endpoint,
            key=key,
            slots=(signer.first_slot, signer.end_slot),
            rows=assignment.rows_of(signer),
        )
        for index, (signer, key, endpoint) in enumerate(seats)
    )
    return Duties(epoch, assignment.quorum_id, seed, confirm_slices, members)


def _work_of(duties: Duties) -> tuple[object, ...]:
    signers = tuple((duty.index, duty.operator, duty.slots) for duty in duties.members)
    return duties.epoch, duties.quorum_id, duties.seed, duties.confirm_slices, signers


def bitmap_of(rows: frozenset[int] | set[int] | tuple[int, ...]) -> bytes:
    """384 bytes, bit `row % 8` of byte `row // 8` (lowest first) set for every row."""
    bits = bytearray(BITMAP_BYTES)
    for row in rows:
        bits[row >> 3] |= 1 << (row & 7)
    return bytes(bits)


def rows_in_bitmap(bitmap: bytes) -> frozenset[int]:
    """The rows whose bit is set."""
    return frozenset(
        position * 8 + bit
        for position, byte in enumerate(bitmap)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    )
