"""A confirmed blob with real rows on the real contracts, whose owners answer samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boa

from offchain.core.matrix.encode import EncodedBlob
from offchain.da.model import AbsentBits, Blob, absent_bits
from offchain.da.quorums import owner_of_row
from offchain.da.sampling_book import Place, SamplingBook
from tests.support.da import (
    Ballot,
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    confirm,
    mine_entropy,
    pay,
    raw,
)
from tests.support.da_encoding import frame_of, honest
from tests.support.staking import AnOperator


@dataclass(frozen=True, slots=True)
class SampledBlob:
    """A blob in its contract and everything an answer is made of."""

    site: DaSite
    encoded: EncodedBlob
    blob: Blob
    identifier: bytes
    ballot: Ballot
    absent: AbsentBits

    @property
    def seed(self) -> bytes:
        return self.ballot.attestation.seed

    def owner(self, row: int) -> AnOperator:
        """The operator that answers for a row, absent or not."""
        operator_id = owner_of_row(self.ballot.quorum, self.ballot.assignment, row)
        return next(one for one in self.site.operators if one.operator_id == operator_id)

    def rows_of(self, operator: AnOperator) -> tuple[int, ...]:
        signer = next(
            one for one in self.ballot.quorum.signers if one.operator_id == operator.operator_id
        )
        return self.ballot.assignment.rows_of(signer)

    def leaf(self, row: int, leaf: int = 0) -> bytes:
        return self.encoded.leaf_frame(row, leaf).data

    def place(self, row: int, leaf: int = 0) -> Place:
        return self.identifier, row, leaf

    def answer(self, row: int, leaf: int = 0, *, sender: str = "", **changes: Any) -> int:
        """Answer with the leaf that lies there, as its row's owner unless told otherwise."""
        return int(
            self.site.sampling.answer_sample(
                blob_tuple(changes.get("blob", self.blob)),
                changes.get("seed", self.seed),
                changes.get("absent", self.absent),
                changes.get("frame", frame_of(self.encoded, row, leaf)),
                sender=sender or self.owner(row).owner,
            )
        )


def a_sampled_blob(
    site: DaSite,
    length: int = 1_000_000,
    absent: Sequence[AnOperator] = (),
    salt: bytes = bytes(32),
) -> SampledBlob:
    """Pay for real rows and confirm them with the signatures of all but `absent`."""
    encoded = honest(length)
    owner = site.operators[0].owner
    blob = a_blob(owner, owner, length=length, data_root=encoded.header.data_root, salt=salt)
    identifier = pay(site, blob)
    votes = ballot(site, blob, mine_entropy(site, identifier))
    gone = sorted(votes.index_of(operator) for operator in absent)
    confirm(site, blob, votes.certificate(gone))
    return SampledBlob(site, encoded, blob, identifier, votes, absent_bits(gone))


def book_of(site: DaSite) -> SamplingBook:
    """The model of a sampler that nobody has used yet."""
    period = int(site.sampling.period_seconds())
    return SamplingBook(site.chain_id, raw(site.sampling.address), period)


def set_prevrandao(value: bytes) -> None:
    """What the chain answers for the randomness of the present block."""
    boa.env.evm.patch.prevrandao = value


def wire_sampling(site: DaSite) -> None:
    """Let samples be paid."""
    site.entrance.wire(site.fraud_proofs.address, site.sampling.address, sender=site.governance)
