# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Sealed ballots
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a seat seals one ballot and opens exactly that one; what a round decides depends on the opened ballots
        and the number of its seats only.
@dev A ballot is a mask, bit j for draw j. A bit is decided once more than half of three seats, or more than two
     thirds of seven, say the same.
"""
from ..interfaces import IAuditCourt
from ..shared import constants as C
from . import committee
from . import slash_size

ID_BITS: constant(uint256) = 32
ID_MASK: constant(uint256) = 2**32 - 1
SEAT_MASK: constant(uint256) = 2**7 - 1
EPOCH_SHIFT: constant(uint256) = 224
VOTED_SHIFT: constant(uint256) = 8
PUNISHED_SHIFT: constant(uint256) = 16

# seven operator ids of 32 bits, seat 0 lowest; the epoch they were drawn for above
seats: HashMap[uint256, HashMap[uint256, uint256]]  # audit, round
# bits of the seats that have sealed 8, opened 8, paid a penalty 8
acts: HashMap[uint256, HashMap[uint256, uint256]]
sealed: HashMap[uint256, HashMap[uint256, HashMap[uint256, bytes32]]]  # audit, round, seat
opened: HashMap[uint256, HashMap[uint256, HashMap[uint256, uint256]]]


# --- VIEWS


@external
@view
@reentrant
def ballot(audit: uint256, round: uint256, seat: uint256) -> IAuditCourt.Ballot:
    """
    @return What a seat of a committee has done; operator id 0 where there is none.
    """
    return self._ballot(audit, round, seat)


# --- INTERNAL


@internal
def _seat(audit: uint256, round: uint256, epoch: uint256, members: DynArray[uint256, committee.MAX_SEATS]):
    packed: uint256 = epoch << EPOCH_SHIFT
    place: uint256 = 0
    for member: uint256 in members:
        packed |= member << place
        place += ID_BITS
    self.seats[audit][round] = packed


@internal
def _seal(audit: uint256, round: uint256, operator_id: uint256, commitment: bytes32) -> uint256:
    """
    @return The seat.
    """
    seat: uint256 = self._seat_of(audit, round, operator_id)
    assert not self._is_set(audit, round, seat, 0), "ballots: sealed already"

    self.sealed[audit][round][seat] = commitment
    self.acts[audit][round] |= 1 << seat
    return seat


@internal
def _open(
    audit: uint256, round: uint256, operator_id: uint256, failed: uint256, statistics: bytes32, salt: bytes32
) -> uint256:
    """
    @return The seat.
    """
    seat: uint256 = self._seat_of(audit, round, operator_id)
    assert not self._is_set(audit, round, seat, VOTED_SHIFT), "ballots: opened already"
    ballot: bytes32 = self._hash(audit, round, operator_id, failed, statistics, salt)
    assert ballot == self.sealed[audit][round][seat], "ballots: another ballot"

    self.opened[audit][round][seat] = failed
    self.acts[audit][round] |= 1 << (seat + VOTED_SHIFT)
    return seat


@internal
def _mark_punished(audit: uint256, round: uint256, seat: uint256):
    assert not self._is_set(audit, round, seat, PUNISHED_SHIFT), "ballots: punished already"

    self.acts[audit][round] |= 1 << (seat + PUNISHED_SHIFT)


@internal
@pure
def _hash(
    audit: uint256, round: uint256, operator_id: uint256, failed: uint256, statistics: bytes32, salt: bytes32
) -> bytes32:
    return keccak256(abi_encode(C.TAG_BALLOT, audit, round, operator_id, failed, statistics, salt))


@internal
@view
def _ballot(audit: uint256, round: uint256, seat: uint256) -> IAuditCourt.Ballot:
    if seat >= committee.MAX_SEATS:
        return empty(IAuditCourt.Ballot)
    return IAuditCourt.Ballot(
        operator_id=(self.seats[audit][round] >> (seat * ID_BITS)) & ID_MASK,
        commitment=self.sealed[audit][round][seat],
        has_voted=self._is_set(audit, round, seat, VOTED_SHIFT),
        failed=self.opened[audit][round][seat],
    )


@internal
@view
def _epoch(audit: uint256, round: uint256) -> uint256:
    return self.seats[audit][round] >> EPOCH_SHIFT


@internal
@view
def _seat_of(audit: uint256, round: uint256, operator_id: uint256) -> uint256:
    packed: uint256 = self.seats[audit][round]
    for seat: uint256 in range(committee.MAX_SEATS):
        if operator_id != 0 and (packed >> (seat * ID_BITS)) & ID_MASK == operator_id:
            return seat
    raise "ballots: not drawn"


@internal
@view
def _count(audit: uint256, round: uint256) -> uint256:
    packed: uint256 = self.seats[audit][round]
    count: uint256 = 0
    for seat: uint256 in range(committee.MAX_SEATS):
        if (packed >> (seat * ID_BITS)) & ID_MASK == 0:
            break
        count += 1
    return count


@internal
@view
def _is_set(audit: uint256, round: uint256, seat: uint256, place: uint256) -> bool:
    return (self.acts[audit][round] >> (seat + place)) & 1 == 1


@internal
@view
def _all_sealed(audit: uint256, round: uint256) -> bool:
    return self.acts[audit][round] & SEAT_MASK == (1 << self._count(audit, round)) - 1


@internal
@view
def _all_opened(audit: uint256, round: uint256) -> bool:
    """
    @dev All that were sealed.
    """
    acts: uint256 = self.acts[audit][round]
    return acts & SEAT_MASK == (acts >> VOTED_SHIFT) & SEAT_MASK


@internal
@view
def _tally(audit: uint256, round: uint256, draws: uint256) -> (uint256, uint256):
    """
    @return The draws that failed, and those that are decided.
    """
    count: uint256 = self._count(audit, round)
    need: uint256 = count // 2 + 1 if round == 1 else count * 2 // 3 + 1
    masks: DynArray[uint256, committee.MAX_SEATS] = []
    for seat: uint256 in range(count, bound=committee.MAX_SEATS):
        if self._is_set(audit, round, seat, VOTED_SHIFT):
            masks.append(self.opened[audit][round][seat])
    failed: uint256 = 0
    decided: uint256 = 0
    for number: uint256 in range(draws, bound=slash_size.MAX_DRAWS):
        against: uint256 = 0
        for mask: uint256 in masks:
            against += (mask >> number) & 1
        if against >= need:
            failed |= 1 << number
        if against >= need or len(masks) - against >= need:
            decided |= 1 << number
    return failed, decided
