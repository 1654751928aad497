# pragma version 0.4.3
"""
@title Rewards of delegators and operators
@license AGPL-3.0-only
@author Apogee
@notice Invariant: rewards funded == paid + owed + fractions + carry, exactly, in units of 2**-128 wei.
@dev `accrued` counts units of 2**-128 wei per share, per generation of a pool. The remainder of each division stays in
     `carries`, the fraction of a delegator's product in his own record. Nothing here is ever slashed.
"""
from ..interfaces import IStakeManager
from ..shared import constants as C

UNIT_SHIFT: constant(uint256) = 128
FRACTION: constant(uint256) = 2**128 - 1
LOW_16: constant(uint256) = 2**16 - 1

commission_delay: uint256  # seconds a raise waits
accrued: HashMap[uint256, HashMap[uint256, uint256]]  # pool -> generation -> units per share
carries: HashMap[uint256, uint256]  # pool -> units not yet accrued
entries: HashMap[address, HashMap[uint256, uint256]]  # account -> pool -> `accrued` when last settled
owed: HashMap[address, HashMap[uint256, uint256]]  # account -> pool -> wei 128 | fraction 128
operator_owed: HashMap[uint256, uint256]  # pool -> wei
rates: HashMap[uint256, uint256]  # pool -> next from 64 | next bps 16 | current bps 16


@deploy
def __init__(commission_delay: uint256):
    self.commission_delay = commission_delay


@internal
def _distribute(
    pool: uint256, amount: uint256, generation: uint256, own: uint256, delegated: uint256, shares: uint256
):
    assert own + delegated > 0, "rewards: no stake"

    for_operator: uint256 = amount * own // (own + delegated)
    for_delegators: uint256 = amount - for_operator
    commission: uint256 = for_delegators * self._commission(pool) // C.BPS
    for_operator += commission
    for_delegators -= commission
    if for_delegators > 0:
        units: uint256 = (for_delegators << UNIT_SHIFT) + self.carries[pool]
        self.accrued[pool][generation] += units // shares
        self.carries[pool] = units % shares
    self.operator_owed[pool] += for_operator
    log IStakeManager.Rewarded(pool=pool, operator=for_operator, delegators=for_delegators)


@internal
def _settle(account: address, pool: uint256, generation: uint256, shares: uint256, next_generation: uint256):
    """
    @dev Credit what `shares` earned since the last call; call before shares or generation of the account change.
    """
    earned: uint256 = self._earned(account, pool, generation, shares)
    if earned > 0:
        self.owed[account][pool] += earned
    self.entries[account][pool] = self.accrued[pool][next_generation]


@internal
def _collect(account: address, pool: uint256, is_owner: bool) -> uint256:
    word: uint256 = self.owed[account][pool]
    amount: uint256 = word >> UNIT_SHIFT
    self.owed[account][pool] = word & FRACTION
    if is_owner:
        amount += self.operator_owed[pool]
        self.operator_owed[pool] = 0
    return amount


@internal
def _set_commission(pool: uint256, bps: uint256, is_immediate: bool):
    """
    @dev A raise waits longer than unbonding, so it binds only those who could have left.
    """
    assert bps <= C.BPS, "rewards: commission > 100 %"

    current: uint256 = self._commission(pool)
    since: uint256 = block.timestamp
    if bps > current and not is_immediate:
        since += self.commission_delay
    else:
        current = bps
    self.rates[pool] = since << 32 | bps << 16 | current
    log IStakeManager.CommissionSet(pool=pool, commission_bps=bps, since=since)


@internal
@view
def _claimable(account: address, pool: uint256, generation: uint256, shares: uint256, is_owner: bool) -> uint256:
    units: uint256 = self.owed[account][pool] + self._earned(account, pool, generation, shares)
    amount: uint256 = units >> UNIT_SHIFT
    if is_owner:
        amount += self.operator_owed[pool]
    return amount


@internal
@view
def _earned(account: address, pool: uint256, generation: uint256, shares: uint256) -> uint256:
    """
    @dev Units since the account was settled; without shares its entry belongs to no generation.
    """
    if shares == 0:
        return 0
    return shares * (self.accrued[pool][generation] - self.entries[account][pool])


@internal
@view
def _commission(pool: uint256) -> uint256:
    word: uint256 = self.rates[pool]
    if block.timestamp >= word >> 32:
        return (word >> 16) & LOW_16
    return word & LOW_16
