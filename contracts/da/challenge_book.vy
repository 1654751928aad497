# pragma version 0.4.3
"""
@title Open challenges
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a challenge is open at most once at a time, and the number that waits for an operator is exactly the
        number of open ones that name it.
@dev Two slots, cleared when the challenge ends, so that the same leaf can be asked for again later.
"""
from ..interfaces import IDAChallenges

WHOLE_ROW: constant(uint256) = 2**32 - 1  # asked for instead of a leaf
MAX_OPEN: constant(uint256) = 256  # that wait for one operator

# --- layout of the words, low bits first: challenger 160, opened at 40, operator 40 | bond 128, epoch 64
TIME_AT: constant(uint256) = 160
OPERATOR_AT: constant(uint256) = 200
EPOCH_AT: constant(uint256) = 128
MASK_40: constant(uint256) = 2**40 - 1
MASK_128: constant(uint256) = 2**128 - 1
MASK_160: constant(uint256) = 2**160 - 1

words: HashMap[bytes32, uint256[2]]
waiting: HashMap[uint256, uint256]  # operator id -> open challenges that name it


@internal
@pure
def _id(blob_id: bytes32, row: uint256, leaf: uint256) -> bytes32:
    return keccak256(abi_encode(blob_id, row, leaf))


@internal
def _open(challenge_id: bytes32, challenge: IDAChallenges.Challenge):
    assert self.words[challenge_id][0] == 0, "challenge_book: open already"
    waiting: uint256 = self.waiting[challenge.operator_id]
    assert waiting < MAX_OPEN, "challenge_book: too many open"

    self.waiting[challenge.operator_id] = waiting + 1
    self.words[challenge_id] = [
        (challenge.operator_id << OPERATOR_AT)
        | (challenge.opened_at << TIME_AT)
        | convert(challenge.challenger, uint256),
        (challenge.epoch << EPOCH_AT) | challenge.bond,
    ]


@internal
def _end(challenge_id: bytes32, challenge: IDAChallenges.Challenge):
    """
    @param challenge As `_read` gave it.
    """
    self.waiting[challenge.operator_id] -= 1
    self.words[challenge_id] = [0, 0]


@internal
@view
def _read(challenge_id: bytes32, window: uint256) -> IDAChallenges.Challenge:
    """
    @dev All zero, but for the deadline, when no such challenge is open.
    """
    words: uint256[2] = self.words[challenge_id]
    opened_at: uint256 = (words[0] >> TIME_AT) & MASK_40
    return IDAChallenges.Challenge(
        challenger=convert(words[0] & MASK_160, address),
        operator_id=words[0] >> OPERATOR_AT,
        epoch=words[1] >> EPOCH_AT,
        opened_at=opened_at,
        deadline=opened_at + window,
        bond=words[1] & MASK_128,
    )


@internal
@view
def _read_open(challenge_id: bytes32, window: uint256) -> IDAChallenges.Challenge:
    challenge: IDAChallenges.Challenge = self._read(challenge_id, window)
    assert challenge.challenger != empty(address), "challenge_book: not open"
    return challenge
