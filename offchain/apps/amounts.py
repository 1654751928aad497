"""Amounts of money as people type and read them: `100`, `0.2eth`, `5gwei`, `1wei`."""

import re
from decimal import Decimal
from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.units import GWEI, WEI_PER_COIN, Wei

_UNITS: Final = {"": WEI_PER_COIN, "eth": WEI_PER_COIN, "gwei": GWEI, "wei": 1}
_FORM: Final = re.compile(r"^([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([a-z]*)$")
_MOST_WEI: Final = 2**128 - 1


class AmountInvalid(InvalidInput):
    """An amount is a number with an optional unit: eth (or none), gwei, wei."""

    code = "amount.invalid"
    next_step = "Type an amount such as 100, 0.2eth or 5gwei."


def parse_amount(text: str) -> Wei:
    """Wei, exactly; a fraction of a wei is refused, not rounded. Raises: AmountInvalid."""
    match = _FORM.match(text.strip().lower())
    if not match or match[2] not in _UNITS:
        raise AmountInvalid(amount=text[:60])
    exact = Decimal(match[1]).scaleb(0) * _UNITS[match[2]]
    wei = int(exact)
    if exact != wei or wei > _MOST_WEI:
        raise AmountInvalid(amount=text[:60], reason="not a whole number of wei, or too large")
    return Wei(wei)


def show_amount(amount_wei: int) -> str:
    """Coins with as many digits as it takes, never rounded."""
    whole, rest = divmod(amount_wei, WEI_PER_COIN)
    digits = f"{rest:018d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
