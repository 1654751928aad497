# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Evidence becomes a slash
@license AGPL-3.0-only
@author Apogee
@notice Asks adjudicators what is true, decides what it costs, lets StakeManager take it and shares it out.
        Invariant: balance = insurance + credits.
@custom:kill Nothing stops the court. Guardians can veto what waits (ATTESTED, QUEUED), never a proof, and only
             for VETO_WINDOW. Governance may make rules milder at once, stricter ones bind after RULE_DELAY.
@custom:security Adjudicators are believed: who adds one decides over stake, hence RULE_DELAY and the caps.
"""
from ..interfaces import IAdjudicator
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import constants as C
from ..shared import governed
from . import case_book
from . import correlation
from . import credits
from . import guardians
from . import insurance
from . import offence_types

implements: ISlashingCourt

initializes: governed
initializes: offence_types[governed := governed]
initializes: guardians[governed := governed]
initializes: case_book
initializes: correlation
initializes: insurance
initializes: credits

exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)
exports: (
    offence_types.add_type,
    offence_types.apply_type,
    offence_types.rank,
    offence_types.seal,
    offence_types.is_sealed,
    offence_types.type_of,
    offence_types.announced_type,
    offence_types.cap_of,
    offence_types.milder_than,
    offence_types.harsher_than,
)
exports: (guardians.set_guardians, guardians.guardian_set, guardians.threshold)
exports: (case_book.case_of, case_book.offence_id_of)
exports: (insurance.open_round, insurance.rounds, insurance.claims)
exports: (credits.withdraw, credits.credit_of)

EPOCH_CAP_BPS: constant(uint256) = 500  # of a service's stake, MISSED and ATTESTED together, per epoch
INSURANCE_BPS: constant(uint256) = 200  # of all stake
REPORTER_LIMIT: constant(uint256) = 10 * 10**18  # wei per case
CORRELATION_FACTOR: constant(uint256) = 3  # Ethereum's

STAKE: immutable(IStakeView)
LEDGER: immutable(IStakeManager)  # the same contract, as its court sees it
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)
VETO_WINDOW: public(immutable(uint256))  # seconds
CORRELATION_WINDOW: public(immutable(uint256))  # seconds

treasury: reentrant(public(address))
commitments: reentrant(public(HashMap[bytes32, uint256]))  # block number
used: HashMap[uint256, HashMap[uint256, uint256]]  # service, epoch: wei that MISSED and ATTESTED took


@deploy
def __init__(
    stake: address,
    governance: address,
    treasury: address,
    rule_delay: uint256,
):
    """
    @notice Veto, correlation and evidence windows are those StakeManager keeps coins for.
    @param stake StakeManager.
    @param governance Adds types, names guardians and treasury.
    @param treasury Gets what reporter, victim and insurance leave.
    @param rule_delay How long a stricter rule waits, seconds.
    """
    assert treasury != empty(address), "court: no treasury"
    epoch_length: uint256 = staticcall IStakeView(stake).epoch_length()
    veto_window: uint256 = staticcall IStakeManager(stake).veto_seconds()
    correlation_window: uint256 = staticcall IStakeManager(stake).correlation_seconds()
    assert correlation_window != 0, "court: empty window"
    assert correlation_window % epoch_length == 0, "court: window splits epochs"
    # so that a settlement finds the stake still there: it waits for two correlation windows at most
    assert veto_window >= correlation_window, "court: veto below correlation"

    governed.__init__(governance)
    offence_types.__init__(stake, rule_delay)
    STAKE = IStakeView(stake)
    LEDGER = IStakeManager(stake)
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = epoch_length
    VETO_WINDOW = veto_window
    CORRELATION_WINDOW = correlation_window
    self.treasury = treasury


@external
@payable
@reentrant
def __default__():
    # slashed coins arrive while `report` holds the lock
    assert msg.sender == LEDGER.address, "court: not StakeManager"


# --- PERMISSIONLESS


@external
def commit(commitment: bytes32):
    """
    @notice Announce a report without showing it; without this, in an earlier block, a report earns nothing.
    @param commitment keccak256(abi_encode(keccak256(evidence), reporter, salt)).
    """
    assert self.commitments[commitment] == 0, "court: committed already"

    self.commitments[commitment] = block.number
    log ISlashingCourt.Committed(commitment=commitment)


@external
def report(offence: uint256, evidence: Bytes[C.MAX_EVIDENCE], salt: bytes32) -> bytes32:
    """
    @notice Have evidence judged by the type's adjudicator, and its finding executed or reserved.
    @param offence The type.
    @param evidence As the adjudicator wants it.
    @param salt Of the caller's commitment; any value when there is none.
    @return The offence id.
    """
    rule: ISlashingCourt.Rule = offence_types._rule(offence)
    finding: IAdjudicator.Finding = staticcall IAdjudicator(rule.adjudicator).adjudicate(offence, evidence)
    assert finding.offence == offence, "court: another offence"

    reporter: address = empty(address)
    commitment: bytes32 = keccak256(abi_encode(keccak256(evidence), msg.sender, salt))
    committed_at: uint256 = self.commitments[commitment]
    if committed_at != 0 and committed_at < block.number:
        reporter = msg.sender
        self.commitments[commitment] = 0
    return self._open(rule, finding, reporter)


@external
def execute(offence_id: bytes32) -> uint256:
    """
    @notice Take what a waiting case has reserved, as far as the cap of this epoch leaves room.
    @return Wei taken now.
    """
    case: ISlashingCourt.Case = case_book._read_waiting(offence_id)
    assert block.timestamp >= case.opened_at + VETO_WINDOW, "court: veto window is open"
    rule: ISlashingCourt.Rule = offence_types._rule(case.offence)
    stake_at: uint256 = staticcall STAKE.stake_at(case.pool, case.epoch)
    room: uint256 = self._room(rule.service, case.epoch, stake_at)
    assert room != 0, "court: cap of this epoch is used"

    due: uint256 = min(case.left, self._under_cap(rule, case.pool, case.epoch, stake_at))
    part: uint256 = min(due, room)
    self._release(case.pool, part + case.left - due)
    if case.state == ISlashingCourt.CaseState.PENDING:
        self._restrain(rule, case.pool)
    taken: uint256 = 0
    to_victim: uint256 = 0
    taken, to_victim = self._take(offence_id, case, part)
    self._use(rule.service, taken)

    case.taken += taken
    case.loss -= to_victim
    case.left = due - part
    if taken < part:
        # nothing is exposed any more, so the rest can never be taken
        self._release(case.pool, case.left)
        case.left = 0
    if case.left == 0:
        self._close(offence_id, case, ISlashingCourt.CaseState.CLOSED)
    else:
        case.state = ISlashingCourt.CaseState.QUEUED
        case_book._write_open(offence_id, case)
    return taken


@external
def settle_correlation(offence_id: bytes32) -> uint256:
    """
    @notice Take what a case costs more because others were guilty too, once no more evidence can arrive.
    @return Wei taken now.
    """
    case: ISlashingCourt.Case = case_book._read(offence_id)
    assert case.state == ISlashingCourt.CaseState.EXECUTED, "court: nothing to settle"
    rule: ISlashingCourt.Rule = offence_types._rule(case.offence)
    window: uint256 = self._window_of(case.epoch)
    barred_at: uint256 = GENESIS + (window + 2) * CORRELATION_WINDOW + rule.evidence_seconds
    assert block.timestamp > barred_at, "court: evidence may still come"

    stake_at: uint256 = staticcall STAKE.stake_at(case.pool, case.epoch)
    total: uint256 = staticcall STAKE.total_stake_at(rule.service, case.epoch)
    others: uint256 = correlation._others(case.offence, case.pool, window)
    extra: uint256 = self._under_cap(rule, case.pool, case.epoch, stake_at)
    if total != 0:
        # without members the guilty were everybody
        extra = min(extra, CORRELATION_FACTOR * others * stake_at // total)
    taken: uint256 = 0
    to_victim: uint256 = 0
    taken, to_victim = self._take(offence_id, case, extra)
    case.loss -= to_victim
    self._close(offence_id, case, ISlashingCourt.CaseState.CLOSED)
    return taken


@external
def close_round():
    """
    @notice Fix the pot of the open round of insurance claims, in an epoch after that of its first claim.
    """
    insurance._close_round(self._current_epoch())


@external
def collect(offence_id: bytes32) -> uint256:
    """
    @notice Credit a victim's share of a closed round; the rest of the claim joins the open one.
    @return Wei credited.
    """
    victim: address = empty(address)
    paid: uint256 = 0
    victim, paid = insurance._collect(offence_id, self._current_epoch())
    credits._credit(victim, paid)
    return paid


# --- ROLE-GATED: adjudicators, guardians, governance


@external
def convict(finding: IAdjudicator.Finding, reporter: address) -> bytes32:
    """
    @notice Execute or reserve what an adjudicator with its own procedure has found.
    @param finding What is true.
    @param reporter Who earns the reporter's share; empty for nobody.
    @return The offence id.
    """
    rule: ISlashingCourt.Rule = offence_types._rule(finding.offence)
    assert msg.sender == rule.adjudicator, "court: not the adjudicator"

    return self._open(rule, finding, reporter)


@external
def veto(offence_id: bytes32, reason: bytes32) -> bool:
    """
    @notice Vote, as a guardian, to drop what a waiting case has reserved; what was taken stays taken.
    @param reason Hash of the published reasoning; guardians agree on one.
    @return Whether the veto has passed.
    """
    case: ISlashingCourt.Case = case_book._read_waiting(offence_id)
    assert block.timestamp < case.opened_at + VETO_WINDOW, "court: veto window is over"
    assert reason != empty(bytes32), "court: no reason"
    if not guardians._vote(offence_id, reason):
        return False

    self._release(case.pool, case.left)
    self._close(offence_id, case, ISlashingCourt.CaseState.VETOED)
    return True


@external
def set_treasury(treasury: address):
    """
    @notice Name who gets future remainders; credits of the former one stay his.
    """
    governed._check_governance()
    assert treasury != empty(address), "court: no treasury"

    self.treasury = treasury
    log ISlashingCourt.TreasuryChanged(treasury=treasury)


# --- VIEWS


@external
@view
@reentrant
def room_of(pool: uint256, epoch: uint256) -> uint256:
    """
    @return Wei that MISSED and ATTESTED cases of this pool for offences of `epoch` may take right now.
    """
    return self._room(pool & 255, epoch, staticcall STAKE.stake_at(pool, epoch))


@external
@view
@reentrant
def insurance_held() -> uint256:
    return insurance._held()


# --- INTERNAL


@internal
def _open(rule: ISlashingCourt.Rule, finding: IAdjudicator.Finding, reporter: address) -> bytes32:
    offence_id: bytes32 = case_book._id(finding.offence, finding.pool, finding.subject)
    assert not case_book._is_known(offence_id), "court: punished already"
    stake_at: uint256 = self._check_finding(rule, finding)

    due: uint256 = finding.amount
    if rule.base_bps != 0:
        due = stake_at * rule.base_bps // C.BPS
    if rule.offence_class == C.ATTESTED:
        due = min(due, stake_at * offence_types.ATTESTED_BPS // C.BPS)
    due = min(due, self._under_cap(rule, finding.pool, finding.epoch, stake_at))
    case: ISlashingCourt.Case = ISlashingCourt.Case(
        state=ISlashingCourt.CaseState.CLOSED,
        offence=finding.offence,
        pool=finding.pool,
        epoch=finding.epoch,
        reporter=reporter,
        taken=0,
        left=0,
        reporter_bps=rule.reporter_bps,
        opened_at=block.timestamp,
        victim=finding.victim,
        loss=finding.loss,
    )

    part: uint256 = due
    if rule.offence_class == C.PROVEN:
        if rule.correlated and rule.base_bps < offence_types._cap_bps(rule):
            case.state = ISlashingCourt.CaseState.EXECUTED
            window: uint256 = self._window_of(finding.epoch)
            correlation._add(finding.offence, finding.pool, window, stake_at)
    elif rule.offence_class == C.MISSED:
        part = min(due, self._room(rule.service, finding.epoch, stake_at))
        if part < due:
            case.left = self._reservable(finding.pool, finding.epoch, due, part)
        if case.left != 0:
            case.state = ISlashingCourt.CaseState.QUEUED
    else:
        part = 0
        case.state = ISlashingCourt.CaseState.PENDING
        case.left = self._reservable(finding.pool, finding.epoch, due, 0)
    log ISlashingCourt.CaseOpened(
        offence_id=offence_id,
        pool=finding.pool,
        offence=finding.offence,
        epoch=finding.epoch,
        subject=finding.subject,
        reporter=reporter,
        reserved=case.left,
    )

    if rule.offence_class != C.ATTESTED:
        self._restrain(rule, finding.pool)
        to_victim: uint256 = 0
        case.taken, to_victim = self._take(offence_id, case, part)
        case.loss -= to_victim
        if rule.offence_class == C.MISSED:
            self._use(rule.service, case.taken)
    if case.state == ISlashingCourt.CaseState.CLOSED:
        case_book._enter_closed(offence_id, case)
        self._insure(offence_id, case)
    else:
        extcall LEDGER.open_case(case.pool)
        if case.left != 0:
            extcall LEDGER.reserve(case.pool, case.left)
        case_book._write_open(offence_id, case)
    return offence_id


@internal
@view
def _check_finding(rule: ISlashingCourt.Rule, finding: IAdjudicator.Finding) -> uint256:
    assert finding.pool & 255 == rule.service, "court: pool of another service"
    assert finding.epoch <= self._current_epoch(), "court: epoch has not begun"
    barred_at: uint256 = GENESIS + (finding.epoch + 1) * EPOCH + rule.evidence_seconds
    assert block.timestamp <= barred_at, "court: evidence too late"
    assert (finding.amount == 0) == (rule.base_bps != 0), "court: rate or amount, not both"
    assert (finding.loss == 0) == (finding.victim == empty(address)), "court: loss without victim"
    stake_at: uint256 = staticcall STAKE.stake_at(finding.pool, finding.epoch)
    assert stake_at != 0, "court: nothing at stake"
    return stake_at


@internal
def _restrain(rule: ISlashingCourt.Rule, pool: uint256):
    if rule.tombstones:
        extcall LEDGER.tombstone(pool >> 8)
    elif rule.jail_epochs != 0:
        until: uint256 = self._current_epoch() + 1 + rule.jail_epochs
        extcall LEDGER.jail(pool, GENESIS + until * EPOCH)


@internal
def _take(offence_id: bytes32, case: ISlashingCourt.Case, amount: uint256) -> (uint256, uint256):
    """@dev Returns what was taken and what of it the victim got."""
    if amount == 0:
        return 0, 0
    taken: uint256 = extcall LEDGER.slash(case.pool, case.epoch, amount)

    to_reporter: uint256 = 0
    if case.reporter != empty(address):
        former: uint256 = min(case.taken * case.reporter_bps // C.BPS, REPORTER_LIMIT)
        whole: uint256 = min((case.taken + taken) * case.reporter_bps // C.BPS, REPORTER_LIMIT)
        to_reporter = whole - former
        credits._credit(case.reporter, to_reporter)
    to_victim: uint256 = min(taken - to_reporter, case.loss)
    credits._credit(case.victim, to_victim)
    rest: uint256 = taken - to_reporter - to_victim
    limit: uint256 = staticcall LEDGER.total_stake() * INSURANCE_BPS // C.BPS
    to_insurance: uint256 = insurance._deposit(rest, limit)
    credits._credit(self.treasury, rest - to_insurance)
    log ISlashingCourt.Slashed(
        offence_id=offence_id,
        pool=case.pool,
        taken=taken,
        to_reporter=to_reporter,
        to_victim=to_victim,
        to_insurance=to_insurance,
        to_treasury=rest - to_insurance,
    )
    return taken, to_victim


@internal
def _close(offence_id: bytes32, case: ISlashingCourt.Case, state: ISlashingCourt.CaseState):
    case_book._close(offence_id, case, state)
    if state == ISlashingCourt.CaseState.CLOSED:
        self._insure(offence_id, case)
    extcall LEDGER.close_case(case.pool)


@internal
def _insure(offence_id: bytes32, case: ISlashingCourt.Case):
    if case.loss != 0:
        insurance._register(offence_id, case.victim, case.loss, self._current_epoch())


@internal
def _release(pool: uint256, amount: uint256):
    if amount != 0:
        extcall LEDGER.release(pool, amount)


@internal
def _use(service: uint256, taken: uint256):
    if taken != 0:
        self.used[service][self._current_epoch()] += taken


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
@view
def _under_cap(
    rule: ISlashingCourt.Rule, pool: uint256, epoch: uint256, stake_at: uint256
) -> uint256:
    """@dev What all cases of one pool and epoch together may still take."""
    cap: uint256 = stake_at * offence_types._cap_bps(rule) // C.BPS
    return cap - min(cap, staticcall LEDGER.slashed_at(pool, epoch))


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
def _current_epoch() -> uint256:
    return (block.timestamp - GENESIS) // EPOCH


@internal
@view
def _window_of(epoch: uint256) -> uint256:
    return epoch * EPOCH // CORRELATION_WINDOW
