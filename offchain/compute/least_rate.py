"""The lowest audit rate at which cheating loses money, for a price and a stake; pure.

From r p S > cover * g (economics.py): r = cover * g / (p S). g is what one cheated request can
gain, at most its price; S what the provider loses when a cheat is found.
Source: docs/protocol/compute.md#numerics-classes.
"""

from offchain.compute.economics import STAKE_COVER, OddsInvalid


def least_rate(*, gain: int, stake: int, detection: float, cover: float = STAKE_COVER) -> float:
    """A share of answers; above 1 no rate is enough. Raises: OddsInvalid."""
    if not 0 < detection <= 1 or gain <= 0 or stake <= 0 or cover <= 0:
        raise OddsInvalid(chances=(detection, cover), gain=gain, stake=stake)
    return cover * gain / (detection * stake)
