# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Money that its owner may take at any time
@license AGPL-3.0-only
@author Apogee
@notice Invariant: free money grows only by what has really arrived or was another's here, and leaves only where its
        owner says; nobody's refusal stops another.
"""
from ethereum.ercs import IERC20
from ..interfaces import IComputeEscrow

free: HashMap[address, HashMap[address, uint256]]  # account -> token -> base units


@external
def give(token: address, to: address, amount: uint256):
    """
    @notice Make own free money another's.
    """
    assert to != empty(address), "free_money: no receiver"
    self._debit(msg.sender, token, amount)

    self.free[to][token] += amount
    log IComputeEscrow.Given(account=msg.sender, to=to, token=token, amount=amount)


@external
def withdraw(token: address, amount: uint256, to: address):
    """
    @notice Take own free money out.
    """
    assert to != empty(address), "free_money: no receiver"
    self._debit(msg.sender, token, amount)

    log IComputeEscrow.Withdrawn(account=msg.sender, token=token, to=to, amount=amount)
    if token == empty(address):
        success: bool = raw_call(to, b"", value=amount, revert_on_failure=False)
        assert success, "free_money: receiver refused"
    else:
        assert extcall IERC20(token).transfer(to, amount, default_return_value=True), "free_money: token refused"


@external
@view
def free_of(account: address, token: address) -> uint256:
    """
    @notice What an account may take, give or spend now.
    """
    return self.free[account][token]


@internal
@payable
def _take_in(token: address, amount: uint256) -> uint256:
    """
    @dev Have the caller pay; what has arrived, which a token's fee makes less.
    """
    is_coin: bool = token == empty(address)
    assert msg.value == (amount if is_coin else 0), "free_money: wrong value"
    if is_coin:
        return amount
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "free_money: token refused"
    return staticcall IERC20(token).balanceOf(self) - before


@internal
def _credit(account: address, token: address, amount: uint256):
    if amount != 0:
        self.free[account][token] += amount


@internal
def _debit(account: address, token: address, amount: uint256):
    held: uint256 = self.free[account][token]
    assert amount != 0 and amount <= held, "free_money: not that much"
    self.free[account][token] = held - amount
