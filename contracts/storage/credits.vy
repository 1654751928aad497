# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What accounts may take
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a credit is paid once, in full, where its owner says; nobody's refusal stops another.
"""
from ..interfaces import IStorageMarket

credit_of: public(HashMap[address, uint256])  # wei


@external
def withdraw(to: address) -> uint256:
    """
    @notice Take what is credited to the caller: refunds, what files did not cost, pay of seats, tips.
    @param to Receives it.
    @return Amount in wei.
    """
    amount: uint256 = self.credit_of[msg.sender]
    assert amount != 0, "credits: nothing to withdraw"
    assert to != empty(address), "credits: no receiver"

    self.credit_of[msg.sender] = 0
    log IStorageMarket.Withdrawn(account=msg.sender, to=to, amount=amount)

    self._send(to, amount)
    return amount


@internal
def _credit(account: address, amount: uint256):
    if amount != 0:
        self.credit_of[account] += amount


@internal
def _send(to: address, amount: uint256):
    """
    @dev Only to whoever called, or where he says.
    """
    if amount == 0:
        return
    success: bool = raw_call(to, b"", value=amount, revert_on_failure=False)
    assert success, "credits: receiver refused"
