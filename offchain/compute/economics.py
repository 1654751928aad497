"""How much stake makes cheating a loss, and how soon it is caught; pure.

A provider who cheats on requests gains g on each, is drawn with probability r, found out with
probability p per draw, and then loses stake S and forfeited fees F. He is honest if
r p (S + F) > g, so S = cover * g / (r p) makes the worst run cost `cover` times what it gained.
Source: docs/protocol/compute.md#audits.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from offchain.core.errors import InvalidInput

AUDIT_RATE: Final = 0.01
STAKE_COVER: Final = 2.0
COMMITTEE: Final = 3
CONFIDENCE: Final = 0.95


class OddsInvalid(InvalidInput):
    """A rate or a probability lies outside (0, 1]."""

    code = "compute.odds.invalid"


@dataclass(frozen=True, slots=True)
class AuditOdds:
    """One line of the table: what these odds ask of a provider.

    `stake_per_gain` is S / g; `draws_to_catch` how many draws find, with CONFIDENCE, a provider who
    cheats on `cheated_share` of his answers; `answers_to_catch` how many answers that takes;
    `audit_share` what auditing costs against what was served.
    """

    rate: float
    detection: float
    cover: float
    stake_per_gain: float
    draws_to_catch: int
    answers_to_catch: int
    audit_share: float


def stake_needed(gain: int, *, rate: float, detection: float, cover: float = STAKE_COVER) -> int:
    """The stake in base units that covers a gain per request, rounded up. Raises: OddsInvalid."""
    _check(rate, detection)
    return math.ceil(cover * gain / (rate * detection))


def draws_to_catch(detection: float, cheated_share: float, confidence: float = CONFIDENCE) -> int:
    """How many drawn answers until one cheated one is found. Raises: OddsInvalid."""
    _check(detection, cheated_share)
    hit = detection * cheated_share
    return 1 if hit >= 1 else math.ceil(math.log(1 - confidence) / math.log(1 - hit))


def audit_odds(
    *,
    rate: float = AUDIT_RATE,
    detection: float = 0.99,
    cover: float = STAKE_COVER,
    cheated_share: float = 0.1,
    prefill_share: float = 0.1,
) -> AuditOdds:
    """One line of the table. `prefill_share`: a prefill's compute over serving the same answer."""
    draws = draws_to_catch(detection, cheated_share)
    return AuditOdds(
        rate=rate,
        detection=detection,
        cover=cover,
        stake_per_gain=cover / (rate * detection),
        draws_to_catch=draws,
        answers_to_catch=math.ceil(draws / rate),
        audit_share=rate * COMMITTEE * prefill_share,
    )


def odds_table(
    rates: Iterable[float] = (0.005, 0.01, 0.02, 0.05),
    detections: Iterable[float] = (0.99, 0.4, 0.013),
    *,
    cover: float = STAKE_COVER,
) -> tuple[AuditOdds, ...]:
    """Every pair of a rate and a probability of detection."""
    chances = tuple(detections)
    return tuple(
        audit_odds(rate=rate, detection=chance, cover=cover) for rate in rates for chance in chances
    )


def _check(*chances: float) -> None:
    if not all(0 < chance <= 1 for chance in chances):
        raise OddsInvalid(chances=chances)
