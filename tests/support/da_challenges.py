"""Blobs with real encodings on the real contracts, and what challenges and proofs are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boa

from offchain.core.hashing import keccak
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.typed_data import words
from offchain.da.model import Blob
from offchain.da.onchain_challenges import WHOLE_ROW, ShownRow
from offchain.da.quorums import owner_of_row
from tests.support.da import (
    EVIDENCE_SECONDS,
    Ballot,
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    confirm,
    mine_entropy,
    raw,
)
from tests.support.da_encoding import frame_of, path_of
from tests.support.staking import DA, AnOperator, a_wallet

DA_BAD_ROW, DA_EQUIVOCATION, DA_BAD_ENCODING, DA_SILENCE = 1, 2, 3, 4
PROVEN, MISSED = 1, 2
ABSENT_NONE = (0, 0, 0, 0)


def rules_of(site: DaSite) -> list[tuple[int, tuple[Any, ...]]]:
    """The offences of DA as genesis adds them."""
    fraud, challenges = site.fraud_proofs.address, site.challenges.address
    late = EVIDENCE_SECONDS
    return [
        (DA_BAD_ROW, (PROVEN, DA, 1_000, 2_000, 0, late, False, False, fraud)),
        (DA_EQUIVOCATION, (PROVEN, DA, 3_000, 2_000, 0, late, True, True, challenges)),
        (DA_BAD_ENCODING, (PROVEN, DA, 10_000, 2_000, 0, late, False, True, fraud)),
        (DA_SILENCE, (MISSED, DA, 1_000, 2_000, 0, late, False, False, challenges)),
    ]


def wire_court(site: DaSite) -> None:
    """Let proofs void blobs, and the court punish every offence of DA."""
    governance = site.governance
    # nobody earns samples here, so any contract may stand for the one that pays them
    site.entrance.wire(site.fraud_proofs.address, site.signers.address, sender=governance)
    for offence, rule in rules_of(site):
        site.court.add_type(offence, rule, sender=governance)
    site.court.rank(DA_SILENCE, DA_BAD_ROW, sender=governance)


def blob_of(encoded: EncodedBlob, payer: str, disperser: str, **changes: Any) -> Blob:
    """The blob somebody pays for an encoding."""
    fields = {
        "data_root": encoded.header.data_root,
        "commitment_hash": keccak(encoded.header.commitment),
        "columns": encoded.shape.columns,
        "length": encoded.shape.length,
    }
    return a_blob(payer, disperser, **(fields | changes))


@dataclass(frozen=True, slots=True)
class PaidBlob:
    """A blob in its contract: what it encodes, its quorum, and who was absent."""

    site: DaSite
    encoded: EncodedBlob
    blob: Blob
    identifier: bytes
    ballot: Ballot
    absent: tuple[int, ...] = ABSENT_NONE
    is_confirmed: bool = True

    @property
    def seed(self) -> bytes:
        return self.ballot.attestation.seed if self.is_confirmed else bytes(32)

    @property
    def fields(self) -> tuple[Any, ...]:
        return blob_tuple(self.blob)

    def owner(self, row: int) -> AnOperator:
        """The operator that answers for a row, absent or not."""
        operator_id = owner_of_row(self.ballot.quorum, self.ballot.assignment, row)
        return next(one for one in self.site.operators if one.operator_id == operator_id)

    def row_of(self, operator: AnOperator, number: int = 0) -> int:
        """One of an operator's rows."""
        signer = next(
            one for one in self.ballot.quorum.signers if one.operator_id == operator.operator_id
        )
        return self.ballot.assignment.rows_of(signer)[number]

    def challenge(self, who: str, row: int, leaf: int = 0, *, value: int | None = None) -> bytes:
        """Open a challenge for exactly the bond."""
        site = self.site
        bond = site.challenges.bond(self.owner(row).operator_id, self.blob.columns, leaf)
        return bytes(
            site.challenges.challenge(
                self.fields,
                row,
                leaf,
                self.seed,
                self.absent,
                value=bond if value is None else value,
                sender=who,
            )
        )

    def answer(self, who: str, row: int, leaf: int = 0) -> None:
        """Answer with what the encoding has there."""
        if leaf == WHOLE_ROW:
            data, path = self.encoded.rows[row].tobytes(), path_of(self.encoded, row)
            self.site.challenges.answer_row(self.fields, row, data, path, sender=who)
        else:
            frame = frame_of(self.encoded, row, leaf)
            self.site.challenges.answer_leaf(self.fields, frame, sender=who)

    def close(self, row: int, leaf: int = 0, *, who: str | None = None) -> bool:
        sender = who or a_wallet("closer")
        return bool(self.site.challenges.close(self.identifier, row, leaf, sender=sender))

    def prove_row(self, who: str, shown: ShownRow, salt: bytes, **changes: Any) -> None:
        """Send a row proof with this blob's certificate."""
        self.site.fraud_proofs.prove_bad_row(
            self.fields,
            changes.get("row", shown.row),
            changes.get("data", shown.data),
            changes.get("path", shown.path),
            changes.get("opening", shown.opening),
            changes.get("seed", self.seed),
            changes.get("absent", self.absent),
            salt,
            sender=who,
        )

    def prove_leaf(self, who: str, frame: bytes, salt: bytes, **changes: Any) -> None:
        self.site.fraud_proofs.prove_bad_leaf(
            self.fields,
            frame,
            changes.get("seed", self.seed),
            changes.get("absent", self.absent),
            salt,
            sender=who,
        )


def paid(site: DaSite, encoded: EncodedBlob, *, payer: AnOperator, **changes: Any) -> PaidBlob:
    """A blob its payer disperses itself, waiting for a certificate."""
    blob = blob_of(encoded, payer.owner, payer.owner, **changes)
    fee = site.entrance.quote(blob.length, blob.retention_days)
    identifier = bytes(
        site.entrance.pay(
            blob_tuple(blob), encoded.header.commitment, b"", value=fee, sender=payer.owner
        )
    )
    entropy = mine_entropy(site, identifier)
    return PaidBlob(
        site, encoded, blob, identifier, ballot(site, blob, entropy), is_confirmed=False
    )


def confirmed(
    site: DaSite,
    encoded: EncodedBlob,
    *,
    payer: AnOperator,
    absent: Sequence[int] = (),
    **changes: Any,
) -> PaidBlob:
    """The same with a certificate; `absent` are indices in the quorum."""
    waiting = paid(site, encoded, payer=payer, **changes)
    certificate = waiting.ballot.certificate(absent)
    confirm(site, waiting.blob, certificate)
    return PaidBlob(
        site, encoded, waiting.blob, waiting.identifier, waiting.ballot, certificate.absent_bits()
    )


def announce(site: DaSite, who: str, evidence: bytes, salt: bytes) -> None:
    """Commit to evidence (its hash) and let a block pass."""
    site.fraud_proofs.commit(keccak(words(evidence, raw(who), salt)), sender=who)
    boa.env.evm.patch.block_number += 1


def row_evidence(blob_id: bytes, row: int, root: bytes) -> bytes:
    """The hash that a proof of a bad row announces."""
    return keccak(words(blob_id, row, WHOLE_ROW, root))


def leaf_evidence(blob_id: bytes, row: int, leaf: int, data: bytes) -> bytes:
    """The hash that a proof of a bad leaf announces."""
    return keccak(words(blob_id, row, leaf, keccak(data)))


def set_base_fee(wei: int) -> None:
    """What `block.basefee` says from now on; the anchor of the test does not undo it."""
    boa.env.evm.vm.state.execution_context._base_fee_per_gas = wei
