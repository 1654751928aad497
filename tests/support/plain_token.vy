# pragma version 0.4.3
"""
@title A token as the standard has it
@license AGPL-3.0-only
@author Apogee
@notice For tests only: anybody mints.
"""
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
approvals: public(uint256)  # how often anybody was told to approve


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.approvals += 1
    self.allowance[msg.sender][spender] = amount
    return True


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(account: address, to: address, amount: uint256) -> bool:
    self.allowance[account][msg.sender] -= amount
    self._move(account, to, amount)
    return True


@internal
def _move(account: address, to: address, amount: uint256):
    self.balanceOf[account] -= amount
    self.balanceOf[to] += amount
