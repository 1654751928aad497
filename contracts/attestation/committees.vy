# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who judges the evidence of an epoch
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what passes here was signed by at least QUORUM different seats of one epoch, drawn by weight
        of the frozen RELAYER tree; whoever shows the draw chooses nothing.
@dev Attempt a falls on the point that keccak256(seed || a) draws on the whole line, seed = keccak256(tag || R_e);
     repeats are passed over. Showing ends with the last seat, when those who were drawn weigh as much as everybody, or
     after MAX_ATTEMPTS. A seat's key is its operator's signer at the draw; who is no member by then has a seat without key.
"""
from ..interfaces import IAttestationRegistry
from ..interfaces import IOperatorRegistry
from ..interfaces import IRandomBeacon
from ..interfaces import IStakeView
from ..shared import constants as C

SEATS: constant(uint256) = 5
QUORUM: constant(uint256) = 3
MAX_ATTEMPTS: constant(uint256) = 24
SIGNATURE: constant(uint256) = 65  # r, s, v
ID_BITS: constant(uint256) = 40
LOW_40: constant(uint256) = 2**40 - 1

OPERATORS: immutable(IOperatorRegistry)
STAKE: immutable(IStakeView)
BEACON: immutable(IRandomBeacon)
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)  # seconds

nonces: HashMap[uint256, bytes32]  # zero: not drawn
rosters: HashMap[uint256, uint256]  # operator ids by seat, 40 bits each
keys: HashMap[uint256, address]  # epoch << 8 | seat


@deploy
def __init__(operators: address, stake: address, beacon: address):
    assert operators.is_contract and beacon.is_contract, "committees: no contract"

    OPERATORS = IOperatorRegistry(operators)
    STAKE = IStakeView(stake)
    BEACON = IRandomBeacon(beacon)
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = staticcall IStakeView(stake).epoch_length()


# --- PERMISSIONLESS


@external
def draw(epoch: uint256, shown: DynArray[IAttestationRegistry.Candidate, MAX_ATTEMPTS]):
    """
    @notice Seat the relayers of this epoch or of the last one.
    @param shown On whom each attempt falls.
    """
    self._check_recent(epoch)
    assert self.nonces[epoch] == empty(bytes32), "committees: drawn already"
    random: bytes32 = staticcall BEACON.randomness(epoch)
    members: DynArray[uint256, SEATS] = self._members(epoch, random, shown)
    assert len(members) >= QUORUM, "committees: too few relayers"

    nonce: bytes32 = self._nonce(epoch, random)
    self.nonces[epoch] = nonce
    roster: uint256 = 0
    seat: uint256 = 0
    for operator_id: uint256 in members:
        roster |= operator_id << (ID_BITS * seat)
        if staticcall STAKE.is_member(operator_id << 8 | C.RELAYER):
            self.keys[epoch << 8 | seat] = (staticcall STAKE.operator(operator_id)).signer
        seat += 1
    self.rosters[epoch] = roster
    log IAttestationRegistry.CommitteeDrawn(epoch=epoch, nonce=nonce, members=members)


# --- VIEWS


@external
@view
@reentrant
def committee(epoch: uint256) -> DynArray[uint256, SEATS]:
    """
    @notice Operator ids by seat; nobody before the draw.
    """
    return self._seated(epoch, 2**SEATS - 1)


@external
@view
@reentrant
def nonce_of(epoch: uint256) -> bytes32:
    """
    @notice What quotes made in an epoch hold.
    """
    return self._nonce(epoch, staticcall BEACON.randomness(epoch))


# --- INTERNAL


@internal
@view
def _current_epoch() -> uint256:
    return (block.timestamp - GENESIS) // EPOCH


@internal
@view
def _check_recent(epoch: uint256):
    now: uint256 = self._current_epoch()
    assert epoch == now or epoch + 1 == now, "committees: not a recent epoch"


@internal
@pure
def _nonce(epoch: uint256, random: bytes32) -> bytes32:
    return keccak256(abi_encode(C.TAG_NONCE, epoch, random))


@internal
@view
def _members(
    epoch: uint256, random: bytes32, shown: DynArray[IAttestationRegistry.Candidate, MAX_ATTEMPTS]
) -> DynArray[uint256, SEATS]:
    seed: bytes32 = keccak256(concat(C.TAG_DRAW, random))
    members: DynArray[uint256, SEATS] = []
    attempt: uint256 = 0
    weighed: uint256 = 0
    for candidate: IAttestationRegistry.Candidate in shown:
        if len(members) == SEATS:
            break
        is_drawn: bool = staticcall OPERATORS.verify_draw(
            C.RELAYER,
            epoch,
            keccak256(concat(seed, convert(attempt, bytes32))),
            0,
            1,
            candidate.operator_id,
            candidate.weight,
            candidate.key_hash,
            candidate.seat,
            candidate.siblings,
            candidate.sums,
        )
        assert is_drawn, "committees: another is drawn"
        attempt += 1
        if candidate.operator_id not in members:
            members.append(candidate.operator_id)
            weighed += candidate.weight
    if len(members) < SEATS and attempt < MAX_ATTEMPTS:
        stake: uint256 = 0
        weight: uint256 = 0
        stake, weight = staticcall OPERATORS.totals_at(C.RELAYER, epoch)
        assert weighed == weight, "committees: candidate missing"
    return members


@internal
@view
def _check_signed(digest: bytes32, epoch: uint256, seats: uint256, signatures: Bytes[SIGNATURE * SEATS]):
    """
    @dev Reverts unless each of the seats, at least QUORUM of a recent epoch, signed the digest.
    @param seats Bit i: seat i.
    @param signatures r, s, v of each, lowest seat first.
    """
    self._check_recent(epoch)
    assert seats < 2**SEATS, "committees: no such seat"
    at: uint256 = 0
    for seat: uint256 in range(SEATS):
        if seats & (1 << seat) == 0:
            continue
        assert len(signatures) >= at + SIGNATURE, "committees: signature missing"
        key: address = self.keys[epoch << 8 | seat]
        assert key != empty(address), "committees: not eligible"
        signer: address = ecrecover(
            digest,
            convert(extract32(signatures, at + 33), uint256) & 255,  # the word that ends with v
            convert(extract32(signatures, at), uint256),
            convert(extract32(signatures, at + 32), uint256),
        )
        assert signer == key, "committees: wrong signature"
        at += SIGNATURE
    assert at >= QUORUM * SIGNATURE, "committees: quorum not reached"
    assert len(signatures) == at, "committees: signature left over"


@internal
@view
def _seated(epoch: uint256, seats: uint256) -> DynArray[uint256, SEATS]:
    """
    @dev Operator ids of these seats.
    """
    found: DynArray[uint256, SEATS] = []
    roster: uint256 = self.rosters[epoch]
    for seat: uint256 in range(SEATS):
        operator_id: uint256 = (roster >> (ID_BITS * seat)) & LOW_40
        if operator_id != 0 and seats & (1 << seat) != 0:
            found.append(operator_id)
    return found


@internal
def _unseat(guilty: DynArray[uint256, SEATS]):
    """
    @dev Take the keys of these operators from every committee that may still sign.
    """
    now: uint256 = self._current_epoch()
    for back: uint256 in range(2):
        if back > now:
            break
        roster: uint256 = self.rosters[now - back]
        for seat: uint256 in range(SEATS):
            if ((roster >> (ID_BITS * seat)) & LOW_40) in guilty:
                self.keys[(now - back) << 8 | seat] = empty(address)
