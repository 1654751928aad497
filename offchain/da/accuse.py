"""Two contradictory statements become a slash: find, prove, commit, wait a block, report.

  attestations   of one signer for one (blob id, seed): 36 words, `model.encode_equivocation`
  receipts       of one disperser for one (blob id, number): 19 words,
                 blob 8, number, then twice item hash, length, r, s, v

The commitment hides the evidence until it is too late to copy it: the court pays the reporter's
share only for a report that was committed in an earlier block. The salt follows from the reporter's
key and the evidence, so a killed accuser commits the same thing again and nothing is lost.
Source: docs/protocol/da.md#equivocation, docs/protocol/staking.md#court.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from offchain.core.bls import PublicKey, Signature, verify
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.da.announce import announce
from offchain.da.model import (
    Attestation,
    Blob,
    Equivocation,
    attestation_digest,
    blob_words,
    encode_equivocation,
)
from offchain.da.ports import BlobLedger, Court, RequestSigner, Settlement
from offchain.da.receipts import ITEM_RECEIPT_TYPE, SignedItemReceipt, receipt_signer
from offchain.da.refusals import NoEquivocation

DA_EQUIVOCATION: Final = 2
_SALT_CONTEXT: Final = keccak(b"apogee.da.accuse.salt.v1")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedAttestation:
    """A statement and the signature somebody showed for it, unchecked."""

    attestation: Attestation
    signature: Signature


@dataclass(frozen=True, slots=True)
class ReceiptEquivocation:
    """Two receipts of the blob's disperser for one place in it."""

    blob: Blob
    first: SignedItemReceipt
    second: SignedItemReceipt


Contradiction = Equivocation | ReceiptEquivocation


@dataclass(frozen=True, slots=True)
class Accusation:
    """Evidence as the court wants it, and what binds it to one reporter."""

    evidence: bytes
    salt: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the court did; `committed` is None when an earlier run had committed."""

    offence_id: bytes
    committed: Settlement | None
    reported: Settlement


def find_equivocation(
    key: PublicKey, first: SignedAttestation, second: SignedAttestation, domain: bytes
) -> Equivocation:
    """The case against `key`, when both statements are its own and contradict each other.

    Raises: NoEquivocation. Another seed, as after a reorg, is no contradiction.
    """
    one, two = first.attestation, second.attestation
    if (one.blob_id, one.seed) != (two.blob_id, two.seed):
        raise NoEquivocation(reason="another blob or seed")
    digests = attestation_digest(one, domain), attestation_digest(two, domain)
    if digests[0] == digests[1]:
        raise NoEquivocation(reason="the same statement twice")
    for digest, signed in zip(digests, (first, second), strict=True):
        if not verify(key, digest, signed.signature):
            raise NoEquivocation(reason="a signature is not this key's")
    return Equivocation(
        key=key,
        first=one,
        first_signature=first.signature,
        second=two,
        second_signature=second.signature,
    )


def find_receipt_equivocation(
    blob: Blob, first: SignedItemReceipt, second: SignedItemReceipt, domain: bytes
) -> ReceiptEquivocation:
    """The case against the blob's disperser, when both receipts are its own and contradict.

    Raises: NoEquivocation.
    """
    if not first.statement.contradicts(second.statement):
        raise NoEquivocation(reason="the receipts do not contradict each other")
    for receipt in (first, second):
        if receipt_signer(receipt, domain) != blob.disperser:
            raise NoEquivocation(reason="a receipt is not this disperser's")
    return ReceiptEquivocation(blob, first, second)


def encode_receipt_equivocation(case: ReceiptEquivocation) -> bytes:
    """Evidence for SlashingCourt: 608 bytes."""
    return b"".join(
        (
            blob_words(case.blob),
            words(case.first.statement.number),
            _receipt_words(case.first),
            _receipt_words(case.second),
        )
    )


def receipt_subject(blob_id: bytes, number: int) -> bytes:
    """What the court punishes once."""
    return keccak(words(ITEM_RECEIPT_TYPE, blob_id, number))


def accusation_of(case: Contradiction, reporter: RequestSigner) -> Accusation:
    """The evidence and the commitment that only this reporter can open."""
    if isinstance(case, ReceiptEquivocation):
        evidence = encode_receipt_equivocation(case)
    else:
        evidence = encode_equivocation(case)
    digest = keccak(evidence)
    salt = keccak(_SALT_CONTEXT, reporter.sign_digest(keccak(_SALT_CONTEXT, digest)))
    commitment = keccak(words(digest, reporter.address, salt))
    return Accusation(evidence, salt, commitment)


class Accuse:
    """Brings contradictions before the court."""

    def __init__(
        self,
        ledger: BlobLedger,
        court: Court,
        reporter: RequestSigner,
        *,
        poll_seconds: float = 0.1,
    ) -> None:
        self._ledger = ledger
        self._court = court
        self._reporter = reporter
        self._poll_seconds = poll_seconds

    async def accuse(self, case: Contradiction) -> Verdict:
        """Commit, wait for a later block, report. Raises: Rejected when the court refuses."""
        accusation = await asyncio.to_thread(accusation_of, case, self._reporter)
        committed = await announce(
            self._ledger, self._court, accusation.commitment, poll_seconds=self._poll_seconds
        )
        offence_id, reported = await asyncio.to_thread(
            self._court.report, DA_EQUIVOCATION, accusation.evidence, accusation.salt
        )
        log.info("equivocation_reported", extra={"offence_id": offence_id.hex()})
        return Verdict(offence_id, committed, reported)


def _receipt_words(receipt: SignedItemReceipt) -> bytes:
    said, signature = receipt.statement, receipt.signature
    r, s = signature[:32], signature[32:64]
    return words(said.item_hash, said.length, r, s, signature[64])
