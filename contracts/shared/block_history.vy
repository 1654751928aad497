# pragma version 0.4.3
"""
@title Hashes of past blocks
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an answer is the hash of exactly the block asked for, or zero. The last 256 blocks come from
        BLOCKHASH, older ones up to 8,191 from the EIP-2935 history contract where the chain has it.
"""

HISTORY: constant(address) = 0x0000F90827F1C53a10cb7A02335B175320002935  # EIP-2935
HISTORY_GAS: constant(uint256) = 10_000  # one cold slot and a few jumps
RECENT_BLOCKS: constant(uint256) = 256


@internal
@view
def _block_hash(number: uint256) -> bytes32:
    """
    @dev Zero for the current block, later ones and those nobody remembers.
    """
    if number >= block.number:
        return empty(bytes32)
    if block.number - number <= RECENT_BLOCKS:
        return blockhash(number)

    success: bool = False
    response: Bytes[33] = b""
    success, response = raw_call(
        HISTORY,
        abi_encode(number),
        max_outsize=33,  # one more, so that a longer answer shows
        gas=HISTORY_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(response) != 32:
        return empty(bytes32)
    return convert(slice(response, 0, 32), bytes32)
