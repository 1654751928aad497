# pragma version 0.4.3
"""
@title A trader that is a contract, or a wallet that is watched
@license AGPL-3.0-only
@author Apogee
@notice For tests only: vouches for one digest, has a state, and takes money as badly as it is told to.
"""
GOOD: constant(uint256) = 0
REVERT: constant(uint256) = 1
BURN: constant(uint256) = 2  # all gas it gets
LONG: constant(uint256) = 3  # more than one word
REENTER: constant(uint256) = 4  # calls somebody while it takes money

IS_VALID_SIGNATURE: constant(bytes4) = method_id("isValidSignature(bytes32,bytes)", output_type=bytes4)

mode: public(uint256)
height: uint256
vouched: HashMap[bytes32, bytes32]  # digest -> hash of the signature it takes
target: address
payload: Bytes[1_024]
reentered: public(bool)


@payable
@external
def __default__():
    assert self.mode != REVERT, "party: refused"
    if self.mode == REENTER:
        self.reentered = raw_call(self.target, self.payload, revert_on_failure=False)


@external
def set_mode(mode: uint256, target: address, payload: Bytes[1_024]):
    self.mode = mode
    self.target = target
    self.payload = payload


@external
def set_state(height: uint256):
    self.height = height


@external
def vouch(digest: bytes32, signature: Bytes[1_024]):
    self.vouched[digest] = keccak256(signature)


@external
@payable
def act(target: address, payload: Bytes[8_192]) -> Bytes[32]:
    """
    @notice Make a call as this contract.
    """
    return raw_call(target, payload, value=msg.value, max_outsize=32)


@external
@view
def state() -> uint256:
    self._behave()
    return self.height


@external
@view
@raw_return
def isValidSignature(digest: bytes32, signature: Bytes[1_024]) -> Bytes[96]:
    self._behave()
    answer: bytes32 = empty(bytes32)
    if self.vouched[digest] == keccak256(signature):
        answer = convert(IS_VALID_SIGNATURE, bytes32)
    if self.mode == LONG:
        return concat(answer, answer)
    return concat(answer, b"")


@internal
@view
def _behave():
    assert self.mode != REVERT, "party: refused"
    if self.mode == BURN:
        burnt: uint256 = 0
        for step: uint256 in range(1_000_000_000):
            burnt = unsafe_add(burnt, step)
