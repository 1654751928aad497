"""A chain in this process's memory that keeps the rules a blob lives by: pay, confirm, refund.

The second adapter of `BlobLedger` and `BlobTill`: real ids, seeds, owners, digests and pairing
checks, blocks that exist when `mine` says so, forks with `rewind`. It counts fees instead of moving
coins and knows no stake. Source: docs/protocol/da.md#life-of-a-blob.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from threading import RLock
from typing import Final

from offchain.core.bls import PublicKey, aggregate_keys, verify
from offchain.core.errors import Rejected
from offchain.core.hashing import TAG_BLOB, TAG_DA_ASSIGN, keccak
from offchain.core.layout import STEP_PAYLOAD_BYTES, N
from offchain.da.duties import (
    BlobRecord,
    BlobStanding,
    BlobTerms,
    BlobView,
    Duties,
    Duty,
    Moment,
)
from offchain.da.ports import Certificate, Settlement
from offchain.da.refusals import BlobUnknown

GENESIS_TIME: Final = 1_700_000_000
ENTRANCE: Final = keccak(b"memory chain DAEntrance")[12:]


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
    blobs: dict[bytes, BlobRecord] = field(repr=False)


class MemoryChain:
    """Blocks, each with all blobs as they stood in it; safe to call from several threads."""

    def __init__(self, members: Sequence[MemoryMember], rules: ChainRules = ChainRules()) -> None:
        self.members = tuple(members)
        self.rules = rules
        self._blocks = [_Block(GENESIS_TIME, keccak(b"genesis"), {})]
        self._forks = 0
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

    def attestation_digest(self, view: BlobView) -> bytes:
        assert view.duties is not None
        return _attestation_digest(self.request_domain(), view.record, view.duties)

    def request_domain(self) -> bytes:
        return _domain(self.rules.chain_id, ENTRANCE)

    # --- BlobTill

    def blob_id(self, terms: BlobTerms) -> bytes:
        return _blob_id(self.rules.chain_id, ENTRANCE, terms)

    def quote(self, length: int, days: int) -> int:
        return max(length, STEP_PAYLOAD_BYTES) * self.rules.price_wei * days

    def pay(self, terms: BlobTerms) -> Settlement:
        with self._lock:
            blob_id = self.blob_id(terms)
            blobs = dict(self._blocks[-1].blobs)
            if blob_id in blobs:
                raise Rejected("da_entrance: already paid")
            fee = self.quote(terms.shape.length, terms.days)
            time = self._blocks[-1].time + self.rules.block_seconds
            blobs[blob_id] = BlobRecord(
                blob_id=blob_id,
                standing=BlobStanding.PAID,
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
            if view.record.standing is not BlobStanding.PAID:
                raise Rejected("da_entrance: not paid")
            if view.moment.time + self.rules.block_seconds > view.record.deadline:
                raise Rejected("da_entrance: too late")
            self._require_certificate(view, certificate)
            return self._settle(self._changed(view.record, BlobStanding.CONFIRMED))

    def refund(self, blob_id: bytes) -> Settlement:
        with self._lock:
            view = self.view(blob_id, at=len(self._blocks) - 1)
            if view.record.standing is not BlobStanding.PAID:
                raise Rejected("da_entrance: not paid")
            if view.moment.time <= view.record.deadline:
                raise Rejected("da_entrance: too early")
            fee = self.quote(view.record.shape.length, 1)
            return self._settle(self._changed(view.record, BlobStanding.REFUNDED), fee)

    def void(self, blob_id: bytes) -> None:
        """What a proven bad row does."""
        with self._lock:
            record = self.view(blob_id, at=len(self._blocks) - 1).record
            self._settle(self._changed(record, BlobStanding.VOID))

    def _require_certificate(self, view: BlobView, certificate: Certificate) -> None:
        duties = view.duties
        if duties is None:
            raise Rejected("da_entrance: no seed yet")
        absent = list(certificate.absent)
        if absent != sorted(set(absent)) or any(i >= len(duties.members) for i in absent):
            raise Rejected("quorum: absent not rising")
        present = [duty for duty in duties.members if duty.index not in absent]
        if sum(len(duty.rows) for duty in present) < duties.confirm_slices:
            raise Rejected("quorum: too few slices")
        key = aggregate_keys([duty.key for duty in present])
        if not verify(key, self.attestation_digest(view), certificate.signature):
            raise Rejected("quorum: wrong signature")

    def _changed(self, record: BlobRecord, standing: BlobStanding) -> dict[bytes, BlobRecord]:
        return {**self._blocks[-1].blobs, record.blob_id: replace(record, standing=standing)}

    def _settle(self, blobs: dict[bytes, BlobRecord], value_wei: int = 0) -> Settlement:
        self._append(blobs, None)
        transaction = keccak(b"transaction", self._blocks[-1].digest)
        self.mine(self.rules.blocks_after)
        return Settlement(transaction, 0, value_wei)

    def _append(self, blobs: dict[bytes, BlobRecord], seconds: int | None) -> None:
        step = self.rules.block_seconds if seconds is None else seconds
        above = self._blocks[-1]
        digest = keccak(above.digest, self._forks.to_bytes(8, "big"))
        self._blocks.append(_Block(above.time + step, digest, blobs))

    def _duties(self, blob_id: bytes, block_hash: bytes) -> Duties:
        seed = keccak(TAG_DA_ASSIGN, keccak(b"epoch seed"), blob_id, block_hash)
        weights = list(accumulate(member.weight for member in self.members))
        ends = [N * weight // weights[-1] for weight in weights]
        draw = int.from_bytes(seed, "big")
        low, shift = draw & 1_023, (draw >> 10) % N
        step = 6 * (low // 2) + (1, 5)[low % 2]
        row_of_slot = {(step * row + shift) % N: row for row in range(N)}
        members = []
        for index, member in enumerate(self.members):
            slots = range(ends[index - 1] if index else 0, ends[index])
            rows = tuple(sorted(row_of_slot[slot] for slot in slots))
            members.append(Duty(index, member.operator, member.endpoint, member.key, rows))
        return Duties(1, 0, seed, self.rules.confirm_slices, tuple(members))


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _domain(chain_id: int, entrance: bytes) -> bytes:
    kind = keccak(
        b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    )
    name, version = keccak(b"Apogee DA"), keccak(b"1")
    return keccak(kind, name, version, _word(chain_id), bytes(12), entrance)


def _blob_id(chain_id: int, entrance: bytes, terms: BlobTerms) -> bytes:
    return keccak(
        TAG_BLOB,
        _word(chain_id),
        bytes(12) + entrance,
        bytes(12) + terms.payer,
        bytes(12) + terms.disperser,
        terms.data_root,
        keccak(terms.commitment),
        _word(terms.shape.columns),
        _word(terms.shape.length),
        _word(terms.days),
        terms.salt,
    )


def _attestation_digest(domain: bytes, record: BlobRecord, duties: Duties) -> bytes:
    kind = keccak(
        b"Attestation(bytes32 blobId,uint64 epoch,uint32 quorumId,bytes32 seed,bytes32 dataRoot,"
        b"bytes commitment,uint32 columns,uint64 length,uint64 expiry)"
    )
    body = keccak(
        kind,
        record.blob_id,
        _word(duties.epoch),
        _word(duties.quorum_id),
        duties.seed,
        record.data_root,
        keccak(record.commitment),
        _word(record.shape.columns),
        _word(record.shape.length),
        _word(record.expiry),
    )
    return keccak(b"\x19\x01", domain, body)
