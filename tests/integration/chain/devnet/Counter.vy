# pragma version 0.4.3
"""
@title Counter
@license AGPL-3.0-only
@notice What the devnet's conformance suite calls: state, events, reverts, block context, precompiles.
"""

event Counted:
    who: indexed(address)
    step: indexed(uint256)
    total: uint256

total: public(uint256)
seen: public(HashMap[address, uint256])
recipient: address

@deploy
@payable
def __init__(start: uint256):
    self.total = start

@external
@payable
def count(step: uint256):
    """
    @notice Add `step`, which is not seven.
    """
    assert step != 7, "counter: seven"
    self.total += step
    self.seen[msg.sender] += 1
    log Counted(who=msg.sender, step=step, total=self.total)

@external
def count_many(times: uint256):
    for index: uint256 in range(times, bound=2048):
        log Counted(who=msg.sender, step=index, total=index)

@external
def count_through(other: address, step: uint256):
    """
    @notice Add through another counter, so that gas is kept back for the inner call.
    """
    extcall Other(other).count(step)

@external
def fail_silently():
    raise

@external
@view
def overflow(number: uint256) -> uint256:
    return number + 1

@external
@view
def burn_all_gas() -> uint256:
    result: uint256 = 0
    for index: uint256 in range(1_000_000_000):
        result = unsafe_add(result, index)
    return result

@external
@view
def context() -> (uint256, uint256, bytes32, uint256):
    """
    @return Block number, timestamp, randomness, base fee.
    """
    return block.number, block.timestamp, block.prevrandao, block.basefee

@external
@view
def hash_of(number: uint256) -> bytes32:
    return blockhash(number)

@external
@view
def history_of(number: uint256) -> bytes32:
    """
    @notice A block hash through the EIP-2935 contract.
    """
    answer: Bytes[32] = raw_call(
        0x0000F90827F1C53a10cb7A02335B175320002935,
        abi_encode(number),
        max_outsize=32,
        is_static_call=True,
    )
    assert len(answer) == 32, "counter: no history"
    return convert(answer, bytes32)

@external
@view
def ask(precompile: address, data: Bytes[8192]) -> (bool, Bytes[256], uint256):
    """
    @return Success, answer, and gas used by the call with its overhead.
    """
    before: uint256 = msg.gas
    success: bool = False
    answer: Bytes[256] = b""
    success, answer = raw_call(
        precompile, data, max_outsize=256, is_static_call=True, revert_on_failure=False, gas=2_000_000
    )
    return success, answer, before - msg.gas

@external
@view
def dive(depth: uint256) -> uint256:
    """
    @notice Call itself as deep as gas allows or asked.
    """
    if depth == 0:
        return 0
    return 1 + staticcall Diver(self).dive(depth - 1)

interface Other:
    def count(step: uint256): payable

interface Diver:
    def dive(depth: uint256) -> uint256: view
