"""Client of DASampling and the events it writes.

Method and field names are the contract's; amounts are wei, times seconds.
Source: docs/protocol/da.md#sampling-fees.
"""

from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.units import Seconds, Wei
from offchain.da import reverts
from offchain.da.model import AbsentBits, Blob
from offchain.da.sampling_book import Round


@dataclass(frozen=True, slots=True)
class RoundOpened:
    round: int
    seed: bytes
    target: int


@dataclass(frozen=True, slots=True)
class SampleAnswered:
    round: int
    operator_id: int
    blob_id: bytes
    row: int
    leaf: int
    amount: Wei


class DASamplingClient(ContractClient):
    """Rounds of sampling, and answers that earn."""

    contract = "DASampling"
    reverts = reverts.SAMPLING

    def round(self, *, at: BlockRef) -> Round:
        """The newest round that was opened; answers count only while `is_open`."""
        return self._read(Round, "round", at=at)

    def is_open(self, *, at: BlockRef) -> bool:
        return self._read(bool, "is_open", at=at)

    def period_seconds(self, *, at: BlockRef) -> Seconds:
        return Seconds(self._read(int, "period_seconds", at=at))

    def last_win(self, blob_id: bytes, row: int, leaf: int, *, at: BlockRef) -> int:
        """The newest round in which a leaf has won; 0 for none."""
        return self._read(int, "last_win", blob_id, row, leaf, at=at)

    def reward_now(self, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "reward_now", at=at))

    def open_round(self) -> TypedCall:
        """By anybody; does nothing when the present round is open."""
        return self._build("open_round")

    def answer_sample(self, blob: Blob, seed: bytes, absent: AbsentBits, frame: bytes) -> TypedCall:
        """By an account of the row's operator; seed and absent as BlobConfirmed says."""
        return self._build("answer_sample", blob, seed, absent, frame)
