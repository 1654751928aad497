# pragma version 0.4.3
"""
@title A token as USDT is: silent, and strict about allowances
@license AGPL-3.0-only
@author Apogee
@notice For tests only: `approve`, `transfer` and `transferFrom` answer nothing, an allowance that stands is changed to
        nothing before it is changed to anything else, and a fee may be kept of every transfer. Others may be deaf:
        what is approved is not let be taken then.
"""
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
approvals: public(uint256)  # how often anybody was told to approve
fee_bps: public(uint256)  # stays with nobody
is_deaf: public(bool)


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def set_fee(bps: uint256):
    self.fee_bps = bps


@external
def set_deaf(is_deaf: bool):
    self.is_deaf = is_deaf


@external
def approve(spender: address, amount: uint256):
    assert amount == 0 or self.allowance[msg.sender][spender] == 0
    self.approvals += 1
    if not self.is_deaf:
        self.allowance[msg.sender][spender] = amount


@external
def transfer(to: address, amount: uint256):
    self._move(msg.sender, to, amount)


@external
def transferFrom(account: address, to: address, amount: uint256):
    self.allowance[account][msg.sender] -= amount
    self._move(account, to, amount)


@internal
def _move(account: address, to: address, amount: uint256):
    self.balanceOf[account] -= amount
    self.balanceOf[to] += amount - amount * self.fee_bps // 10_000
