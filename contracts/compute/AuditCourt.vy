# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Audits without trusted hardware
@license AGPL-3.0-only
@author Apogee
@notice Of every batch points of its sum are drawn, dear answers more often; auditors drawn from the ALIGNMENT stake
        open what the provider sealed for them, compute again and vote in secret which draws failed. Seven others
        judge if somebody stakes a bond on it. What failed is refunded out of what is held, and costs stake.
        Invariant: balance = pots + bonds + credits.
@custom:kill No switch. Nobody needs to be there: each state ends by its deadline, and with nobody to judge an audit
             ends VOID, without refund or slash.
@custom:security Three auditors can be wrong together: whoever doubts them pays a bond for seven. Verdicts are ATTESTED:
                 guardians may veto the slash, never the refund. A batch that nobody drew while its block hash was
                 known is audited in 64 parts that leave nothing out.
"""
from ..interfaces import IAuditCourt
from ..interfaces import IAuditView
from ..interfaces import IComputeEscrow
from ..interfaces import IRandomBeacon
from ..shared import block_history
from ..shared import constants as C
from . import audit_book
from . import audit_leaves
from . import audit_life
from . import auditor_dues
from . import ballots
from . import committee
from . import court_credits
from . import findings
from . import openings
from . import slash_size
from . import track_record

implements: IAuditCourt
implements: IAuditView
initializes: openings
initializes: findings
initializes: court_credits
initializes: audit_book
initializes: ballots
initializes: track_record
initializes: audit_life[
    audit_book := audit_book,
    ballots := ballots,
    court_credits := court_credits,
    findings := findings,
    openings := openings,
    track_record := track_record,
]
initializes: audit_leaves[
    audit_book := audit_book,
    audit_life := audit_life,
    court_credits := court_credits,
    findings := findings,
    openings := openings,
]
initializes: auditor_dues[
    audit_book := audit_book,
    ballots := ballots,
    court_credits := court_credits,
    findings := findings,
    openings := openings,
]

exports: (court_credits.withdraw, court_credits.credit_of)
exports: audit_book.audit
exports: ballots.ballot
exports: (audit_life.deposit, audit_life.bond)
exports: (audit_leaves.request, audit_leaves.convict, audit_leaves.point)
exports: (auditor_dues.pay, auditor_dues.punish)

OPERATORS: immutable(address)
BEACON: immutable(address)


@deploy
def __init__(
    escrow: address,
    registry: address,
    operators: address,
    stake: address,
    beacon: address,
    court: address,
    windows: IAuditCourt.Windows,
    auditor_pay: uint256,
):
    """
    @param escrow ComputeEscrow: batches, refunds, the auditors' fee.
    @param registry ServiceRegistry.
    @param operators OperatorRegistry: whom a draw over the ALIGNMENT stake falls on.
    @param stake StakeManager: epochs, accounts.
    @param beacon RandomBeacon.
    @param court SlashingCourt, which punishes.
    @param windows Seconds.
    @param auditor_pay What a seat of an audit that somebody asks for costs him, wei.
    """
    assert operators.is_contract and beacon.is_contract, "audit_court: no contract"

    openings.__init__(escrow)
    findings.__init__(stake, court, windows.evidence)
    track_record.__init__(windows.standing)
    audit_life.__init__(registry, windows, auditor_pay)
    OPERATORS = operators
    BEACON = beacon


# --- PERMISSIONLESS


@external
def draw(audit: uint256, shown: DynArray[IAuditCourt.Candidate, committee.MAX_ATTEMPTS]):
    """
    @notice Show who judges: the points of a batch and its three auditors, those of a request, or the seven after an
            escalation. Fewer than two are nobody: the audit is void.
    @param shown On whom each attempt to fill a seat falls; nobody where ALIGNMENT has no weight.
    """
    batch: IComputeEscrow.Batch = openings._batch(audit_book._batch(audit))
    is_new: bool = audit_book._state(audit) == empty(IAuditCourt.AuditState)
    if is_new:
        epoch: uint256 = findings._epoch_at(convert(batch.posted_at, uint256))
        audit_book._enter(audit, epoch, convert(batch.posted_block, uint256) + audit_life.SEED_BLOCKS)
    else:
        waiting: IAuditCourt.AuditState = IAuditCourt.AuditState.REQUESTED | IAuditCourt.AuditState.ESCALATED
        assert audit_book._state(audit) in waiting, "audit_court: drawn already"
    assert block.number > audit_book._seed_block(audit), "audit_court: seed not known"

    round: uint256 = audit_book._round(audit)
    block_hash: bytes32 = block_history._block_hash(audit_book._seed_block(audit))
    seed: bytes32 = self._seed(audit, round, block_hash)
    if round == 1:
        audit_book.seeds[audit] = seed
    if is_new and block_hash == empty(bytes32):
        audit_book._flip(audit, audit_book.WHOLE)
        audit_book._set_draws(audit, slash_size.MAX_DRAWS)
    elif is_new:
        audit_book._set_draws(audit, slash_size._draws(convert(batch.leaves, uint256)))
    members: DynArray[uint256, committee.MAX_SEATS] = committee._draw(
        OPERATORS,
        audit_book._epoch(audit),
        keccak256(concat(C.TAG_COMMITTEE, seed)),
        audit_life.FIRST_SEATS if round == 1 else audit_life.SECOND_SEATS,
        audit_life._operator_id(batch.service),
        shown,
    )
    ballots._seat(audit, round, audit_book._epoch(audit), members)
    log IAuditCourt.CommitteeDrawn(
        audit=audit,
        batch=audit_book._batch(audit),
        service=batch.service,
        round=round,
        seed=audit_book.seeds[audit],
        draws=audit_book._draws(audit),
        is_whole=audit_book._has(audit, audit_book.WHOLE),
        members=members,
    )
    if len(members) < audit_life.LEAST_SEATS:
        audit_book._judge(audit, 0, 0)
        audit_life._finish(audit, IAuditCourt.AuditState.VOID)
    elif round == 1:
        deadline: uint256 = block.timestamp + audit_life.REVEAL
        audit_book._move(audit, IAuditCourt.AuditState.DRAWN, deadline)
    else:
        deadline: uint256 = block.timestamp + audit_life.COMMIT
        audit_book._move(audit, IAuditCourt.AuditState.COMMITTING, deadline)


@external
def advance(audit: uint256):
    """
    @notice Move an audit on, where its deadline has passed or everybody has acted.
    """
    audit_life._advance(audit)


@external
@payable
def escalate(audit: uint256):
    """
    @notice Have seven auditors judge what three decided, for or against the provider. The bond comes back unless they
            decide the same, and is theirs when they do. What exceeds it is credited back.
    """
    self._check_awaited(audit, IAuditCourt.AuditState.DECIDED)
    bond: uint256 = audit_life.AUDITOR_PAY * audit_life.SECOND_SEATS
    assert msg.value >= bond, "audit_court: bond too low"

    audit_book.challengers[audit] = msg.sender
    audit_book.bonds[audit] = bond
    court_credits._credit(msg.sender, msg.value - bond)
    log IAuditCourt.Escalated(audit=audit, challenger=msg.sender, bond=bond)
    audit_life._escalate(audit)


# --- PROVIDER


@external
def reveal(audit: uint256, bundle: bytes32):
    """
    @notice Bind what was sealed for the committee: body, answer and commitment of every drawn leaf.
    @param bundle Its hash.
    """
    self._check_awaited(audit, IAuditCourt.AuditState.DRAWN)
    operator_id: uint256 = findings._operator_of(msg.sender)
    owed_by: uint256 = audit_life._operator_id(audit_life._service(audit))
    assert operator_id != 0 and operator_id == owed_by, "audit_court: not your batch"

    audit_book.bundles[audit] = bundle
    log IAuditCourt.BundleRevealed(audit=audit, bundle=bundle)
    deadline: uint256 = block.timestamp + audit_life.COMMIT
    audit_book._move(audit, IAuditCourt.AuditState.COMMITTING, deadline)


# --- AUDITOR


@external
def commit(audit: uint256, commitment: bytes32):
    """
    @notice Seal a ballot.
    @param commitment keccak256(abi_encode(TAG_BALLOT, audit, round, operator id, failed, statistics, salt)).
    """
    self._check_awaited(audit, IAuditCourt.AuditState.COMMITTING)
    operator_id: uint256 = findings._operator_of(msg.sender)
    round: uint256 = audit_book._round(audit)

    seat: uint256 = ballots._seal(audit, round, operator_id, commitment)
    log IAuditCourt.BallotCommitted(audit=audit, operator_id=operator_id, round=round, seat=seat)


@external
def vote(audit: uint256, failed: uint256, statistics: bytes32, salt: bytes32):
    """
    @notice Open one's ballot, once every seat has sealed or the time for it is over.
    @param failed Bit j: draw j failed.
    @param statistics Hash of what was measured.
    """
    if audit_book._state(audit) == IAuditCourt.AuditState.COMMITTING:
        audit_life._advance(audit)
    self._check_awaited(audit, IAuditCourt.AuditState.VOTING)
    assert failed <= audit_book._full(audit), "audit_court: no such draw"
    operator_id: uint256 = findings._operator_of(msg.sender)
    round: uint256 = audit_book._round(audit)

    seat: uint256 = ballots._open(audit, round, operator_id, failed, statistics, salt)
    log IAuditCourt.Voted(
        audit=audit,
        operator_id=operator_id,
        round=round,
        seat=seat,
        failed=failed,
        statistics=statistics,
    )


# --- VIEWS


@external
@view
@reentrant
def standing(service: bytes32) -> IAuditView.Standing:
    return track_record._standing(service)


@external
@view
@reentrant
def is_done(batch: uint256) -> bool:
    return not audit_book._is_request(batch) and audit_book._is_final(batch)


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    is_auditor: bool = offence == C.AUD_SILENT or offence == C.AUD_MINORITY
    is_provider: bool = offence == C.CMP_AUDIT_FAIL or offence == C.CMP_SILENT_AUDIT
    assert is_auditor or is_provider, "audit_court: unknown offence"
    return findings.EVIDENCE


# --- INTERNAL


@internal
@view
def _seed(audit: uint256, round: uint256, block_hash: bytes32) -> bytes32:
    """
    @dev The beacon value of the audit's epoch and a later block; of now where nobody remembers that block.
    """
    epoch: uint256 = audit_book._epoch(audit)
    if block_hash == empty(bytes32):
        epoch = findings._epoch_at(block.timestamp)
    random: bytes32 = staticcall IRandomBeacon(BEACON).randomness(epoch)
    return keccak256(abi_encode(C.TAG_AUDIT, random, block_hash, audit, round))


@internal
@view
def _check_awaited(audit: uint256, state: IAuditCourt.AuditState):
    assert audit_book._state(audit) == state, "audit_court: not awaited"
    assert block.timestamp <= audit_book._deadline(audit), "audit_court: too late"
