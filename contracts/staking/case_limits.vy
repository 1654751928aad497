# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title How much a case may take, and until when
@license AGPL-3.0-only
@author Apogee
@notice Invariant: MISSED and ATTESTED cases together take at most 5 % of a service's stake in an epoch, and all cases
        of one pool and epoch together at most the cap of their type.
@dev Stake is read from StakeManager at the offence's epoch; only `used` is kept here.
"""
from ..interfaces import IAdjudicator
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import constants as C
from . import offence_types

EPOCH_CAP_BPS: constant(uint256) = 500  # of a service's stake, MISSED and ATTESTED together, per epoch

STAKE: immutable(IStakeView)
LEDGER: immutable(IStakeManager)  # the same contract, as its court sees it
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)

used: HashMap[uint256, HashMap[uint256, uint256]]  # service, epoch: wei that MISSED and ATTESTED took


@deploy
def __init__(stake: address):
    STAKE = IStakeView(stake)
    LEDGER = IStakeManager(stake)
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = staticcall IStakeView(stake).epoch_length()


# --- VIEWS


@external
@view
@reentrant
def room_of(pool: uint256, epoch: uint256) -> uint256:
    """
    @return Wei that MISSED and ATTESTED cases of this pool for offences of `epoch` may take right now.
    """
    return self._room(pool & 255, epoch, staticcall STAKE.stake_at(pool, epoch))


# --- INTERNAL


@internal
@view
def _check_finding(rule: ISlashingCourt.Rule, finding: IAdjudicator.Finding) -> uint256:
    """@dev Returns what was at stake."""
    assert finding.pool & 255 == rule.service, "court: pool of another service"
    assert finding.epoch <= self._current_epoch(), "court: epoch has not begun"
    barred_at: uint256 = self._start_of(finding.epoch + 1) + rule.evidence_seconds
    assert block.timestamp <= barred_at, "court: evidence too late"
    assert (finding.amount == 0) == (rule.base_bps != 0), "court: rate or amount, not both"
    assert (finding.loss == 0) == (finding.victim == empty(address)), "court: loss without victim"
    stake_at: uint256 = staticcall STAKE.stake_at(finding.pool, finding.epoch)
    assert stake_at != 0, "court: nothing at stake"
    return stake_at


@internal
@view
def _due(rule: ISlashingCourt.Rule, finding: IAdjudicator.Finding, stake_at: uint256) -> uint256:
    """@dev What the finding costs at once, wei: rate or amount, under what its class and its cap allow."""
    due: uint256 = finding.amount
    if rule.base_bps != 0:
        due = stake_at * rule.base_bps // C.BPS
    if rule.offence_class == C.ATTESTED:
        due = min(due, stake_at * offence_types.ATTESTED_BPS // C.BPS)
    return min(due, self._under_cap(rule, finding.pool, finding.epoch, stake_at))


@internal
@view
def _under_cap(
    rule: ISlashingCourt.Rule, pool: uint256, epoch: uint256, stake_at: uint256
) -> uint256:
    """@dev What all cases of one pool and epoch together may still take."""
    cap: uint256 = stake_at * offence_types._cap_bps(rule) // C.BPS
    return cap - min(cap, staticcall LEDGER.slashed_at(pool, epoch))


@internal
@view
def _room(service: uint256, epoch: uint256, stake_at: uint256) -> uint256:
    """
    @dev Measured by the stake of now or of the offence, whichever is more, so that a queue drains even when
         everybody was jailed or has left.
    """
    now: uint256 = self._current_epoch()
    stake: uint256 = max(staticcall STAKE.total_stake_at(service, now), stake_at)
    if epoch != now:
        stake = max(stake, staticcall STAKE.total_stake_at(service, epoch))
    cap: uint256 = stake * EPOCH_CAP_BPS // C.BPS
    return cap - min(cap, self.used[service][now])


@internal
def _use(service: uint256, taken: uint256):
    if taken != 0:
        self.used[service][self._current_epoch()] += taken


@internal
@view
def _reservable(pool: uint256, epoch: uint256, due: uint256, part: uint256) -> uint256:
    """@dev What of `due` can wait, after `part` is taken: exposed and not reserved for another case."""
    exposed: uint256 = staticcall LEDGER.exposed(pool, epoch)
    reserved: uint256 = staticcall LEDGER.reserved(pool)
    free: uint256 = exposed - min(exposed, reserved)
    return min(due, max(free, part)) - part


@internal
@view
def _sentence(rule: ISlashingCourt.Rule) -> uint256:
    """@dev What StakeManager is told with the slash: nothing, jail until a time, or the end of the operator."""
    if rule.tombstones:
        return max_value(uint256)
    if rule.jail_epochs == 0:
        return 0
    return self._start_of(self._current_epoch() + 1 + rule.jail_epochs)


@internal
@view
def _current_epoch() -> uint256:
    return (block.timestamp - GENESIS) // EPOCH


@internal
@view
def _start_of(epoch: uint256) -> uint256:
    return GENESIS + epoch * EPOCH
