# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Wei that accounts may take from the court of verdicts
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a credit is paid once, in full, where its owner says; nobody's refusal stops another.
"""
from ..interfaces import IAttestationDemands

credit_of: reentrant(public(HashMap[address, uint256]))


@external
def withdraw(to: address) -> uint256:
    """
    @notice Take what is credited to the caller: bonds earned or given back.
    @param to Receives it.
    @return Amount in wei.
    """
    amount: uint256 = self.credit_of[msg.sender]
    assert amount != 0, "credits: nothing to take"
    assert to != empty(address), "credits: no receiver"

    self.credit_of[msg.sender] = 0
    log IAttestationDemands.Withdrawn(account=msg.sender, to=to, amount=amount)

    success: bool = raw_call(to, b"", value=amount, revert_on_failure=False)
    assert success, "credits: receiver refused"
    return amount


@internal
def _credit(account: address, amount: uint256):
    if amount != 0:
        self.credit_of[account] += amount
