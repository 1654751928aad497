"""How sure a few rows make a light client, in exact fractions; pure.

A blob that cannot be rebuilt has at most K-1 rows that anybody can have. Of s rows drawn uniformly
without repetition, at least g come from those with probability at most

  sum over x >= g of C(K-1, x) C(N-K+1, s-x) / C(N, s)

A sampler that asks for more when some fail looks several times. Look j may spend alpha / 2^(j+1) of
the doubt it was allowed, so the looks together stay below alpha whatever the answers.
Source: docs/protocol/da.md#sampling, INV-DA-18.
"""

from fractions import Fraction
from functools import cache
from math import comb
from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.layout import K, N

MAX_DIGITS: Final = 30


class ConfidenceInvalid(InvalidInput):
    """A confidence lies above 0 and below 1."""

    code = "da.sample.confidence_invalid"
    next_step = "Ask for a confidence such as 0.999999; 1 needs the whole blob (`apogee da get`)."


def parse_confidence(text: str) -> Fraction:
    """A decimal between 0 and 1, both excluded. Raises: ConfidenceInvalid."""
    if len(text) > MAX_DIGITS:
        raise ConfidenceInvalid(digits=len(text), maximum=MAX_DIGITS)
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfidenceInvalid(confidence=text) from error
    if not 0 < value < 1:
        raise ConfidenceInvalid(confidence=text)
    return value


@cache
def doubt(good: int, asked: int, *, needed: int = K, total: int = N) -> Fraction:
    """The most probable that `good` of `asked` rows come although fewer than `needed` exist."""
    assert 0 <= good <= asked <= total
    there, gone = needed - 1, total - needed + 1
    ways = sum(comb(there, x) * comb(gone, asked - x) for x in range(good, asked + 1))
    return Fraction(ways, comb(total, asked))


def allowed_at(look: int, alpha: Fraction) -> Fraction:
    """What look 0, 1, 2 ... may spend of `alpha`; all of them together less than it."""
    return alpha / (1 << look + 1)


def rows_to_ask(failed: int, allowed: Fraction, *, needed: int = K, total: int = N) -> int | None:
    """The fewest rows, `failed` of them without a good answer, that leave no more doubt."""
    low, high = failed, total
    if doubt(total - failed, total, needed=needed, total=total) > allowed:
        return None
    while low < high:
        middle = (low + high) // 2
        if doubt(middle - failed, middle, needed=needed, total=total) <= allowed:
            high = middle
        else:
            low = middle + 1
    return low


def show_confidence(doubt_left: Fraction) -> str:
    """1 - doubt as a decimal that never says more than is true: two digits after the nines."""
    digits = 2
    while digits < MAX_DIGITS and doubt_left * 10**digits < 100:
        digits += 1
    scaled = (1 - doubt_left) * 10**digits
    floor = scaled.numerator // scaled.denominator
    return f"{floor // 10**digits}.{floor % 10**digits:0{digits}d}"
