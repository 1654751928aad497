# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Fees, from payment to whoever earns them
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what was paid in = held + pool + Treasury's share + credits + withdrawn, to the wei. What is
        rewarded comes out of the pool alone.
@dev Nothing is pushed: every payout is a credit that its owner withdraws. The Treasury's share is counted over everything
     ever earned and credited by `_collect`, so that a certificate writes one slot of money.
"""
from ..interfaces import IDAEntrance
from ..shared import constants as C

TREASURY_BPS: constant(uint256) = 1_000  # of earned fees; the pool gets the rest
HALF: constant(uint256) = 128
LOW_HALF: constant(uint256) = 2**128 - 1

funds: uint256  # held << 128 | earned so far
collected: uint256  # of the Treasury's share, credited so far
rewarded: uint256  # of the pool, credited so far
credits: HashMap[address, uint256]


@external
def withdraw(to: address) -> uint256:
    """
    @notice Take what is credited to the caller: refunds, excess, rewards, the Treasury's share.
    @param to Receives it.
    @return Amount in wei.
    """
    amount: uint256 = self.credits[msg.sender]
    assert amount > 0, "fee_ledger: nothing to withdraw"
    assert to != empty(address), "fee_ledger: no receiver"

    self.credits[msg.sender] = 0

    raw_call(to, b"", value=amount)
    log IDAEntrance.Withdrawn(account=msg.sender, to=to, amount=amount)
    return amount


@external
@view
def credit_of(account: address) -> uint256:
    """
    @notice Wei that an account can withdraw.
    """
    return self.credits[account]


@external
@view
def held() -> uint256:
    """
    @notice Wei of blobs that are PAID.
    """
    return self.funds >> HALF


@external
@view
def reward_pool() -> uint256:
    """
    @notice Wei earned by those who serve, not given out yet.
    """
    return self._pool()


@internal
def _hold(fee: uint256, payer: address, excess: uint256):
    self._move(fee, 0, 0)
    if excess > 0:
        self.credits[payer] += excess


@internal
def _earn(fee: uint256):
    self._move(0, fee, fee)


@internal
def _give_back(fee: uint256, payer: address):
    self._move(0, fee, 0)
    self.credits[payer] += fee


@internal
def _collect(treasury: address) -> uint256:
    amount: uint256 = self._share() - self.collected
    self.collected += amount
    self.credits[treasury] += amount
    return amount


@internal
def _reward(to: address, amount: uint256):
    assert amount <= self._pool(), "fee_ledger: pool too small"

    self.rewarded += amount
    self.credits[to] += amount


@internal
def _move(more_held: uint256, less_held: uint256, more_earned: uint256):
    funds: uint256 = self.funds
    held: uint256 = (funds >> HALF) + more_held - less_held
    earned: uint256 = (funds & LOW_HALF) + more_earned
    assert held <= LOW_HALF and earned <= LOW_HALF, "fee_ledger: too much"
    self.funds = (held << HALF) | earned


@internal
@view
def _pool() -> uint256:
    """
    @dev The Treasury's share rounds down, the pool takes the remainder.
    """
    return (self.funds & LOW_HALF) - self._share() - self.rewarded


@internal
@view
def _share() -> uint256:
    """
    @dev The Treasury's, of everything ever earned.
    """
    return (self.funds & LOW_HALF) * TREASURY_BPS // C.BPS
