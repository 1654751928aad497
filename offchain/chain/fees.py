"""What a transaction offers, first and when it must be replaced; pure.

A replacement offers at least 12.5 % more of both parts: geth and Anvil ask for 10 %, others for
12.5 %. Source: EIP-1559; go-ethereum core/txpool/legacypool PriceBump.
"""

from dataclasses import dataclass
from typing import Final

from offchain.chain.model import FeeQuote
from offchain.core.units import BPS, GWEI

BUMP_BPS: Final = 11_250


@dataclass(frozen=True, slots=True)
class Offer:
    """The most paid for a unit of gas, and how much of it goes to the proposer."""

    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """How much a transaction may cost.

    `cap_wei`: never offer more per gas. `headroom_bps`: how much the base fee may grow before the
    first offer fails; 20,000 is a doubling, six full blocks in a row. `least_tip_wei`: offered
    even where the node suggests nothing.
    """

    cap_wei: int = 500 * GWEI
    headroom_bps: int = 20_000
    least_tip_wei: int = 1


def first_offer(quote: FeeQuote, policy: FeePolicy) -> Offer:
    """What a new transaction offers; never above the cap."""
    tip = max(quote.tip_wei, policy.least_tip_wei)
    wanted = quote.base_fee_wei * policy.headroom_bps // BPS + tip
    highest = min(wanted, policy.cap_wei)
    return Offer(highest, min(tip, highest))


def next_offer(previous: Offer, quote: FeeQuote, policy: FeePolicy) -> Offer | None:
    """What replaces `previous`; None when that would pass the cap."""
    fresh = first_offer(quote, policy)
    highest = max(fresh.max_fee_wei, _bumped(previous.max_fee_wei))
    if highest > policy.cap_wei:
        return None
    return Offer(highest, min(max(fresh.tip_wei, _bumped(previous.tip_wei)), highest))


def _bumped(amount_wei: int) -> int:
    """At least 12.5 % more, rounded up, and at least one wei."""
    return max(-(-amount_wei * BUMP_BPS // BPS), amount_wei + 1)
