"""Who answers for which row: the draw of an epoch's table and a blob's assignment; pure.

Equal to DASigners.vy in every number. A table's quorum has N slots in ranges that follow weight;
a blob's seed picks the quorum and moves rows over slots by row -> (a * row + c) mod N.
Source: docs/protocol/da.md#signers-and-tables.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.core.bls import PublicKey, aggregate_keys
from offchain.core.errors import InvalidInput
from offchain.core.hashing import TAG_DA_ASSIGN, TAG_DA_SEED, Digest, keccak
from offchain.core.layout import N
from offchain.core.typed_data import words
from offchain.da.model import AbsentSigner, seal_of

MIN_QUORUM_SIGNERS: Final = 512
MAX_PAGE: Final = 64
STEP_CHOICES: Final = 1_024


class TableInvalid(InvalidInput):
    """No table can be drawn from these members."""

    code = "da.table.invalid"
    next_step = "Wait until an operator with DA stake has joined before the epoch's cut-off."


@dataclass(frozen=True, slots=True)
class Member:
    """A member at an epoch: its weight in wei (0 when it has no stake then) and its key."""

    operator_id: int
    weight: int
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Signer:
    """A range of slots, `end_slot` not included."""

    operator_id: int
    first_slot: int
    end_slot: int
    seal: bytes

    @property
    def slices(self) -> int:
        return self.end_slot - self.first_slot


@dataclass(frozen=True, slots=True)
class Quorum:
    """Signers in the table's order and the sum of their keys."""

    signers: tuple[Signer, ...]
    key: PublicKey


def absent_signer(quorum: Quorum, index: int, key: PublicKey) -> AbsentSigner:
    """The entry of an absent list for one signer, whose key the caller knows."""
    signer = quorum.signers[index]
    return AbsentSigner(index, signer.first_slot, signer.end_slot, key)


@dataclass(frozen=True, slots=True)
class Page:
    """Arguments of one `draw`: members given before, the quorum's weight, members in rank."""

    position: int
    total_weight: int
    operator_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuorumTable:
    """Every quorum of an epoch, and the pages that draw it."""

    quorums: tuple[Quorum, ...]
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One blob's quorum and its map from rows to slots."""

    quorum_id: int
    step: int
    offset: int

    def slot_of(self, row: int) -> int:
        return (self.step * row + self.offset) % N

    def rows_of(self, signer: Signer) -> tuple[int, ...]:
        """The rows whose slots the signer holds, sorted."""
        inverse = pow(self.step, -1, N)
        slots = range(signer.first_slot, signer.end_slot)
        return tuple(sorted((slot - self.offset) * inverse % N for slot in slots))


def epoch_seed(epoch: int, randomness: bytes, *, chain_id: int, signers: bytes) -> Digest:
    """The seed of an epoch's draw; `signers` is the address of DASigners."""
    return keccak(words(TAG_DA_SEED, chain_id, signers, epoch, randomness))


def rank(seed: bytes, operator_id: int) -> int:
    """Operators are drawn in rising rank."""
    return int.from_bytes(keccak(words(seed, operator_id)), "big")


def blob_seed(seed: bytes, blob_id: bytes, entropy: bytes) -> Digest:
    """The seed of a blob's assignment; `entropy` is the hash of the block after its payment."""
    return keccak(words(TAG_DA_ASSIGN, seed, blob_id, entropy))


def assign(seed: bytes, quorum_count: int) -> Assignment:
    """Quorum and row map of a blob's seed; the step is coprime to N = 2^10 * 3."""
    rest, quorum_id = divmod(int.from_bytes(seed, "big"), quorum_count)
    choice, turn = rest % STEP_CHOICES, rest // STEP_CHOICES
    return Assignment(quorum_id, 6 * (choice // 2) + (1, 5)[choice % 2], turn % N)


def owner_of_row(quorum: Quorum, assignment: Assignment, row: int) -> int:
    """The operator that answers for a row."""
    slot = assignment.slot_of(row)
    return next(s.operator_id for s in quorum.signers if s.first_slot <= slot < s.end_slot)


def quorum_count_for(members: int) -> int:
    return max(1, members // MIN_QUORUM_SIGNERS)


def draw_table(members: Sequence[Member], seed: bytes, *, page_size: int = MAX_PAGE) -> QuorumTable:
    """The one table that members and seed allow. Raises: TableInvalid."""
    if not members:
        raise TableInvalid(members=0)
    quorums: list[Quorum] = []
    pages: list[Page] = []
    position = 0
    by_id = {member.operator_id: member for member in members}
    for ids in runs_of(list(by_id), seed):
        run = [by_id[one] for one in ids]
        total = sum(member.weight for member in run)
        if total == 0:
            raise TableInvalid(quorum=len(quorums), weight=0)
        quorums.append(_quorum_of(run))
        pages += (
            Page(position + offset, total, ids[offset : offset + page_size])
            for offset in range(0, len(run), page_size)
        )
        position += len(run)
    return QuorumTable(tuple(quorums), tuple(pages))


def runs_of(operator_ids: Sequence[int], seed: bytes) -> tuple[tuple[int, ...], ...]:
    """Members in rising rank, cut into the quorums of an epoch; keys and weights do not matter."""
    ordered = tuple(sorted(operator_ids, key=lambda operator_id: rank(seed, operator_id)))
    count = quorum_count_for(len(ordered))
    cuts = [quorum_id * len(ordered) // count for quorum_id in range(count + 1)]
    return tuple(ordered[start:end] for start, end in itertools.pairwise(cuts))


def slot_ranges(weights: Sequence[int]) -> list[tuple[int, int]]:
    """First and end slot of each member of a quorum, in its order; empty for who gets none."""
    total = sum(weights)
    ends = [N * seen // total for seen in itertools.accumulate(weights)]
    return list(itertools.pairwise([0, *ends]))


def _quorum_of(run: Sequence[Member]) -> Quorum:
    signers: list[Signer] = []
    keys: list[PublicKey] = []
    ranges = slot_ranges([member.weight for member in run])
    for member, (first, end) in zip(run, ranges, strict=True):
        if end > first:
            seal = seal_of(member.key, first, end)
            signers.append(Signer(member.operator_id, first, end, seal))
            keys.append(member.key)
    return Quorum(tuple(signers), aggregate_keys(keys))
