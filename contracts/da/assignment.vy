# pragma version 0.4.3
"""
@title Which signer answers for which row of a blob
@license AGPL-3.0-only
@author Apogee
@notice Invariant: for every seed, row -> slot is a permutation of 0..N-1, so each slot of the table answers for
        exactly one row.
"""
from ..shared import constants as C
from ..shared import row_path

N: constant(uint256) = row_path.ROWS  # slots of a quorum, one for each row
STEP_CHOICES: constant(uint256) = 1_024  # numbers below N that are coprime to it


@internal
@view
def _blob_seed(epoch_seed: bytes32, blob_id: bytes32, entropy: bytes32) -> bytes32:
    """
    @param entropy Hash of the block after the payment: nobody knows the rows while paying.
    """
    return keccak256(abi_encode(C.TAG_DA_ASSIGN, epoch_seed, blob_id, entropy))


@internal
@pure
def _quorum_of(seed: bytes32, quorum_count: uint256) -> uint256:
    return convert(seed, uint256) % quorum_count


@internal
@pure
def _slot_of(seed: bytes32, quorum_count: uint256, row: uint256) -> uint256:
    """
    @dev (a * row + c) mod N; a = 6k + 1 or 6k + 5 is neither even nor a multiple of 3.
    """
    rest: uint256 = convert(seed, uint256) // quorum_count
    choice: uint256 = rest % STEP_CHOICES
    step: uint256 = 6 * (choice // 2) + 1 + 4 * (choice % 2)
    offset: uint256 = (rest // STEP_CHOICES) % N
    return (step * row + offset) % N
