# pragma version 0.4.3
"""
@title A token that costs its sender more than he sends
@license AGPL-3.0-only
@author Apogee
@notice For tests only: one in a hundred comes on top of each transfer; an allowance is a switch.
"""
balanceOf: public(HashMap[address, uint256])
is_allowed: public(HashMap[address, HashMap[address, bool]])


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.is_allowed[msg.sender][spender] = amount != 0
    return True


@external
def transfer(to: address, amount: uint256) -> bool:
    return self._move(msg.sender, to, amount)


@external
def transferFrom(account: address, to: address, amount: uint256) -> bool:
    assert self.is_allowed[account][msg.sender], "token: not allowed"
    return self._move(account, to, amount)


@internal
def _move(account: address, to: address, amount: uint256) -> bool:
    self.balanceOf[account] -= amount + amount // 100
    self.balanceOf[to] += amount
    return True
