# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Money of traders that no sale holds
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a credit grows only by what has really arrived or a sale has let go, and leaves only where its owner
        says; nobody's refusal stops another.
"""
from ethereum.ercs import IERC20


event Deposited:
    account: indexed(address)
    currency: indexed(address)
    amount: uint256
    by: address


event Withdrawn:
    account: indexed(address)
    currency: indexed(address)
    to: address
    amount: uint256


credit_of: reentrant(public(HashMap[address, HashMap[address, uint256]]))  # account -> currency -> base units


@external
@payable
def deposit(account: address, currency: address, amount: uint256):
    """
    @notice Pay for somebody, exactly. A token that arrives short is refused.
    @param currency Zero: the value sent, which `amount` repeats.
    """
    assert account != empty(address), "credits: no account"
    assert amount != 0, "credits: nothing to pay"
    is_coin: bool = currency == empty(address)
    assert msg.value == (amount if is_coin else 0), "credits: wrong value"

    if not is_coin:
        before: uint256 = staticcall IERC20(currency).balanceOf(self)
        is_moved: bool = extcall IERC20(currency).transferFrom(
            msg.sender, self, amount, default_return_value=True
        )
        assert is_moved, "credits: token refused"
        after: uint256 = staticcall IERC20(currency).balanceOf(self)
        assert after == before + amount, "credits: another amount came"
    self.credit_of[account][currency] += amount
    log Deposited(account=account, currency=currency, amount=amount, by=msg.sender)


@external
def withdraw(currency: address, amount: uint256, to: address):
    """
    @notice Take own credit out.
    """
    assert to != empty(address) and to != self, "credits: no receiver"
    assert amount != 0, "credits: nothing to pay"
    self._debit(msg.sender, currency, amount)

    log Withdrawn(account=msg.sender, currency=currency, to=to, amount=amount)
    if currency == empty(address):
        success: bool = raw_call(to, b"", value=amount, revert_on_failure=False)
        assert success, "credits: receiver refused"
    else:
        assert extcall IERC20(currency).transfer(to, amount, default_return_value=True), "credits: token refused"


@internal
@payable
def _pay(payer: address, currency: address, amount: uint256):
    """
    @dev Take an amount from the value sent, then from the payer's credit; what was sent too much becomes his credit.
    """
    sent: uint256 = msg.value
    assert sent == 0 or currency == empty(address), "credits: wrong value"
    if sent > amount:
        self.credit_of[payer][currency] += sent - amount
    else:
        self._debit(payer, currency, amount - sent)


@internal
def _credit(account: address, currency: address, amount: uint256):
    if amount != 0:
        self.credit_of[account][currency] += amount


@internal
def _debit(account: address, currency: address, amount: uint256):
    if amount == 0:
        return
    held: uint256 = self.credit_of[account][currency]
    assert amount <= held, "credits: not that much"
    self.credit_of[account][currency] = held - amount
