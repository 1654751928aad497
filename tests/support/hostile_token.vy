# pragma version 0.4.3
"""
@title A token that behaves as badly as it is told to
@license AGPL-3.0-only
@author Apogee
@notice For tests only: keeps a fee, answers false, reverts, or calls somebody while it moves money.
"""
KIND: constant(uint256) = 0
FEE: constant(uint256) = 1  # a hundredth stays with nobody
LIE: constant(uint256) = 2  # answers false and moves nothing
REVERT: constant(uint256) = 3
REENTER: constant(uint256) = 4

balanceOf: public(HashMap[address, uint256])
mode: public(uint256)
target: address
payload: Bytes[512]
reentered: public(bool)  # whether a call made on the way got through


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def set_mode(mode: uint256, target: address, payload: Bytes[512]):
    self.mode = mode
    self.target = target
    self.payload = payload


@external
def transfer(to: address, amount: uint256) -> bool:
    return self._move(msg.sender, to, amount)


@external
def transferFrom(account: address, to: address, amount: uint256) -> bool:
    return self._move(account, to, amount)


@internal
def _move(account: address, to: address, amount: uint256) -> bool:
    assert self.mode != REVERT, "token: refused"
    if self.mode == LIE:
        return False
    if self.mode == REENTER:
        self.reentered = raw_call(self.target, self.payload, revert_on_failure=False)
    self.balanceOf[account] -= amount
    self.balanceOf[to] += amount - (amount // 100 if self.mode == FEE else 0)
    return True
