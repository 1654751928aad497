"""A blob's life as the contracts see it: ids, fees, states, digests; pure.

Struct and field names are those of IDAEntrance.vyi and IDAChallenges.vyi. Digests are keccak-256
over ABI words; the tests hold each function equal to its contract.
Source: docs/protocol/da.md#life-of-a-blob.

  attestation    0x19 0x01 || domain (Apogee DA, 1, chain id, DAEntrance) || struct hash
  absent signer  102 bytes: index 2, first slot 2, end slot 2, x 48 and y 48 of its key
  equivocation   36 words: blob id, seed, key 4, statement 7, signature 8, statement 7, signature 8
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from offchain.core.bls import PublicKey, Signature
from offchain.core.errors import InvalidInput
from offchain.core.hashing import TAG_BLOB, Digest, keccak
from offchain.core.layout import COLUMN_STEP, MAX_COLUMNS, STEP_PAYLOAD_BYTES, K, N
from offchain.core.typed_data import DOMAIN_TYPE, words
from offchain.core.units import Seconds, Wei

COMMITMENT_BYTES: Final = 48
ABSENT_BYTES: Final = 102
MAX_ABSENT: Final = 170
WIDE_ABSENT: Final = 1_022
ABSENT_WORDS: Final = 4
TREASURY_BPS: Final = 1_000
ATTESTATION_TYPE: Final = keccak(
    b"Attestation(bytes32 blobId,uint64 epoch,uint32 quorumId,bytes32 seed,bytes32 dataRoot,"
    b"bytes commitment,uint32 columns,uint64 length,uint64 expiry)"
)
DISPERSAL_TYPE: Final = keccak(b"Dispersal(bytes32 blobId)")
DOMAIN_NAME: Final = keccak(b"Apogee DA")
DOMAIN_VERSION: Final = keccak(b"1")
AbsentBits = tuple[int, ...]


class TermsInvalid(InvalidInput):
    """These terms break a rule that the contract holds in force."""

    code = "da.terms.invalid"
    next_step = "Correct the value named in the message."


class FeeInvalid(InvalidInput):
    """No fee exists for this length and retention."""

    code = "da.fee.invalid"
    next_step = "Pay for 1 to 32,505,856 bytes and for the days that the terms allow."


class BlobState(IntEnum):
    """Numbers are the contract's flag values; NONE is a blob that was never paid."""

    NONE = 0
    PAID = 1
    CONFIRMED = 2
    REFUNDED = 4
    VOID = 8


@dataclass(frozen=True, slots=True)
class Blob:
    """What is paid for; addresses are 20 raw bytes, `length` payload bytes."""

    payer: bytes
    disperser: bytes
    data_root: bytes
    commitment_hash: bytes
    columns: int
    length: int
    retention_days: int
    salt: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What the chain remembers of a blob; times in chain seconds, amounts in wei."""

    state: BlobState
    paid_at: Seconds
    paid_block: int
    deadline: Seconds
    expiry: Seconds
    epoch: int
    disperser_id: int
    confirm_slices: int
    operators: int
    fee: Wei
    certificate_hash: bytes

    def is_available(self, now: int) -> bool:
        return self.state is BlobState.CONFIRMED and now < self.expiry


@dataclass(frozen=True, slots=True)
class Terms:
    """What governance sets for later blobs; `price` in wei per byte and day."""

    price: Wei
    confirm_slices: int
    safety_slices: int
    max_retention_days: int


@dataclass(frozen=True, slots=True)
class Windows:
    """Seconds: payment to certificate, a day, an answer to a challenge, the court's veto."""

    confirm: Seconds
    day: Seconds
    answer: Seconds
    veto: Seconds


@dataclass(frozen=True, slots=True)
class StakeTimes:
    """Seconds of the stake: an epoch, the cut-off before its start, unbonding, evidence (DA)."""

    epoch: int
    cutoff: int
    unbonding: int
    evidence: int


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a signer signs; `commitment_hash` is the keccak-256 of the 48 bytes of C."""

    blob_id: bytes
    epoch: int
    quorum_id: int
    seed: bytes
    data_root: bytes
    commitment_hash: bytes
    columns: int
    length: int
    expiry: Seconds


@dataclass(frozen=True, slots=True)
class AbsentSigner:
    """A signer whose signature is not in the aggregate: its index, slots and key."""

    index: int
    first_slot: int
    end_slot: int
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Certificate:
    """Proof that everybody but `absent`, sorted by index, has signed."""

    absent: tuple[AbsentSigner, ...]
    signature: Signature

    def encoded_absent(self) -> bytes:
        return encode_absent(self.absent)

    def absent_bits(self) -> "AbsentBits":
        return absent_bits(signer.index for signer in self.absent)


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two attestations of one key for one blob and seed, with their signatures."""

    key: PublicKey
    first: Attestation
    first_signature: Signature
    second: Attestation
    second_signature: Signature


def blob_words(blob: Blob) -> bytes:
    """The blob as the contract encodes it."""
    return words(
        blob.payer,
        blob.disperser,
        blob.data_root,
        blob.commitment_hash,
        blob.columns,
        blob.length,
        blob.retention_days,
        blob.salt,
    )


def blob_id(blob: Blob, *, chain_id: int, entrance: bytes) -> Digest:
    """The blob's id on one chain in one DAEntrance."""
    return keccak(words(TAG_BLOB, chain_id, entrance), blob_words(blob))


def domain_separator(*, chain_id: int, entrance: bytes) -> Digest:
    """EIP-712 domain of attestations, dispersals and requests to nodes."""
    return keccak(words(DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION, chain_id, entrance))


def attestation_digest(attestation: Attestation, domain: bytes) -> Digest:
    """The digest that the BLS key signs."""
    struct = words(
        ATTESTATION_TYPE,
        attestation.blob_id,
        attestation.epoch,
        attestation.quorum_id,
        attestation.seed,
        attestation.data_root,
        attestation.commitment_hash,
        attestation.columns,
        attestation.length,
        attestation.expiry,
    )
    return keccak(b"\x19\x01", domain, keccak(struct))


def dispersal_digest(identifier: bytes, domain: bytes) -> Digest:
    """What a disperser signs to answer for a blob that somebody else pays."""
    return keccak(b"\x19\x01", domain, keccak(words(DISPERSAL_TYPE, identifier)))


def fee_wei(length: int, retention_days: int, terms: Terms) -> Wei:
    """max(length, 253,952) x price x days, exact. Raises: FeeInvalid."""
    if not 0 < length <= STEP_PAYLOAD_BYTES * (MAX_COLUMNS // COLUMN_STEP):
        raise FeeInvalid(length=length)
    if not 0 < retention_days <= terms.max_retention_days:
        raise FeeInvalid(days=retention_days, maximum=terms.max_retention_days)
    return Wei(max(length, STEP_PAYLOAD_BYTES) * terms.price * retention_days)


def check_terms(terms: Terms, windows: Windows, stake: StakeTimes) -> None:
    """All rules together, as the setter holds them. Raises: TermsInvalid."""
    liable = terms.max_retention_days * windows.day + 2 * stake.epoch + 2 * windows.answer
    rules = {
        "price out of range": 0 < terms.price < 1 << 128,
        "confirm > N": terms.confirm_slices <= N,
        "confirm < 2/3 N": 3 * terms.confirm_slices >= 2 * N,
        "confirm - safety < K": terms.confirm_slices >= K + terms.safety_slices,
        "no retention": terms.max_retention_days > 0,
        "retention too long": terms.max_retention_days < 1 << 16,
        "unbonding too short": stake.cutoff + liable + windows.veto <= stake.unbonding,
        "evidence window too short": liable <= stake.evidence,
    }
    for rule, holds in rules.items():
        if not holds:
            raise TermsInvalid(rule=rule)


def encode_absent(absent: Sequence[AbsentSigner]) -> bytes:
    """102 bytes a signer, as DASigners reads them."""
    return b"".join(
        _slots(signer.index, signer.first_slot, signer.end_slot) + key[16:64] + key[80:128]
        for signer in absent
        for key in (signer.key.eip2537(),)
    )


def seal_of(key: PublicKey, first_slot: int, end_slot: int) -> Digest:
    """What the table keeps of a signer beside its range."""
    return keccak(key.eip2537(), _slots(first_slot, end_slot))


def absent_bits(indices: Iterable[int]) -> AbsentBits:
    """Who of a quorum has not signed: four words of 256 bits, bit i for the signer at index i."""
    packed = [0] * ABSENT_WORDS
    for index in indices:
        packed[index // 256] |= 1 << index % 256
    return tuple(packed)


def is_absent(bits: AbsentBits, index: int) -> bool:
    """Whether the signer at `index` is marked."""
    return bits[index // 256] >> index % 256 & 1 == 1


def certificate_hash(seed: bytes, absent: AbsentBits) -> Digest:
    """What the record keeps of a certificate: the blob's seed and who was absent."""
    return keccak(words(seed, *absent))


def encode_equivocation(case: Equivocation) -> bytes:
    """Evidence for SlashingCourt. Raises: InvalidInput when the blobs or seeds differ."""
    first, second = case.first, case.second
    if (first.blob_id, first.seed) != (second.blob_id, second.seed):
        raise InvalidInput("an equivocation is about one blob id and one seed")
    return b"".join(
        (
            words(first.blob_id, first.seed),
            case.key.eip2537(),
            _statement_words(first),
            case.first_signature.eip2537(),
            _statement_words(second),
            case.second_signature.eip2537(),
        )
    )


def equivocation_subject(identifier: bytes, seed: bytes, key: PublicKey) -> Digest:
    """What the court punishes once."""
    return keccak(words(identifier, seed, keccak(key.eip2537())))


def _slots(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def _statement_words(attestation: Attestation) -> bytes:
    return words(
        attestation.epoch,
        attestation.quorum_id,
        attestation.data_root,
        attestation.commitment_hash,
        attestation.columns,
        attestation.length,
        attestation.expiry,
    )
