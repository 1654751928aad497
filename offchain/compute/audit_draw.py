"""Whom and what an audit draws, and what its votes decide: AuditCourt's numbers, pure.

  draws      min(ceil(1 % of the leaves), 64) points; point j is uniform in the j-th of as many
             equal parts of what the batch moved, so dear answers are drawn more often
  seed       keccak(T_AUDIT || R_e || hash of block `seed block` || audit || round), words; without
             the hash (nobody remembers the block) every draw is a whole part, 64 of them
  committee  attempt a falls on the point that keccak(keccak(T_COMMITTEE || seed) || a) draws on the
             whole ALIGNMENT line; the provider's operator and repeats are passed over, 24 attempts
  ballot     keccak(T_BALLOT || audit || round || operator || failed || statistics || salt), words
  penalty    ceil(2 * total / (draws * 0.99)) wei a failed draw

Source: docs/protocol/compute.md#audits, contracts/compute/{slash_size,committee,ballots}.vy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.core.hashing import (
    TAG_COMPUTE_AUDIT,
    TAG_COMPUTE_BALLOT,
    TAG_COMPUTE_COMMITTEE,
    TAG_COMPUTE_LEAF,
    Digest,
    keccak,
)
from offchain.core.typed_data import words
from offchain.staking.tree import StakeTree, draw_point

RATE_BPS: Final = 100
MAX_DRAWS: Final = 64
DETECTION_BPS: Final = 9_900
STAKE_COVER: Final = 2
DECLARED_DIVISOR: Final = 10
PRICE_FACTOR: Final = 10
BPS: Final = 10_000
SEED_BLOCKS: Final = 2
FIRST_SEATS: Final = 3
SECOND_SEATS: Final = 7
LEAST_SEATS: Final = 2
MAX_ATTEMPTS: Final = 24
REQUEST_BIT: Final = 1 << 255
WHOLE_ITEM: Final = (1 << 256) - 1
CLAIMED_PART: Final = (1 << 256) - 2


@dataclass(frozen=True, slots=True)
class Span:
    """Units of a batch, first and last, of which a drawn leaf holds at least one."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Committee:
    """Operator ids by seat, and the seats of the stake tree that attempts fell on, in order."""

    members: tuple[int, ...]
    attempts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Bit j: draw j failed; enough of the committee agreed on draw j."""

    failed: int
    decided: int

    def is_split(self, draws: int) -> bool:
        return self.decided != (1 << draws) - 1


def draws_of(leaves: int) -> int:
    """How many points of a batch are audited."""
    return min(-(-leaves * RATE_BPS // BPS), MAX_DRAWS)


def penalty_of(total_wei: int, draws: int) -> int:
    """Wei of stake that one failed draw costs, S."""
    return max(-(-STAKE_COVER * total_wei * BPS // (draws * DETECTION_BPS)), 1)


def declared_penalty_of(price_wei: int, penalty_wei: int) -> int:
    """Wei that a fault costs which the provider declares before the draw."""
    return max(min(price_wei // DECLARED_DIVISOR, penalty_wei), 1)


def leaf_key(batch: int, index: int, leaf: int) -> Digest:
    """The name under which a leaf pays back, once; WHOLE_ITEM and CLAIMED_PART stand for leaves."""
    return keccak(words(TAG_COMPUTE_LEAF, batch, index, leaf))


def request_id(batch: int, point: int) -> int:
    """The audit that a payer asks for, of the answer that unit `point` of the batch pays."""
    return int.from_bytes(keccak(words(TAG_COMPUTE_AUDIT, batch, point)), "big") | REQUEST_BIT


def seed_of(random: bytes, block_hash: bytes, *, audit: int, rnd: int) -> Digest:
    """The seed of a round; `block_hash` is zero where nobody remembers the block."""
    return keccak(words(TAG_COMPUTE_AUDIT, random, block_hash, audit, rnd))


def span_of(seed: bytes, number: int, *, draws: int, total: int, is_whole: bool = False) -> Span:
    """What draw `number` of a batch's own audit asks for."""
    if is_whole:
        first = number * total // draws
        return Span(first, max((number + 1) * total // draws, first + 1) - 1)
    point = draw_point(seed, number, strata=draws, total_wei=total)
    return Span(point, point)


def committee_of(seed: bytes, tree: StakeTree, *, seats: int, barred: int) -> Committee:
    """Who judges: `barred` is the provider's operator."""
    members: list[int] = []
    attempts: list[int] = []
    start = keccak(TAG_COMPUTE_COMMITTEE, seed)
    for attempt in range(MAX_ATTEMPTS if tree.total_wei else 0):
        if len(members) == seats:
            break
        chance = keccak(start, attempt.to_bytes(32, "big"))
        seat = tree.seat_at(draw_point(chance, 0, strata=1, total_wei=tree.total_wei))
        operator_id = tree.leaves[seat].operator_id
        attempts.append(seat)
        if operator_id != barred and operator_id not in members:
            members.append(operator_id)
    return Committee(tuple(members), tuple(attempts))


def candidates_of(committee: Committee, tree: StakeTree) -> list[tuple[object, ...]]:
    """The leaves and paths that show a committee, as AuditCourt.draw takes them."""
    shown: list[tuple[object, ...]] = []
    for seat in committee.attempts:
        leaf, path = tree.leaves[seat], tree.path(seat)
        one = (leaf.operator_id, leaf.weight_wei, leaf.key_hash, seat)
        shown.append((*one, list(path.siblings), list(path.sums_wei)))
    return shown


@dataclass(frozen=True, slots=True)
class Ballot:
    """One auditor's judgement of one round; `statistics` is the hash of what he measured."""

    audit: int
    rnd: int
    operator_id: int
    failed: int
    statistics: bytes
    salt: bytes

    def commitment(self) -> Digest:
        """What is sealed before anybody's ballot is open."""
        return keccak(
            words(
                TAG_COMPUTE_BALLOT,
                self.audit,
                self.rnd,
                self.operator_id,
                self.failed,
                self.statistics,
                self.salt,
            )
        )


def needed(seats: int, rnd: int) -> int:
    """Equal votes that decide a draw: more than half of three, more than two thirds of seven."""
    return seats // 2 + 1 if rnd == 1 else seats * 2 // 3 + 1


def tally(votes: Sequence[int], *, seats: int, rnd: int, draws: int) -> Verdict:
    """What the opened ballots of a round decide."""
    failed = decided = 0
    for number in range(draws):
        against = sum(vote >> number & 1 for vote in votes)
        is_failed = against >= needed(seats, rnd)
        failed |= is_failed << number
        decided |= (is_failed or len(votes) - against >= needed(seats, rnd)) << number
    return Verdict(failed, decided)
