# pragma version 0.4.3
"""
@title A receiver of coins that behaves as badly as it is told to
@license AGPL-3.0-only
@author Apogee
@notice For tests only: it accepts, reverts, burns all gas, or calls its payer again.
"""
ACCEPT: constant(uint256) = 0
REVERT: constant(uint256) = 1
BURN: constant(uint256) = 2
REENTER: constant(uint256) = 3

mode: public(uint256)
target: address
payload: Bytes[256]
reentered: public(bool)  # whether a call made on receipt got through


@payable
@external
def __default__():
    assert self.mode != REVERT, "receiver: refused"
    if self.mode == BURN:
        burnt: uint256 = 0
        for step: uint256 in range(1_000_000_000):
            burnt = unsafe_add(burnt, step)
    if self.mode == REENTER:
        self.reentered = raw_call(self.target, self.payload, revert_on_failure=False)


@external
def set_mode(mode: uint256, target: address, payload: Bytes[256]):
    self.mode = mode
    self.target = target
    self.payload = payload


@payable
@external
def act(target: address, payload: Bytes[256]) -> Bytes[32]:
    """
    @notice Make a call with the coins sent, as this contract.
    """
    return raw_call(target, payload, value=msg.value, max_outsize=32)
