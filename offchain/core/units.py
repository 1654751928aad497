"""Units that appear in names, and the conversions between them with their rounding.

Amounts are wei unless the name says otherwise; times are chain seconds.
"""

from typing import Final, NewType

Wei = NewType("Wei", int)
Seconds = NewType("Seconds", int)
BlockNumber = NewType("BlockNumber", int)

WEI_PER_COIN: Final = 10**18
GWEI: Final = 10**9
BPS: Final = 10_000
MEGABYTE: Final = 1_000_000
HOUR: Final = 3_600
DAY: Final = 86_400


def coins(amount: float | str) -> Wei:
    """Whole coins to wei, exactly for decimal strings; a float is read through its repr."""
    from decimal import Decimal

    return Wei(int(Decimal(str(amount)) * WEI_PER_COIN))


def share_bps(amount_wei: int, bps: int) -> int:
    """`bps` ten-thousandths of an amount, rounded down."""
    return amount_wei * bps // BPS
