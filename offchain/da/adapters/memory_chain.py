"""A chain in this process's memory that keeps the rules a blob lives by: pay, confirm, refund.

The second adapter of `BlobLedger` and `BlobTill`: real ids, seeds, owners, digests and pairing
checks, blocks that exist when `mine` says so, forks with `rewind`. It counts fees instead of moving
coins and knows no stake. Source: docs/protocol/da.md#life-of-a-blob.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Final

from offchain.core.bls import PublicKey, aggregate_keys, verify
from offchain.core.hashing import keccak
from offchain.core.layout import STEP_PAYLOAD_BYTES
from offchain.da.duties import (
    BlobTerms,
    BlobView,
    Duties,
    Moment,
    PaidBlob,
    duties_of,
)
from offchain.da.model import (
    BlobState,
    Certificate,
    attestation_digest,
    blob_id,
    domain_separator,
)
from offchain.da.ports import Outcome, Settlement
from offchain.da.quorums import Member, assign, blob_seed, draw_table
from offchain.da.refusals import BlobUnknown
from offchain.da.reverts import (
    AlreadyPaid,
    CertificateInvalid,
    CertificateLate,
    NotPaid,
    RefundEarly,
    SeedNotReady,
)
from offchain.da.till_desk import one_by_one

GENESIS_TIME: Final = 1_700_000_000
ENTRANCE: Final = keccak(b"memory chain DAEntrance")[12:]
EPOCH: Final = 1
EPOCH_SEED: Final = keccak(b"memory chain epoch seed")


@dataclass(frozen=True, slots=True)
class MemoryMember:
    """One signer: operator id, endpoint, key, weight."""

    operator: int
    endpoint: str
    key: PublicKey
    weight: int = 1


@dataclass(frozen=True, slots=True)
class ChainRules:
    """Seconds per block, per day and from payment to deadline; price in wei per byte and day;
    slices a certificate needs; blocks mined after each transaction by themselves.
    """

    chain_id: int = 31_337
    block_seconds: int = 1
    day_seconds: int = 86_400
    confirm_seconds: int = 900
    price_wei: int = 10
    confirm_slices: int = 2_048
    blocks_after: int = 1


@dataclass(frozen=True, slots=True)
class _Block:
    time: int
    digest: bytes
    blobs: dict[bytes, PaidBlob] = field(repr=False)


class MemoryChain:
    """Blocks, each with all blobs as they stood in it; safe to call from several threads."""

    def __init__(self, members: Sequence[MemoryMember], rules: ChainRules = ChainRules()) -> None:
        self.members = tuple(members)
        self.rules = rules
        self._blocks = [_Block(GENESIS_TIME, keccak(b"genesis"), {})]
        self._forks = 0
        drawn = [Member(m.operator, m.weight, m.key) for m in self.members]
        self._table = draw_table(drawn, EPOCH_SEED)
        self._lock = RLock()
        self.payments = 0
        self.fees_wei = 0

    # --- time

    def mine(self, blocks: int = 1, *, seconds: int | None = None) -> None:
        """Add empty blocks; `seconds` is the step of each."""
        with self._lock:
            for _ in range(blocks):
                self._append(dict(self._blocks[-1].blobs), seconds)

    def rewind(self, block: int) -> None:
        """A reorg: forget every block above `block`; what is mined next has other hashes."""
        with self._lock:
            del self._blocks[block + 1 :]
            self._forks += 1

    # --- BlobLedger

    def head(self) -> Moment:
        return self.moment(len(self._blocks) - 1)

    def moment(self, block: int) -> Moment:
        return Moment(block, self._blocks[block].time)

    def view(self, blob_id: bytes, *, at: int) -> BlobView:
        with self._lock:
            record = self._blocks[at].blobs.get(blob_id)
            if record is None:
                raise BlobUnknown(blob_id=blob_id.hex(), block=at)
            duties = None
            if at > record.paid_block:
                duties = self._duties(blob_id, self._blocks[record.paid_block + 1].digest)
            return BlobView(self.moment(at), record, duties)

    def domain(self) -> bytes:
        return domain_separator(chain_id=self.rules.chain_id, entrance=ENTRANCE)

    # --- BlobTill

    def blob_id(self, terms: BlobTerms) -> bytes:
        return blob_id(terms.blob(), chain_id=self.rules.chain_id, entrance=ENTRANCE)

    def quote(self, length: int, days: int) -> int:
        return max(length, STEP_PAYLOAD_BYTES) * self.rules.price_wei * days

    def pay(self, terms: BlobTerms) -> Settlement:
        with self._lock:
            blob_id = self.blob_id(terms)
            blobs = dict(self._blocks[-1].blobs)
            if blob_id in blobs:
                raise AlreadyPaid(blob_id=blob_id.hex())
            fee = self.quote(terms.shape.length, terms.days)
            time = self._blocks[-1].time + self.rules.block_seconds
            blobs[blob_id] = PaidBlob(
                blob_id=blob_id,
                state=BlobState.PAID,
                payer=terms.payer,
                disperser=terms.disperser,
                data_root=terms.data_root,
                commitment=terms.commitment,
                shape=terms.shape,
                paid_block=len(self._blocks),
                deadline=time + self.rules.confirm_seconds,
                expiry=time + terms.days * self.rules.day_seconds,
            )
            self.payments += 1
            self.fees_wei += fee
            return self._settle(blobs, fee)

    def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement:
        with self._lock:
            blob_id = self.blob_id(terms)
            view = self.view(blob_id, at=len(self._blocks) - 1)
            if view.record.state is not BlobState.PAID:
                raise NotPaid(state=view.record.state.name)
            if view.moment.time + self.rules.block_seconds > view.record.deadline:
                raise CertificateLate(deadline=view.record.deadline)
            self._require_certificate(view, certificate)
            return self._settle(self._changed(view.record, BlobState.CONFIRMED))

    def pay_many(self, orders: Sequence[BlobTerms]) -> list[Outcome]:
        return one_by_one(self.pay, orders)

    def confirm_many(self, orders: Sequence[tuple[BlobTerms, Certificate]]) -> list[Outcome]:
        return one_by_one(lambda order: self.confirm(*order), orders)

    def refund(self, terms: BlobTerms) -> Settlement:
        with self._lock:
            view = self.view(self.blob_id(terms), at=len(self._blocks) - 1)
            if view.record.state is not BlobState.PAID:
                raise NotPaid(state=view.record.state.name)
            if view.moment.time <= view.record.deadline:
                raise RefundEarly(deadline=view.record.deadline)
            fee = self.quote(terms.shape.length, terms.days)
            return self._settle(self._changed(view.record, BlobState.REFUNDED), fee)

    def void(self, blob_id: bytes) -> None:
        """What a proven bad row does."""
        with self._lock:
            record = self.view(blob_id, at=len(self._blocks) - 1).record
            self._settle(self._changed(record, BlobState.VOID))

    def _require_certificate(self, view: BlobView, certificate: Certificate) -> None:
        duties = view.duties
        if duties is None:
            raise SeedNotReady(block=view.moment.block)
        absent = [signer.index for signer in certificate.absent]
        if absent != sorted(set(absent)) or any(i >= len(duties.members) for i in absent):
            raise CertificateInvalid(reason="absent not rising")
        present = [duty for duty in duties.members if duty.index not in absent]
        if sum(len(duty.rows) for duty in present) < duties.confirm_slices:
            raise CertificateInvalid(reason="too few slices")
        key = aggregate_keys([duty.key for duty in present])
        if not verify(
            key, attestation_digest(view.attestation(), self.domain()), certificate.signature
        ):
            raise CertificateInvalid(reason="wrong signature")

    def _changed(self, record: PaidBlob, standing: BlobState) -> dict[bytes, PaidBlob]:
        return {**self._blocks[-1].blobs, record.blob_id: replace(record, state=standing)}

    def _settle(self, blobs: dict[bytes, PaidBlob], value_wei: int = 0) -> Settlement:
        self._append(blobs, None)
        transaction = keccak(b"transaction", self._blocks[-1].digest)
        self.mine(self.rules.blocks_after)
        return Settlement(transaction, 0, value_wei)

    def _append(self, blobs: dict[bytes, PaidBlob], seconds: int | None) -> None:
        step = self.rules.block_seconds if seconds is None else seconds
        above = self._blocks[-1]
        digest = keccak(above.digest, self._forks.to_bytes(8, "big"))
        self._blocks.append(_Block(above.time + step, digest, blobs))

    def _duties(self, blob_id: bytes, block_hash: bytes) -> Duties:
        seed = blob_seed(EPOCH_SEED, blob_id, block_hash)
        assignment = assign(seed, len(self._table.quorums))
        quorum = self._table.quorums[assignment.quorum_id]
        by_id = {member.operator: member for member in self.members}
        seats = [
            (signer, by_id[signer.operator_id].key, by_id[signer.operator_id].endpoint)
            for signer in quorum.signers
        ]
        return duties_of(EPOCH, seed, assignment, seats, self.rules.confirm_slices)
