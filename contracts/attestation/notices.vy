# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What relayers say of platforms and collateral
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing here is ever taken back: a revoked collateral stays revoked, the least evaluation number only
        rises, and it binds GRACE after the notice.
@dev Collateral is known by the upper 96 bits of its hash, so that a verdict keeps it beside its times. Revoked collateral
     leaves a mark, three bits of 128, beside the evaluation numbers; what lacks one of its bits costs no second read.
"""
from ..interfaces import IAttestationRegistry
from . import committees
from . import verdict_hash

uses: committees

KEPT_FROM: constant(uint256) = 160
LOW_32: constant(uint256) = 2**32 - 1
LOW_64: constant(uint256) = 2**64 - 1
MARKS_FROM: constant(uint256) = 128
LOW_7: constant(uint256) = 2**7 - 1
MAX_BACK: constant(uint256) = 64  # notices that a question about the past goes back

GRACE: immutable(uint256)  # seconds

revoked: HashMap[uint256, uint256]  # upper 96 bits of a collateral hash -> when
steps: HashMap[uint256, uint256]  # number -> the one before it 32, bound from 64; lowest first
evaluation: uint256  # in force 32, announced 32, binds from 64, marks of revoked collateral 128; lowest first


@deploy
def __init__(grace_seconds: uint256):
    assert grace_seconds != 0, "notices: no grace"

    GRACE = grace_seconds


# --- PERMISSIONLESS


@external
def revoke_collateral(
    collateral_hash: bytes32,
    epoch: uint256,
    seats: uint256,
    signatures: Bytes[committees.SIGNATURE * committees.SEATS],
):
    """
    @notice End, at once, what rests on collateral that is revoked: a quorum of an epoch's committee says so.
    """
    assert self.revoked[self._kept(collateral_hash)] == 0, "notices: revoked already"
    digest: bytes32 = verdict_hash._collateral(self, collateral_hash, epoch)
    committees._check_signed(digest, epoch, seats, signatures)

    self.revoked[self._kept(collateral_hash)] = block.timestamp
    self.evaluation |= self._mark(self._kept(collateral_hash))
    log IAttestationRegistry.CollateralRevoked(collateral_hash=collateral_hash)


@external
def raise_evaluation(
    number: uint32,
    epoch: uint256,
    seats: uint256,
    signatures: Bytes[committees.SIGNATURE * committees.SEATS],
):
    """
    @notice Announce that platforms judged by an older evaluation number are out of date: it binds after the grace.
    """
    wanted: uint256 = convert(number, uint256)
    sheet: uint256 = self.evaluation
    assert block.timestamp >= (sheet >> 64) & LOW_64, "notices: another one waits"
    assert wanted > (sheet >> 32) & LOW_32, "notices: not higher"
    digest: bytes32 = verdict_hash._evaluation(self, wanted, epoch)
    committees._check_signed(digest, epoch, seats, signatures)

    binds_from: uint256 = block.timestamp + GRACE
    sheet = (sheet >> MARKS_FROM) << MARKS_FROM | (sheet >> 32) & LOW_32
    self.steps[wanted] = (sheet & LOW_32) | binds_from << 32
    self.evaluation = sheet | wanted << 32 | binds_from << 64
    log IAttestationRegistry.EvaluationRaised(number=wanted, binds_from=binds_from)


# --- VIEWS


@external
@view
@reentrant
def grace() -> uint256:
    """
    @notice Seconds from a notice of a newer evaluation number until it binds.
    """
    return GRACE


@external
@view
@reentrant
def min_eval_number() -> (uint32, uint32, uint64):
    """
    @return In force, announced, and when that binds; 0 when none waits.
    """
    sheet: uint256 = self.evaluation
    announced: uint32 = convert((sheet >> 32) & LOW_32, uint32)
    if block.timestamp >= (sheet >> 64) & LOW_64:
        return announced, announced, 0
    return convert(sheet & LOW_32, uint32), announced, convert((sheet >> 64) & LOW_64, uint64)


@external
@view
@reentrant
def is_collateral_revoked(collateral_hash: bytes32) -> bool:
    return self.revoked[self._kept(collateral_hash)] != 0


# --- INTERNAL


@internal
@pure
def _kept(collateral_hash: bytes32) -> uint256:
    return convert(collateral_hash, uint256) >> KEPT_FROM


@internal
@pure
def _mark(kept: uint256) -> uint256:
    low: uint256 = 1 << (kept & LOW_7)
    middle: uint256 = 1 << ((kept >> 7) & LOW_7)
    high: uint256 = 1 << ((kept >> 14) & LOW_7)
    return (low | middle | high) << MARKS_FROM


@internal
@view
def _is_revoked(kept: uint256, time: uint256) -> bool:
    mark: uint256 = self._mark(kept)
    if self.evaluation & mark != mark:
        return False
    since: uint256 = self.revoked[kept]
    return since != 0 and time >= since


@internal
@view
def _least(time: uint256) -> uint256:
    """
    @dev The evaluation number that a platform needs at a time: a later notice changes nothing of what was right then.
    """
    sheet: uint256 = self.evaluation
    if time >= (sheet >> 64) & LOW_64:
        return (sheet >> 32) & LOW_32
    number: uint256 = sheet & LOW_32
    if time >= block.timestamp:
        return number
    for _: uint256 in range(MAX_BACK):
        step: uint256 = self.steps[number]
        if time >= step >> 32:
            break
        number = step & LOW_32
    return number


@internal
@view
def _binds_on(number: uint256) -> uint256:
    """
    @dev The first second at which this evaluation number is too low; the last of all times where none is known.
    """
    sheet: uint256 = self.evaluation
    if number >= (sheet >> 32) & LOW_32:
        return max_value(uint256)
    return (sheet >> 64) & LOW_64
