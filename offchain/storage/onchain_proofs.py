"""Client of StorageProofs, and the events it writes.

Method and field names are the contract's; addresses are 20 raw bytes, amounts wei, times seconds.
Source: docs/protocol/storage.md#proofs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import words
from offchain.core.units import Seconds, Wei
from offchain.storage import reverts_proofs
from offchain.storage.model import Segment

STILL_SUSPECT: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class SeatStanding:
    """What the last epochs showed of a seat: bit i of a bitmap is epoch `last_seen` - i."""

    suspect_since: int
    suspect_until: int
    last_seen: int
    proven: int
    missed: int

    @property
    def is_suspect(self) -> bool:
        """Whether it has missed and not proven since."""
        return self.suspect_until == STILL_SUSPECT


@dataclass(frozen=True, slots=True)
class Wanted:
    """The leaf of a seat that a demand is about."""

    id: bytes
    segment: int
    seat: int
    row: int
    leaf: int

    def demand_id(self) -> Digest:
        """The id under which StorageProofs keeps the demand while it is open."""
        return keccak(words(self.id, self.segment, self.seat, self.row, self.leaf))


@dataclass(frozen=True, slots=True)
class Demand:
    """An open demand; `demander` is zero where none is open."""

    demander: bytes
    operator_id: int
    epoch: int
    opened_at: int
    deadline: int
    bond: int


@dataclass(frozen=True, slots=True)
class ShownSegment:
    """A segment of a file with its siblings, lowest first."""

    segment: Segment
    path: Sequence[bytes]

    def fields(self) -> tuple[int, bytes, bytes, bytes]:
        """As the contract takes it."""
        one = self.segment
        return one.index, one.data_root, one.commitment_hash, b"".join(self.path)


@dataclass(frozen=True, slots=True)
class DrawnSeat:
    """Whose challenge it is."""

    epoch: int
    group: int
    seat: int


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row under a segment's root; the opening, C || y || proof, is empty when an element >= r."""

    row: int
    data: bytes
    path: bytes
    opening: bytes = b""


@dataclass(frozen=True, slots=True)
class Proven:
    epoch: int
    group: int
    seat: int
    id: bytes
    is_restored: bool


@dataclass(frozen=True, slots=True)
class Defaulted:
    """`misses` 0: the seat never signed for the file and only became suspect."""

    epoch: int
    group: int
    seat: int
    operator_id: int
    misses: int
    amount: Wei
    reporter: bytes


@dataclass(frozen=True, slots=True)
class LossDeclared:
    group: int
    seat: int
    operator_id: int
    amount: Wei


@dataclass(frozen=True, slots=True)
class Measured:
    epoch: int
    bytes_per_challenge: int


@dataclass(frozen=True, slots=True)
class Demanded:
    demand_id: bytes
    id: bytes
    operator_id: int
    segment: int
    group: int
    seat: int
    row: int
    leaf: int
    demander: bytes
    bond: Wei
    deadline: Seconds

    @property
    def wanted(self) -> Wanted:
        """The leaf it is about."""
        return Wanted(self.id, self.segment, self.seat, self.row, self.leaf)


@dataclass(frozen=True, slots=True)
class Answered:
    demand_id: bytes
    operator_id: int
    answerer: bytes
    bond: Wei


@dataclass(frozen=True, slots=True)
class Closed:
    demand_id: bytes
    operator_id: int
    is_convicted: bool


@dataclass(frozen=True, slots=True)
class FileVoided:
    id: bytes
    segment: int
    row: int
    reporter: bytes


class StorageProofsClient(ContractClient):
    """Challenges, demands and proofs of seats."""

    contract = "StorageProofs"
    reverts = reverts_proofs.PROOFS

    def position(self, drawn: DrawnSeat, attempt: int, *, at: BlockRef) -> int:
        """The byte, of all that a seat of the group ever kept, that an attempt falls on."""
        epoch, group, seat = drawn.epoch, drawn.group, drawn.seat
        return self._read(int, "position", epoch, group, seat, attempt, at=at)

    def is_challenged(self, drawn: DrawnSeat, *, at: BlockRef) -> bool:
        return self._read(bool, "is_challenged", drawn.epoch, drawn.group, drawn.seat, at=at)

    def is_proven(self, drawn: DrawnSeat, *, at: BlockRef) -> bool:
        return self._read(bool, "is_proven", drawn.epoch, drawn.group, drawn.seat, at=at)

    def standing(self, group: int, seat: int, *, at: BlockRef) -> SeatStanding:
        return self._read(SeatStanding, "standing", group, seat, at=at)

    def fine(self, drawn: DrawnSeat, *, at: BlockRef) -> Wei:
        """What a first miss of the epoch costs."""
        return Wei(self._read(int, "fine", drawn.epoch, drawn.group, drawn.seat, at=at))

    def bytes_per_challenge(self, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "bytes_per_challenge", epoch, at=at)

    def answer_seconds(self, *, at: BlockRef) -> int:
        return self._read(int, "answer_seconds", at=at)

    def evidence_seconds(self, offence: int, *, at: BlockRef) -> int:
        return self._read(int, "evidence_seconds", offence, at=at)

    def demand_of(self, demand_id: bytes, *, at: BlockRef) -> Demand:
        return self._read(Demand, "demand_of", demand_id, at=at)

    def demands_open(self, operator_id: int, *, at: BlockRef) -> int:
        return self._read(int, "demands_open", operator_id, at=at)

    def bond(self, operator_id: int, *, at: BlockRef) -> Wei:
        """What a demand costs in this block; the base fee moves, so send some more."""
        return Wei(self._read(int, "bond", operator_id, at=at))

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def prove(
        self,
        drawn: DrawnSeat,
        file_id: bytes,
        shown: ShownSegment,
        frame: bytes,
        *,
        skipped: Sequence[bytes] = (),
    ) -> TypedCall:
        """`frame` is the leaf frame that nodes serve. Raises: ProofOfOther, ProofLate, ..."""
        _, data_root, commitment_hash, path = shown.fields()
        whose = (drawn.epoch, drawn.group, drawn.seat)
        return self._build(
            "prove", *whose, list(skipped), file_id, data_root, commitment_hash, path, frame
        )

    def default_(
        self, drawn: DrawnSeat, file_id: bytes, *, skipped: Sequence[bytes] = ()
    ) -> TypedCall:
        """Punish a miss. Raises: MissEarly, MissSettled, ProvenAlready, NotChallenged."""
        whose = (drawn.epoch, drawn.group, drawn.seat)
        return self._build("default_", *whose, list(skipped), file_id)

    def measure(self) -> TypedCall:
        return self._build("measure")

    def demand(self, wanted: Wanted, *, value_wei: int) -> TypedCall:
        """What exceeds the bond is credited back. Raises: DemandRefused, DemandBondTooLow."""
        return self._build("demand", wanted, value_wei=value_wei)

    def answer(self, file_id: bytes, seat: int, shown: ShownSegment, frame: bytes) -> TypedCall:
        """Raises: ProofPathInvalid, NoOpenDemand, ProofLate."""
        return self._build("answer", file_id, seat, shown.fields(), frame)

    def close(self, wanted: Wanted) -> TypedCall:
        return self._build("close", wanted)

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)

    def declare_loss(self, group: int, seat: int) -> TypedCall:
        """Give a seat up. Raises: NotYourSeat."""
        return self._build("declare_loss", group, seat)

    def prove_bad_row(self, file_id: bytes, shown: ShownSegment, proof: ShownRow) -> TypedCall:
        """Void a file. Raises: CodewordSound, ProofPathInvalid."""
        row = (proof.row, proof.data, proof.path, proof.opening)
        return self._build("prove_bad_row", file_id, shown.fields(), *row)
