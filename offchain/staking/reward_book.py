"""Rewards owed to delegators and operators, exact in units of 2**-128 wei.

Source: docs/protocol/staking.md#rewards, contracts/staking/rewards.vy.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from offchain.chain.model import Address
from offchain.staking.errors import CommissionTooHigh, NoStakeToReward
from offchain.staking.model import BPS, PoolId

UNITS_PER_WEI: Final = 2**128


@dataclass(frozen=True, slots=True)
class Rate:
    """A commission and the one that follows it."""

    since: int = 0
    next_bps: int = 0
    current_bps: int = 0

    def at(self, now: int) -> int:
        return self.next_bps if now >= self.since else self.current_bps


@dataclass(slots=True)
class RewardBook:
    """Every reward that was funded and what became of it."""

    commission_delay: int
    accrued: defaultdict[tuple[PoolId, int], int] = field(default_factory=lambda: defaultdict(int))
    carries: defaultdict[PoolId, int] = field(default_factory=lambda: defaultdict(int))
    entries: defaultdict[tuple[Address, PoolId], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    owed_units: defaultdict[tuple[Address, PoolId], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    operator_owed: defaultdict[PoolId, int] = field(default_factory=lambda: defaultdict(int))
    rates: dict[PoolId, Rate] = field(default_factory=dict)
    funded: int = 0
    paid: int = 0

    def distribute(
        self,
        pool: PoolId,
        amount: int,
        *,
        tranches: tuple[int, int],
        shares: int,
        place: tuple[int, int],
    ) -> None:
        """`place` is the open generation and the time. Raises: NoStakeToReward."""
        own, delegated = tranches
        generation, now = place
        if own + delegated == 0:
            raise NoStakeToReward(pool=pool)
        for_operator = amount * own // (own + delegated)
        for_delegators = amount - for_operator
        commission = for_delegators * self.commission(pool, now) // BPS
        for_delegators -= commission
        if for_delegators:
            units = for_delegators * UNITS_PER_WEI + self.carries[pool]
            self.accrued[pool, generation] += units // shares
            self.carries[pool] = units % shares
        self.operator_owed[pool] += for_operator + commission
        self.funded += amount

    def settle(
        self, account: Address, pool: PoolId, *, generation: int, shares: int, next_generation: int
    ) -> None:
        """Credit what the shares earned; call before shares or generation change."""
        self.owed_units[account, pool] += self._pending(account, pool, generation, shares)
        self.entries[account, pool] = self.accrued[pool, next_generation]

    def collect(self, account: Address, pool: PoolId, *, is_owner: bool) -> int:
        amount, self.owed_units[account, pool] = divmod(
            self.owed_units[account, pool], UNITS_PER_WEI
        )
        if is_owner:
            amount += self.operator_owed[pool]
            self.operator_owed[pool] = 0
        self.paid += amount
        return amount

    def claimable(
        self, account: Address, pool: PoolId, *, generation: int, shares: int, is_owner: bool
    ) -> int:
        units = self.owed_units[account, pool] + self._pending(account, pool, generation, shares)
        return units // UNITS_PER_WEI + (self.operator_owed[pool] if is_owner else 0)

    def set_commission(self, pool: PoolId, bps: int, *, now: int, is_immediate: bool) -> None:
        """Raises: CommissionTooHigh."""
        if bps > BPS:
            raise CommissionTooHigh(bps=bps)
        current = self.commission(pool, now)
        waits = bps > current and not is_immediate
        self.rates[pool] = Rate(
            since=now + self.commission_delay if waits else now,
            next_bps=bps,
            current_bps=current if waits else bps,
        )

    def commission(self, pool: PoolId, now: int) -> int:
        return self.rates.get(pool, Rate()).at(now)

    def _pending(self, account: Address, pool: PoolId, generation: int, shares: int) -> int:
        if not shares:
            return 0
        return shares * (self.accrued[pool, generation] - self.entries[account, pool])
