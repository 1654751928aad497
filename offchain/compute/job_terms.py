"""What a job asks for, what a sealed bid says, and what milestones pay: JobMarket's numbers, pure.

  bond        ceil(budget * bond_bps / 10,000), of every bid
  commitment  keccak(T_JOB_BID || job || operator id || price || salt), words
  score       price * (10,000 + risk); the lowest wins, of equal ones the first opened
  risk        10,000 * (failed + 1) / (settled + failed + 8), of the operator's jobs here
  milestone   floor(price * share / 10,000); the last takes what rounding left
  case        2^254 | job << 8 | milestone: the dispute of a milestone

Source: docs/protocol/compute.md#jobs, contracts/compute/job_{terms,bids,record,jury}.vy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.hashing import TAG_COMPUTE_JOB_BID, Digest, keccak
from offchain.core.typed_data import words

BPS: Final = 10_000
MAX_MILESTONES: Final = 8
LONGEST_SECONDS: Final = 366 * 86_400
FINE_BPS: Final = 1_000  # of the bond, for a bid that is not opened
PRIOR: Final = 8  # jobs that every operator is taken to have had, one of them failed
JURY_SEATS: Final = 7
JURY_ROUND: Final = 2
CASE_BIT: Final = 1 << 254


class PlanInvalid(InvalidInput):
    """The milestones are no plan: too many, shares that are not a whole, times that fall."""

    code = "compute.job.plan_invalid"
    next_step = "Name 1 to 8 milestones as SHARE:SECONDS, such as 50:3600,50:7200 (percent)."

    reason: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """`due` is seconds of work from the award."""

    share_bps: int
    due: int


@dataclass(frozen=True, slots=True)
class JobTerms:
    """Fields as the contract's `Terms`."""

    token: bytes
    kind: int
    level: int
    model_hash: bytes
    spec_hash: bytes
    bond_bps: int
    bid_seconds: int
    reveal_seconds: int
    review_seconds: int
    milestones: tuple[Milestone, ...]

    def fields(self) -> tuple[object, ...]:
        """As `JobMarket.post` takes it."""
        return (
            self.token,
            self.kind,
            self.level,
            self.model_hash,
            self.spec_hash,
            self.bond_bps,
            self.bid_seconds,
            self.reveal_seconds,
            self.review_seconds,
            [(one.share_bps, one.due) for one in self.milestones],
        )


@dataclass(frozen=True, slots=True)
class SealedBid:
    """What a bid says once it is opened; only its commitment is seen before."""

    job: int
    operator_id: int
    price: int
    salt: bytes

    def commitment(self) -> Digest:
        """What is sealed."""
        return keccak(words(TAG_COMPUTE_JOB_BID, self.job, self.operator_id, self.price, self.salt))


def parse_plan(text: str) -> tuple[Milestone, ...]:
    """Read `50:3600,50:7200`: percent of the price and seconds of work. Raises: PlanInvalid."""
    found = []
    for part in text.split(","):
        share, _, due = part.strip().partition(":")
        try:
            bps = round(float(share) * 100)
            found.append(Milestone(bps, int(due)))
        except (ValueError, OverflowError) as failure:
            raise PlanInvalid(reason=f"not SHARE:SECONDS: {part.strip()[:40]!r}") from failure
    check_plan(found)
    return tuple(found)


def check_plan(milestones: Sequence[Milestone]) -> None:
    """Refuse what the contract would. Raises: PlanInvalid."""
    if not 1 <= len(milestones) <= MAX_MILESTONES:
        raise PlanInvalid(reason=f"{len(milestones)} milestones")
    if any(not 0 < one.share_bps <= BPS for one in milestones):
        raise PlanInvalid(reason="empty share")
    dues = [0, *(one.due for one in milestones)]
    if any(later <= earlier for earlier, later in pairwise(dues)):
        raise PlanInvalid(reason="times do not rise")
    if dues[-1] > LONGEST_SECONDS:
        raise PlanInvalid(reason="longer than a year")
    if sum(one.share_bps for one in milestones) != BPS:
        raise PlanInvalid(reason="shares are not 100 %")


def unpack_plan(shares: int, dues: int) -> tuple[Milestone, ...]:
    """Milestones out of the contract's two words: shares of 16 bits, times of 32, first lowest."""
    found = []
    for number in range(MAX_MILESTONES):
        share = shares >> 16 * number & 0xFFFF
        if share == 0:
            break
        found.append(Milestone(share, dues >> 32 * number & 0xFFFF_FFFF))
    return tuple(found)


def bond_of(budget: int, bond_bps: int) -> int:
    """What a bid needs, base units."""
    return -(-budget * bond_bps // BPS)


def risk_bps(*, settled: int, failed: int) -> int:
    """How much more a price counts, ten-thousandths."""
    return BPS * (failed + 1) // (settled + failed + PRIOR)


def score(price: int, risk: int) -> int:
    """What an auction compares; the lowest wins."""
    return price * (BPS + risk)


def milestone_amounts(price: int, milestones: Sequence[Milestone]) -> tuple[int, ...]:
    """What each milestone pays; together the price."""
    amounts = [price * one.share_bps // BPS for one in milestones[:-1]]
    return (*amounts, price - sum(amounts))


def case_id(job: int, milestone: int) -> int:
    """The dispute of a milestone."""
    return CASE_BIT | job << 8 | milestone
