# pragma version 0.4.3
"""
@title Fees, from payment to whoever earns them
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what was paid in = held + pool + credits + withdrawn, to the wei.
@dev Nothing is pushed: every payout is a credit that its owner withdraws.
"""
from ..shared import constants as C

TREASURY_BPS: constant(uint256) = 1_000  # of a confirmed blob's fee; the pool gets the rest
HALF: constant(uint256) = 128
LOW_HALF: constant(uint256) = 2**128 - 1

funds: uint256  # held << 128 | pool: both change with every certificate
credits: HashMap[address, uint256]


@internal
def _hold(fee: uint256, payer: address, excess: uint256):
    self._set_funds(self._held() + fee, self._pool())
    if excess > 0:
        self.credits[payer] += excess


@internal
def _earn(fee: uint256, treasury: address):
    """
    @dev A held fee is earned: the Treasury's share rounds down, the pool takes the remainder.
    """
    share: uint256 = fee * TREASURY_BPS // C.BPS
    funds: uint256 = self.funds
    self._set_funds((funds >> HALF) - fee, (funds & LOW_HALF) + fee - share)
    self.credits[treasury] += share


@internal
def _give_back(fee: uint256, payer: address):
    self._set_funds(self._held() - fee, self._pool())
    self.credits[payer] += fee


@internal
def _withdraw(account: address, to: address) -> uint256:
    amount: uint256 = self.credits[account]
    assert amount > 0, "fee_ledger: nothing to withdraw"
    assert to != empty(address), "fee_ledger: no receiver"

    self.credits[account] = 0

    raw_call(to, b"", value=amount)
    return amount


@internal
def _set_funds(held: uint256, pool: uint256):
    assert held <= LOW_HALF and pool <= LOW_HALF, "fee_ledger: too much"
    self.funds = (held << HALF) | pool


@view
@internal
def _held() -> uint256:
    return self.funds >> HALF


@view
@internal
def _pool() -> uint256:
    return self.funds & LOW_HALF
