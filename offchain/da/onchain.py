"""Clients of DASigners and DAEntrance, and the events they write.

Method and field names are the contracts'; addresses are 20 raw bytes, amounts wei, times seconds.
Source: docs/protocol/da.md#life-of-a-blob.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber, Wei
from offchain.da import reverts
from offchain.da.model import (
    MAX_ABSENT,
    AbsentBits,
    Blob,
    BlobState,
    Certificate,
    Record,
    Terms,
    Windows,
)
from offchain.da.quorums import Page, Signer
from offchain.da.refusals import BlobUnknown


@dataclass(frozen=True, slots=True)
class EpochTable:
    """Which table serves an epoch; all zero until it is opened."""

    table: int
    drawn_epoch: int
    quorum_count: int
    seed: bytes


@dataclass(frozen=True, slots=True)
class QuorumSummary:
    """How many signers a quorum has, and the sum of their keys in EIP-2537 form."""

    signers: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Joined:
    operator_id: int
    epoch: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class Left:
    operator_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class EpochOpened:
    epoch: int
    table: int
    seed: bytes
    is_carried: bool


@dataclass(frozen=True, slots=True)
class BlobPaid:
    """Everything a node must know of a blob, the 48 bytes of C included."""

    blob_id: bytes
    payer: bytes
    disperser: bytes
    data_root: bytes
    commitment: bytes
    columns: int
    length: int
    retention_days: int
    salt: bytes
    epoch: int
    fee: Wei

    def blob(self) -> Blob:
        """The blob as the contracts take it."""
        return Blob(
            payer=self.payer,
            disperser=self.disperser,
            data_root=self.data_root,
            commitment_hash=keccak(self.commitment),
            columns=self.columns,
            length=self.length,
            retention_days=self.retention_days,
            salt=self.salt,
        )


@dataclass(frozen=True, slots=True)
class BlobConfirmed:
    blob_id: bytes
    epoch: int
    quorum_id: int
    seed: bytes
    slices: int
    operators: int
    absent: AbsentBits


@dataclass(frozen=True, slots=True)
class BlobVoided:
    """`fee` was given back to the payer; 0 when it had been earned."""

    blob_id: bytes
    payer: bytes
    fee: Wei


@dataclass(frozen=True, slots=True)
class Rewarded:
    to: bytes
    amount: Wei


@dataclass(frozen=True, slots=True)
class BlobRefunded:
    blob_id: bytes
    payer: bytes
    fee: Wei


@dataclass(frozen=True, slots=True)
class CertificateRejected:
    """`reason` is the revert's text, zero-padded to 32 bytes."""

    blob_id: bytes
    reason: bytes

    @property
    def text(self) -> str:
        return self.reason.rstrip(b"\0").decode(errors="replace")


class DASignersClient(ContractClient):
    """Members, tables and assignments."""

    contract = "DASigners"
    reverts = reverts.SIGNERS

    def serving_epoch(self, *, at: BlockRef) -> int:
        """The epoch whose table a payment would use. Raises: EpochNotDrawn."""
        return self._read(int, "serving_epoch", at=at)

    def seed(self, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "seed", epoch, at=at)

    def epoch_table(self, epoch: int, *, at: BlockRef) -> EpochTable:
        return self._read(EpochTable, "epoch_table", epoch, at=at)

    def quorum(self, epoch: int, quorum_id: int, *, at: BlockRef) -> QuorumSummary:
        return self._read(QuorumSummary, "quorum", epoch, quorum_id, at=at)

    def signer_at(self, epoch: int, quorum_id: int, index: int, *, at: BlockRef) -> Signer:
        return self._read(Signer, "signer_at", epoch, quorum_id, index, at=at)

    def signers_of(self, epoch: int, quorum_id: int, *, at: BlockRef) -> tuple[Signer, ...]:
        """Every signer of a quorum in the table's order: two round trips."""
        count = self.quorum(epoch, quorum_id, at=at).signers
        places = [(epoch, quorum_id, index) for index in range(count)]
        return tuple(self._read_many(Signer, "signer_at", places, at=at))

    def blob_seed(self, epoch: int, blob_id: bytes, entropy: bytes, *, at: BlockRef) -> bytes:
        return self._read(bytes, "blob_seed", epoch, blob_id, entropy, at=at)

    def owner_of_row(self, epoch: int, seed: bytes, row: int, *, at: BlockRef) -> int:
        return self._read(int, "owner_of_row", epoch, seed, row, at=at)

    def signing_owner(
        self, epoch: int, seed: bytes, row: int, absent: AbsentBits, *, at: BlockRef
    ) -> int:
        """The operator that answers for a row and has signed; 0 when it was absent."""
        return self._read(int, "signing_owner", epoch, seed, row, list(absent), at=at)

    def is_member(self, operator_id: int, *, at: BlockRef) -> bool:
        return self._read(bool, "is_member", operator_id, at=at)

    def were_members(
        self, operator_ids: Sequence[int], epoch: int, *, at: BlockRef
    ) -> tuple[int, ...]:
        """Those of the operators that are members of an epoch's draw."""
        answers = self._read_many(
            bool, "was_member", [(operator_id, epoch) for operator_id in operator_ids], at=at
        )
        return tuple(one for one, member in zip(operator_ids, answers, strict=True) if member)

    def member_count(self, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "member_count", epoch, at=at)

    def endpoint(self, operator_id: int, *, at: BlockRef) -> str:
        return self._read(str, "endpoint", operator_id, at=at)

    def endpoints(self, operator_ids: Sequence[int], *, at: BlockRef) -> list[str]:
        """Endpoints of many operators in one round trip."""
        return self._read_many(str, "endpoint", [(one,) for one in operator_ids], at=at)

    def join(self, endpoint: str) -> TypedCall:
        return self._build("join", endpoint)

    def update_endpoint(self, endpoint: str) -> TypedCall:
        return self._build("update_endpoint", endpoint)

    def leave(self) -> TypedCall:
        return self._build("leave")

    def evict(self, operator_id: int) -> TypedCall:
        return self._build("evict", operator_id)

    def draw(self, epoch: int, page: Page) -> TypedCall:
        """One page of the current epoch's table."""
        return self._build("draw", epoch, page.position, page.total_weight, list(page.operator_ids))

    def open_epoch(self) -> TypedCall:
        return self._build("open_epoch")


class DAEntranceClient(ContractClient):
    """Payments, certificates, refunds and what is owed to whom."""

    contract = "DAEntrance"
    reverts = reverts.ENTRANCE

    def quote(self, length: int, retention_days: int, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "quote", length, retention_days, at=at))

    def blob_id(self, blob: Blob, *, at: BlockRef) -> bytes:
        return self._read(bytes, "blob_id", blob, at=at)

    def record(self, blob_id: bytes, *, at: BlockRef) -> Record:
        return self._read(Record, "record", blob_id, at=at)

    def is_available(self, blob_id: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_available", blob_id, at=at)

    def payment_of(self, blob_id: bytes, *, at: BlockRef) -> BlobPaid:
        """The event of a blob's payment, from the block its record names. Raises: BlobUnknown."""
        record = self.record(blob_id, at=at)
        if record.state is BlobState.NONE:
            raise BlobUnknown(blob_id=blob_id.hex())
        block = BlockNumber(record.paid_block)
        wanted = self.event_filter(
            BlobPaid, first_block=block, last_block=block, indexed={"blob_id": blob_id}
        )
        found = self.events_in(BlobPaid, self._reader.logs(wanted))
        if not found:
            raise BlobUnknown(blob_id=blob_id.hex(), block=block)
        return found[-1]

    def dispersal_digest(self, blob_id: bytes, *, at: BlockRef) -> bytes:
        return self._read(bytes, "dispersal_digest", blob_id, at=at)

    def domain_separator(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "domain_separator", at=at)

    def terms(self, *, at: BlockRef) -> Terms:
        return self._read(Terms, "terms", at=at)

    def windows(self, *, at: BlockRef) -> Windows:
        return self._read(Windows, "windows", at=at)

    def is_paused(self, *, at: BlockRef) -> bool:
        return self._read(bool, "is_paused", at=at)

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def held(self, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "held", at=at))

    def reward_pool(self, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "reward_pool", at=at))

    def pay(
        self, blob: Blob, commitment: bytes, authorisation: bytes, *, value_wei: int
    ) -> TypedCall:
        """`authorisation` is empty when the payer belongs to the disperser's operator."""
        return self._build("pay", blob, commitment, authorisation, value_wei=value_wei)

    def challenges(self, *, at: BlockRef) -> bytes:
        """Who may void blobs; the zero address until wired."""
        return self._read(bytes, "challenges", at=at)

    def sampling(self, *, at: BlockRef) -> bytes:
        """Who may pay out of the pool; the zero address until wired."""
        return self._read(bytes, "sampling", at=at)

    def confirm(self, blob: Blob, certificate: Certificate) -> TypedCall:
        """Any number of absent signers: a long list takes `confirm_wide`."""
        name = "confirm" if len(certificate.absent) <= MAX_ABSENT else "confirm_wide"
        return self._build(
            name, blob, certificate.encoded_absent(), certificate.signature.eip2537()
        )

    def confirm_many(self, confirmations: Sequence[tuple[Blob, Certificate]]) -> TypedCall:
        """At most 8 certificates of at most 64 absent signers each, judged one by one."""
        return self._build(
            "confirm_many",
            [
                (blob, certificate.encoded_absent(), certificate.signature.eip2537())
                for blob, certificate in confirmations
            ],
        )

    def refund(self, blob: Blob) -> TypedCall:
        return self._build("refund", blob)

    def collect(self) -> TypedCall:
        return self._build("collect")

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)

    def wire(self, challenges: bytes, sampling: bytes) -> TypedCall:
        """By governance, once."""
        return self._build("wire", challenges, sampling)

    def set_terms(self, terms: Terms) -> TypedCall:
        return self._build("set_terms", terms)

    def set_paused(self, *, is_paused: bool) -> TypedCall:
        return self._build("set_paused", is_paused)
