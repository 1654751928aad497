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
from . import case_limits
from . import correlation
from . import credits
from . import guardians
from . import insurance
from . import offence_types
from . import proceeds

implements: ISlashingCourt

initializes: governed
initializes: offence_types[governed := governed]
initializes: guardians[governed := governed]
initializes: case_book
initializes: case_limits
initializes: correlation
initializes: insurance
initializes: credits
initializes: proceeds[governed := governed, insurance := insurance, credits := credits]

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
exports: (proceeds.treasury, proceeds.set_treasury)
exports: case_limits.room_of

CORRELATION_FACTOR: constant(uint256) = 3  # Ethereum's

STAKE: immutable(IStakeView)
LEDGER: immutable(IStakeManager)  # the same contract, as its court sees it
VETO_WINDOW: public(immutable(uint256))  # seconds
CORRELATION_WINDOW: public(immutable(uint256))  # seconds

commitments: reentrant(public(HashMap[bytes32, uint256]))  # block number


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
    epoch_length: uint256 = staticcall IStakeView(stake).epoch_length()
    veto_window: uint256 = staticcall IStakeManager(stake).veto_seconds()
    correlation_window: uint256 = staticcall IStakeManager(stake).correlation_seconds()
    assert correlation_window != 0, "court: empty window"
    assert correlation_window % epoch_length == 0, "court: window splits epochs"
    # so that a settlement finds the stake still there: it waits for two correlation windows at most
    assert veto_window >= correlation_window, "court: veto below correlation"

    governed.__init__(governance)
    offence_types.__init__(stake, rule_delay)
    case_limits.__init__(stake)
    proceeds.__init__(treasury)
    STAKE = IStakeView(stake)
    LEDGER = IStakeManager(stake)
    VETO_WINDOW = veto_window
    CORRELATION_WINDOW = correlation_window


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
    room: uint256 = case_limits._room(rule.service, case.epoch, stake_at)
    assert room != 0, "court: cap of this epoch is used"

    due: uint256 = min(case.left, case_limits._under_cap(rule, case.pool, case.epoch, stake_at))
    part: uint256 = min(due, room)
    self._release(case.pool, part + case.left - due)
    sentence: uint256 = 0
    if case.state == ISlashingCourt.CaseState.PENDING:
        sentence = case_limits._sentence(rule)
    taken: uint256 = 0
    to_victim: uint256 = 0
    taken, to_victim = self._take(offence_id, case, part, sentence)
    case_limits._use(rule.service, taken)

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
    ends: uint256 = case_limits._start_of(0) + (window + 2) * CORRELATION_WINDOW
    assert block.timestamp > ends + rule.evidence_seconds, "court: evidence may still come"

    stake_at: uint256 = staticcall STAKE.stake_at(case.pool, case.epoch)
    total: uint256 = staticcall STAKE.total_stake_at(rule.service, case.epoch)
    others: uint256 = correlation._others(case.offence, case.pool, window)
    extra: uint256 = case_limits._under_cap(rule, case.pool, case.epoch, stake_at)
    if total != 0:
        # without members the guilty were everybody
        extra = min(extra, CORRELATION_FACTOR * others * stake_at // total)
    taken: uint256 = 0
    to_victim: uint256 = 0
    taken, to_victim = self._take(offence_id, case, extra, 0)
    case.loss -= to_victim
    self._close(offence_id, case, ISlashingCourt.CaseState.CLOSED)
    return taken


@external
def close_round():
    """
    @notice Fix the pot of the open round of insurance claims, in an epoch after that of its first claim.
    """
    insurance._close_round(case_limits._current_epoch())


@external
def collect(offence_id: bytes32) -> uint256:
    """
    @notice Credit a victim's share of a closed round; the rest of the claim joins the open one.
    @return Wei credited.
    """
    victim: address = empty(address)
    paid: uint256 = 0
    victim, paid = insurance._collect(offence_id, case_limits._current_epoch())
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


# --- VIEWS


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
    stake_at: uint256 = case_limits._check_finding(rule, finding)
    due: uint256 = case_limits._due(rule, finding, stake_at)
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
        part = min(due, case_limits._room(rule.service, finding.epoch, stake_at))
        if part < due:
            case.left = case_limits._reservable(finding.pool, finding.epoch, due, part)
        if case.left != 0:
            case.state = ISlashingCourt.CaseState.QUEUED
    else:
        part = 0
        case.state = ISlashingCourt.CaseState.PENDING
        case.left = case_limits._reservable(finding.pool, finding.epoch, due, 0)
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
        to_victim: uint256 = 0
        case.taken, to_victim = self._take(offence_id, case, part, case_limits._sentence(rule))
        case.loss -= to_victim
        if rule.offence_class == C.MISSED:
            case_limits._use(rule.service, case.taken)
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
def _take(
    offence_id: bytes32, case: ISlashingCourt.Case, amount: uint256, sentence: uint256
) -> (uint256, uint256):
    """@dev Slash and sentence in one call. Returns what was taken and what of it the victim got."""
    if amount == 0 and sentence == 0:
        return 0, 0
    taken: uint256 = extcall LEDGER.slash(case.pool, case.epoch, amount, sentence)
    if taken == 0:
        return 0, 0
    return taken, proceeds._share_out(offence_id, case, taken, staticcall LEDGER.total_stake())


@internal
def _close(offence_id: bytes32, case: ISlashingCourt.Case, state: ISlashingCourt.CaseState):
    case_book._close(offence_id, case, state)
    if state == ISlashingCourt.CaseState.CLOSED:
        self._insure(offence_id, case)
    extcall LEDGER.close_case(case.pool)


@internal
def _insure(offence_id: bytes32, case: ISlashingCourt.Case):
    if case.loss != 0:
        insurance._register(offence_id, case.victim, case.loss, case_limits._current_epoch())


@internal
def _release(pool: uint256, amount: uint256):
    if amount != 0:
        extcall LEDGER.release(pool, amount)


@internal
@view
def _window_of(epoch: uint256) -> uint256:
    return (case_limits._start_of(epoch) - case_limits._start_of(0)) // CORRELATION_WINDOW
