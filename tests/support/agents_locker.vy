# pragma version 0.4.3
"""
@title A contract that does as it is told
@license AGPL-3.0-only
@author Apogee
@notice For tests only: locks tokens as a market does, takes tokens as a wallet does, and may call somebody when it is given one.
"""
takes: bool
target: address
payload: Bytes[1024]
reply: public(bool)


@deploy
def __init__(takes: bool):
    self.takes = takes


@external
def plan(target: address, payload: Bytes[1024]):
    self.target = target
    self.payload = payload


@external
def relay(to: address, payload: Bytes[8192]) -> Bytes[1024]:
    return raw_call(to, payload, max_outsize=1024)


@external
def onERC721Received(operator: address, owner: address, token: uint256, data: Bytes[1024]) -> bytes4:
    if self.target != empty(address):
        self.reply = raw_call(self.target, self.payload, revert_on_failure=False)
    return method_id("onERC721Received(address,address,uint256,bytes)", output_type=bytes4) if self.takes else 0x00000000


@external
def follow():
    pass
