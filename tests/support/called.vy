# pragma version 0.4.3
"""
@title Somebody whom an account calls
@license AGPL-3.0-only
@author Apogee
@notice For tests only: takes coin, pulls tokens, pays back, calls back, answers at length or fails with its own words.
"""
from ethereum.ercs import IERC20

seen: public(uint256)
caller: public(address)
back: public(bool)  # whether the call back got through


@external
@payable
def __default__():
    pass


@external
@payable
def take(number: uint256) -> uint256:
    self.seen = number
    self.caller = msg.sender
    return number + 1


@external
def pull(token: address, amount: uint256):
    extcall IERC20(token).transferFrom(msg.sender, self, amount)


@external
@payable
def pay_back(token: address, amount: uint256):
    """
    @notice Pay the caller what is asked, to hide what it spends.
    """
    if token == empty(address):
        send(msg.sender, amount)
    else:
        extcall IERC20(token).transfer(msg.sender, amount)


@external
@payable
def pull_and_pay_back(token: address, amount: uint256, back: uint256):
    extcall IERC20(token).transferFrom(msg.sender, self, amount)
    extcall IERC20(token).transfer(msg.sender, back)


@external
def call_back(payload: Bytes[2_048]):
    self.back = raw_call(msg.sender, payload, revert_on_failure=False)


@external
def refuse():
    raise "called: no"


@external
@view
def talk(size: uint256) -> DynArray[uint256, 128]:
    answer: DynArray[uint256, 128] = []
    for number: uint256 in range(size, bound=128):
        answer.append(number)
    return answer
