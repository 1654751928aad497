# pragma version 0.4.3
"""
@title Rounds of sampling and their target
@license AGPL-3.0-only
@author Apogee
@notice Invariant: rounds only go forward and each has one seed; a leaf wins at most once in a round, at most MAX_WINS
        leaves win in one.
@dev A round that nobody opens is skipped: nothing loops over it and the target does not move for it.
"""
from ..interfaces import IDASampling
from ..shared import constants as C

TARGET_WINS: constant(uint256) = 16  # of a round; the target moves towards it
MAX_WINS: constant(uint256) = 32
STEP: constant(uint256) = 8  # an eighth of the error a round
MIN_TARGET: constant(uint256) = 2**128  # far below any that leaves can reach; keeps the steps above zero
WINS_BITS: constant(uint256) = 64
WINS_MASK: constant(uint256) = 2**64 - 1

packed: uint256  # number of the newest round << 64 | its wins
seed: bytes32
target: uint256
last_wins: HashMap[bytes32, uint256]  # place -> round


@deploy
def __init__():
    self.target = max_value(uint256)


@internal
def _open(number: uint256) -> bool:
    """
    @dev Open the present round unless it is open; whether this call did.
    """
    newest: uint256 = self._number()
    if newest == number:
        return False

    if newest != 0:
        self.target = self._moved(self.target, self._wins())
    self.packed = number << WINS_BITS
    self.seed = keccak256(
        abi_encode(C.TAG_DA_SAMPLE, chain.id, self, number, self.seed, block.prevrandao)
    )
    log IDASampling.RoundOpened(round=number, seed=self.seed, target=self.target)
    return True


@internal
def _win(number: uint256, blob_id: bytes32, row: uint256, leaf: uint256, data: Bytes[256]):
    """
    @dev Count a win; reverts unless the leaf has one.
    """
    assert number == self._number(), "sampling_rounds: not open"
    wins: uint256 = self._wins()
    assert wins < MAX_WINS, "sampling_rounds: all won"
    digest: bytes32 = keccak256(concat(self.seed, blob_id, convert(row, bytes32), convert(leaf, bytes32), data))
    assert convert(digest, uint256) <= self.target, "sampling_rounds: no win"
    place: bytes32 = self._place(blob_id, row, leaf)
    assert self.last_wins[place] != number, "sampling_rounds: won already"

    self.last_wins[place] = number
    self.packed = (number << WINS_BITS) | (wins + 1)


@internal
@view
def _number() -> uint256:
    return self.packed >> WINS_BITS


@internal
@view
def _wins() -> uint256:
    return self.packed & WINS_MASK


@internal
@pure
def _place(blob_id: bytes32, row: uint256, leaf: uint256) -> bytes32:
    return keccak256(abi_encode(blob_id, row, leaf))


@internal
@pure
def _moved(target: uint256, wins: uint256) -> uint256:
    """
    @dev target * (1 + (TARGET_WINS - wins) / (STEP * TARGET_WINS)), within its bounds.
    """
    unit: uint256 = target // (STEP * TARGET_WINS)
    if wins > TARGET_WINS:
        return max(target - unit * (wins - TARGET_WINS), MIN_TARGET)
    more: uint256 = unit * (TARGET_WINS - wins)
    if more > max_value(uint256) - target:
        return max_value(uint256)
    return target + more
