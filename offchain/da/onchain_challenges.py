"""Clients of DAChallenges and DAFraudProofs, and the events they write.

Method and field names are the contracts'; addresses are 20 raw bytes, amounts wei, times seconds.
A challenge is known by (blob id, row, leaf), where the leaf `WHOLE_ROW` asks for the row itself.
Source: docs/protocol/da.md#challenges, docs/protocol/da.md#fraud-proofs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import words
from offchain.core.units import Seconds, Wei
from offchain.da import reverts
from offchain.da.model import Blob

WHOLE_ROW: Final = (1 << 32) - 1
NO_ABSENT: Final = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Challenge:
    """An open challenge; `challenger` is zero where none is open."""

    challenger: bytes
    operator_id: int
    epoch: int
    opened_at: Seconds
    deadline: Seconds
    bond: Wei


@dataclass(frozen=True, slots=True)
class Challenged:
    challenge_id: bytes
    blob_id: bytes
    operator_id: int
    row: int
    leaf: int
    challenger: bytes
    bond: Wei
    deadline: Seconds


@dataclass(frozen=True, slots=True)
class Answered:
    """`answerer` was credited with the bond."""

    challenge_id: bytes
    blob_id: bytes
    operator_id: int
    row: int
    leaf: int
    answerer: bytes
    bond: Wei


@dataclass(frozen=True, slots=True)
class RowPublished:
    """A whole row that a challenge brought to light: 32m bytes, 10 siblings and b0, b1, b2."""

    blob_id: bytes
    row: int
    data: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    challenge_id: bytes
    blob_id: bytes
    operator_id: int
    row: int
    leaf: int
    is_convicted: bool


@dataclass(frozen=True, slots=True)
class Reclaimed:
    challenge_id: bytes
    challenger: bytes
    bond: Wei


@dataclass(frozen=True, slots=True)
class BadEncodingProven:
    """Ids are 0 where nobody was convicted."""

    blob_id: bytes
    reporter: bytes
    row: int
    leaf: int
    disperser_id: int
    signer_id: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a contract tells the court; `amount` 0 leaves it to the type's rate."""

    offence: int
    pool: int
    epoch: int
    subject: bytes
    amount: Wei
    victim: bytes
    loss: Wei


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A blob's seed and who was absent from its certificate, 1,024 bits by signer index."""

    seed: bytes
    absent: Sequence[int] = NO_ABSENT


NOBODY_SIGNED: Final = SignedBy(bytes(32))


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row under D, ten siblings and b0, b1, b2, and what 0x0a opens: C || y || proof.

    The opening, 128 bytes, stays empty when an element is >= r.
    """

    row: int
    data: bytes
    path: bytes
    opening: bytes = b""


def challenge_id(blob_id: bytes, row: int, leaf: int) -> Digest:
    """The id under which DAChallenges keeps a challenge while it is open."""
    return keccak(words(blob_id, row, leaf))


class DAChallengesClient(ContractClient):
    """Challenges to silent signers, and what evidence of contradictions proves."""

    contract = "DAChallenges"
    reverts = reverts.CHALLENGES

    def evidence_seconds(self, offence: int, *, at: BlockRef) -> int:
        return self._read(int, "evidence_seconds", offence, at=at)

    def equivocation_subject(
        self, blob_id: bytes, seed: bytes, key_hash: bytes, *, at: BlockRef
    ) -> bytes:
        return self._read(bytes, "equivocation_subject", blob_id, seed, key_hash, at=at)

    def receipt_subject(self, blob_id: bytes, number: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "receipt_subject", blob_id, number, at=at)

    def silence_subject(self, blob_id: bytes, row: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "silence_subject", blob_id, row, at=at)

    def adjudicate(self, offence: int, evidence: bytes, *, at: BlockRef) -> Finding:
        """Raises: EquivocationUnproven."""
        return self._read(Finding, "adjudicate", offence, evidence, at=at)

    def challenge_of(self, identifier: bytes, *, at: BlockRef) -> Challenge:
        return self._read(Challenge, "challenge_of", identifier, at=at)

    def open_of(self, operator_id: int, *, at: BlockRef) -> int:
        return self._read(int, "open_of", operator_id, at=at)

    def bond(self, operator_id: int, columns: int, leaf: int, *, at: BlockRef) -> Wei:
        """What a challenge would cost in this block; the base fee moves, so send some more."""
        return Wei(self._read(int, "bond", operator_id, columns, leaf, at=at))

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def challenge(
        self, blob: Blob, row: int, leaf: int, signed_by: SignedBy, *, value_wei: int
    ) -> TypedCall:
        """What exceeds the bond is credited back. Raises: ChallengeRefused, BondTooLow."""
        seed, absent = signed_by.seed, list(signed_by.absent)
        return self._build("challenge", blob, row, leaf, seed, absent, value_wei=value_wei)

    def answer_leaf(self, blob: Blob, frame: bytes) -> TypedCall:
        """`frame` is the leaf frame that nodes serve. Raises: AnswerInvalid, NoOpenChallenge."""
        return self._build("answer_leaf", blob, frame)

    def answer_row(self, blob: Blob, row: int, data: bytes, path: bytes) -> TypedCall:
        """`path` is ten siblings, lowest first, and b0, b1, b2: 416 bytes."""
        return self._build("answer_row", blob, row, data, path)

    def close(self, blob_id: bytes, row: int, leaf: int) -> TypedCall:
        return self._build("close", blob_id, row, leaf)

    def reclaim(self, blob_id: bytes, row: int, leaf: int) -> TypedCall:
        return self._build("reclaim", blob_id, row, leaf)

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)


class DAFraudProofsClient(ContractClient):
    """Proofs that an encoding is bad."""

    contract = "DAFraudProofs"
    reverts = reverts.FRAUD_PROOFS

    def evidence_seconds(self, offence: int, *, at: BlockRef) -> int:
        return self._read(int, "evidence_seconds", offence, at=at)

    def commitments(self, commitment: bytes, *, at: BlockRef) -> int:
        """The block of a commitment, 0 for none."""
        return self._read(int, "commitments", commitment, at=at)

    def check_bad_row(self, blob: Blob, proof: ShownRow, *, at: BlockRef) -> bytes:
        """The hash of the evidence. Raises: EncodingSound, ProofInvalid."""
        shown = (proof.row, proof.data, proof.path, proof.opening)
        return self._read(bytes, "check_bad_row", blob, *shown, at=at)

    def check_bad_leaf(self, blob: Blob, frame: bytes, *, at: BlockRef) -> bytes:
        """The hash of the evidence. Raises: EncodingSound, ProofInvalid."""
        return self._read(bytes, "check_bad_leaf", blob, frame, at=at)

    def commit(self, commitment: bytes) -> TypedCall:
        return self._build("commit", commitment)

    def prove_bad_row(
        self, blob: Blob, proof: ShownRow, *, signed_by: SignedBy, salt: bytes
    ) -> TypedCall:
        """Void the blob. Raises: EncodingSound, ProofInvalid, NotCommitted, NothingToConvict."""
        shown = (proof.row, proof.data, proof.path, proof.opening)
        seed, absent = signed_by.seed, list(signed_by.absent)
        return self._build("prove_bad_row", blob, *shown, seed, absent, salt)

    def prove_bad_leaf(
        self, blob: Blob, frame: bytes, *, signed_by: SignedBy, salt: bytes
    ) -> TypedCall:
        """The same with one leaf whose bytes no encoding has."""
        seed, absent = signed_by.seed, list(signed_by.absent)
        return self._build("prove_bad_leaf", blob, frame, seed, absent, salt)
