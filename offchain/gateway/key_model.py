"""An API key: what it may do, what it has spent, and how a charge is held and settled; pure.

  hold      before a request: spent + held + hold <= cap, in total and on this day
  settle    after it: the hold goes, the real price (at most the hold) is spent

What is held counts against both caps, so requests side by side never exceed one. Amounts are base
units of the key's `token`, times Unix seconds, days those of UTC.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.units import DAY
from offchain.gateway.errors import KeyCapReached, KeyExpired, KeyRevoked, ScopeMissing

NATIVE_COIN: Final = bytes(20)
MOST_LABEL: Final = 64
MOST_MODELS: Final = 64
MOST_AMOUNT: Final = (1 << 96) - 1
MOST_PER_SECOND: Final = 100_000.0
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}", re.ASCII)


class Scope(StrEnum):
    """What a key is good for."""

    DA = "da"
    COMPUTE = "compute"
    STORAGE = "storage"


class KeyTermsInvalid(InvalidInput):
    """A key's terms are not usable."""

    code = "gateway.key_terms"
    next_step = "Correct the value named above; `apogee key new --help` has an example."


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What the owner allows. Empty `models` and `kinds`: all; None: no such limit.

    `per_second`: requests, on average; `expiry`: Unix seconds; `min_level`: of verifiability;
    `kinds`: numbers of compute/model.py's Kind.
    """

    scopes: frozenset[Scope]
    models: frozenset[str] = frozenset()
    kinds: frozenset[int] = frozenset()
    min_level: int = 0
    is_simulated_allowed: bool = True
    token: bytes = NATIVE_COIN
    cap_total: int | None = None
    cap_day: int | None = None
    per_second: float | None = None
    expiry: int | None = None

    def __post_init__(self) -> None:
        if not self.scopes:
            raise KeyTermsInvalid(reason="a key without a scope opens nothing")
        if len(self.models) > MOST_MODELS or any(len(one) > 200 for one in self.models):
            raise KeyTermsInvalid(reason="too many models", maximum=MOST_MODELS)
        for cap in (self.cap_total, self.cap_day):
            if cap is not None and not 0 <= cap <= MOST_AMOUNT:
                raise KeyTermsInvalid(reason="a cap must fit 96 bits", cap=cap)
        if self.per_second is not None and not 0 < self.per_second <= MOST_PER_SECOND:
            raise KeyTermsInvalid(reason="requests per second", per_second=self.per_second)
        if len(self.token) != len(NATIVE_COIN) or not 0 <= self.min_level <= 3:
            raise KeyTermsInvalid(reason="token or level", min_level=self.min_level)

    @property
    def is_capped(self) -> bool:
        return self.cap_total is not None or self.cap_day is not None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as the book keeps it; the key itself is in no book."""

    id: str
    label: str
    terms: KeyTerms
    made_at: int
    revoked_at: int | None = None
    spent: int = 0
    held: int = 0
    day: int = 0
    day_spent: int = 0
    last_used: int = 0

    def require_usable(self, now: int) -> None:
        """Raises: KeyRevoked, KeyExpired."""
        if self.revoked_at is not None:
            raise KeyRevoked(key=self.id)
        if self.terms.expiry is not None and now >= self.terms.expiry:
            raise KeyExpired(key=self.id, expired_at=self.terms.expiry)

    def require_scope(self, scope: Scope) -> None:
        """Raises: ScopeMissing, also where a capped key would spend what no cap counts."""
        if scope not in self.terms.scopes:
            raise ScopeMissing(key=self.id, scope=scope.value)
        if self.terms.is_capped and scope is not Scope.COMPUTE:
            raise ScopeMissing(key=self.id, scope=scope.value, reason="caps count compute only")

    def spent_on(self, day: int) -> int:
        return self.day_spent if self.day == day else 0

    def left(self, now: int) -> int | None:
        """What may still be held; None without a cap."""
        terms, day = self.terms, now // DAY
        lefts = []
        if terms.cap_total is not None:
            lefts.append(terms.cap_total - self.spent - self.held)
        if terms.cap_day is not None:
            lefts.append(terms.cap_day - self.spent_on(day) - self.held)
        return max(0, min(lefts)) if lefts else None

    def hold(self, amount: int, now: int) -> "KeyRecord":
        """With `amount` held. Raises: KeyRevoked, KeyExpired, KeyCapReached."""
        self.require_usable(now)
        left = self.left(now)
        if left is not None and amount > left:
            total, day = self.terms.cap_total, self.terms.cap_day
            raise KeyCapReached(key=self.id, hold=amount, left=left, cap_total=total, cap_day=day)
        return replace(self, held=self.held + amount, last_used=now)

    def settle(self, held: int, price: int, now: int) -> "KeyRecord":
        """With a hold gone and its price spent."""
        assert 0 <= price <= held <= self.held
        day = now // DAY
        return replace(
            self,
            held=self.held - held,
            spent=self.spent + price,
            day=day,
            day_spent=self.spent_on(day) + price,
        )


def require_label(label: str) -> str:
    """A name for people. Raises: KeyTermsInvalid."""
    if _LABEL.fullmatch(label) is None:
        raise KeyTermsInvalid(reason="a label is 1 to 64 letters, digits, spaces, . _ @ -")
    return label
