# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Credits, pulled by those they belong to
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a credit is paid once, in full, to an address its owner names; nobody's refusal stops another.
"""
from ..interfaces import ISlashingCourt

credit_of: reentrant(public(HashMap[address, uint256]))  # wei


@external
def withdraw(to: address) -> uint256:
    """
    @notice Pay the caller's credit.
    @param to Who receives it.
    @return Wei paid.
    """
    amount: uint256 = self.credit_of[msg.sender]
    assert amount != 0, "credits: nothing to pay"
    assert to != empty(address), "credits: no receiver"

    self.credit_of[msg.sender] = 0
    log ISlashingCourt.Withdrawn(account=msg.sender, to=to, amount=amount)

    success: bool = raw_call(to, b"", value=amount, revert_on_failure=False)
    assert success, "credits: receiver refused"
    return amount


@internal
def _credit(account: address, amount: uint256):
    if amount != 0:
        self.credit_of[account] += amount
