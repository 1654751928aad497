# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Seven who judge a milestone
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a case is decided once, by five of seven equal votes or by nobody, and pays its whole pot once, to those
        who voted so.
@dev A case is 2**254 | job << 8 | milestone: no audit has such a number, so seeds and ballots are theirs alone. Its jury
     is drawn and votes as an audit's second committee does (committee.vy, ballots.vy), on one question.
"""
from ..interfaces import IAuditCourt
from ..interfaces import IJobMarket
from ..interfaces import IRandomBeacon
from ..interfaces import IStakeView
from ..shared import block_history
from ..shared import constants as C
from . import ballots
from . import committee
from . import findings
from . import free_money

uses: ballots
uses: findings
uses: free_money

SEATS: constant(uint256) = 7
LEAST_SEATS: constant(uint256) = 2  # one alone is nobody
ROUND: constant(uint256) = 2  # of ballots: more than two thirds decide
SEED_BLOCKS: constant(uint256) = 2  # until the block whose hash draws
CASE_BIT: constant(uint256) = 1 << 254
MILESTONE_BITS: constant(uint256) = 8
JOB_MASK: constant(uint256) = 2**246 - 1

OPERATORS: immutable(address)
BEACON: immutable(address)
COMMIT: immutable(uint256)  # seconds
VOTE: immutable(uint256)
JUROR_PAY: immutable(uint256)  # wei

cases: HashMap[uint256, IJobMarket.Case]


@deploy
def __init__(
    operators: address, beacon: address, commit_seconds: uint256, vote_seconds: uint256, pay: uint256
):
    assert operators.is_contract and beacon.is_contract, "job_jury: no contract"
    assert commit_seconds != 0 and vote_seconds != 0, "job_jury: empty window"
    assert pay != 0 and pay < 2**96, "job_jury: pay out of range"

    OPERATORS = operators
    BEACON = beacon
    COMMIT = commit_seconds
    VOTE = vote_seconds
    JUROR_PAY = pay


# --- PERMISSIONLESS


@external
def punish(case: uint256, seat: uint256):
    """
    @notice Take from a juror who opened no ballot.
    """
    assert self._is_final(case), "job_jury: not decided"
    ballot: IAuditCourt.Ballot = ballots._ballot(case, ROUND, seat)
    was_asked: bool = ballot.operator_id != 0 and ballots._count(case, ROUND) >= LEAST_SEATS
    assert was_asked, "job_jury: nobody was asked"
    assert not ballot.has_voted, "job_jury: nothing is wrong"

    ballots._mark_punished(case, ROUND, seat)
    log IJobMarket.JurorPunished(case=case, operator_id=ballot.operator_id)
    findings._tell(
        C.JOB_SILENT,
        findings._pool(ballot.operator_id, C.ALIGNMENT),
        self.cases[case].epoch,
        keccak256(abi_encode(case, seat)),
        0,
        empty(address),
        0,
        empty(address),
    )


# --- JUROR


@external
def commit(case: uint256, commitment: bytes32):
    """
    @notice Seal a ballot.
    @param commitment keccak256(abi_encode(TAG_BALLOT, case, 2, operator id, faulty, statistics, salt)).
    """
    self._check_awaited(case, IJobMarket.CaseState.COMMITTING)
    operator_id: uint256 = findings._operator_of(msg.sender)

    seat: uint256 = ballots._seal(case, ROUND, operator_id, commitment)
    log IJobMarket.BallotCommitted(case=case, operator_id=operator_id, seat=seat)


@external
def vote(case: uint256, is_faulty: bool, statistics: bytes32, salt: bytes32):
    """
    @notice Open one's ballot, once every seat has sealed or the time for it is over.
    @param statistics Hash of what was found.
    """
    if self.cases[case].state == IJobMarket.CaseState.COMMITTING:
        self._begin_voting(case)
    self._check_awaited(case, IJobMarket.CaseState.VOTING)
    operator_id: uint256 = findings._operator_of(msg.sender)

    faulty: uint256 = convert(is_faulty, uint256)
    seat: uint256 = ballots._open(case, ROUND, operator_id, faulty, statistics, salt)
    log IJobMarket.Voted(
        case=case, operator_id=operator_id, seat=seat, is_faulty=is_faulty, statistics=statistics
    )


# --- VIEWS


@external
@view
@reentrant
def case(id: uint256) -> IJobMarket.Case:
    """
    @notice A case; all zero when there is none.
    """
    return self.cases[id]


@external
@view
@reentrant
def jury_bond() -> uint256:
    """
    @return Wei that disputing costs.
    """
    return JUROR_PAY * SEATS


@external
@view
@reentrant
def case_id(job: uint256, milestone: uint256) -> uint256:
    return self._id(job, milestone)


# --- INTERNAL


@internal
@pure
def _id(job: uint256, milestone: uint256) -> uint256:
    return CASE_BIT | job << MILESTONE_BITS | milestone


@internal
@pure
def _job(id: uint256) -> uint256:
    return (id >> MILESTONE_BITS) & JOB_MASK


@internal
def _open_case(id: uint256, barred: uint256, pot: uint256):
    """
    @param barred An operator that may not judge.
    """
    self.cases[id] = IJobMarket.Case(
        state=IJobMarket.CaseState.WAITING,
        epoch=findings._epoch_at(block.timestamp),
        seed_block=block.number + SEED_BLOCKS,
        barred=barred,
        deadline=0,
        seed=empty(bytes32),
        pot=pot,
    )


@internal
def _draw(id: uint256, shown: DynArray[IAuditCourt.Candidate, committee.MAX_ATTEMPTS]) -> bool:
    """
    @return Whether there is a jury.
    """
    case: IJobMarket.Case = self.cases[id]
    assert case.state == IJobMarket.CaseState.WAITING, "job_jury: not to be drawn"
    assert block.number > case.seed_block, "job_jury: seed not known"
    block_hash: bytes32 = block_history._block_hash(case.seed_block)
    epoch: uint256 = case.epoch
    if block_hash == empty(bytes32):
        epoch = findings._epoch_at(block.timestamp)
    random: bytes32 = staticcall IRandomBeacon(BEACON).randomness(epoch)
    seed: bytes32 = keccak256(abi_encode(C.TAG_AUDIT, random, block_hash, id, ROUND))
    members: DynArray[uint256, committee.MAX_SEATS] = committee._draw(
        OPERATORS, case.epoch, keccak256(concat(C.TAG_COMMITTEE, seed)), SEATS, case.barred, shown
    )

    self.cases[id].seed = seed
    ballots._seat(id, ROUND, case.epoch, members)
    log IJobMarket.JuryDrawn(case=id, seed=seed, members=members)
    if len(members) < LEAST_SEATS:
        return False
    self._move(id, IJobMarket.CaseState.COMMITTING, block.timestamp + COMMIT)
    return True


@internal
def _advance(id: uint256) -> bool:
    """
    @return Whether the votes are to be counted.
    """
    if self.cases[id].state == IJobMarket.CaseState.COMMITTING:
        self._begin_voting(id)
        return False
    assert self.cases[id].state == IJobMarket.CaseState.VOTING, "job_jury: nothing to wait for"
    is_over: bool = block.timestamp > self.cases[id].deadline
    assert is_over or ballots._all_opened(id, ROUND), "job_jury: too early"
    return True


@internal
def _decide(id: uint256, payer: address) -> IJobMarket.CaseState:
    """
    @param payer Gets the pot if nobody earned it.
    """
    faulty: uint256 = 0
    decided: uint256 = 0
    if ballots._count(id, ROUND) >= LEAST_SEATS:
        faulty, decided = ballots._tally(id, ROUND, 1)
    state: IJobMarket.CaseState = IJobMarket.CaseState.UNDECIDED
    if decided == 1:
        state = IJobMarket.CaseState.FAULTY if faulty == 1 else IJobMarket.CaseState.FINE
    self._move(id, state, 0)
    self._pay(id, faulty, decided, payer)
    return state


@internal
def _pay(id: uint256, faulty: uint256, decided: uint256, payer: address):
    """
    @dev Where nothing is decided everybody who voted has worked.
    """
    pot: uint256 = self.cases[id].pot
    owners: DynArray[address, committee.MAX_SEATS] = []
    for seat: uint256 in range(committee.MAX_SEATS):
        ballot: IAuditCourt.Ballot = ballots._ballot(id, ROUND, seat)
        if ballot.has_voted and (decided == 0 or ballot.failed == faulty):
            owners.append((staticcall IStakeView(findings.STAKE).operator(ballot.operator_id)).owner)

    self.cases[id].pot = 0
    count: uint256 = len(owners)
    if count == 0:
        free_money._credit(payer, empty(address), pot)
    for owner: address in owners:
        share: uint256 = pot // count
        count -= 1
        pot -= share
        free_money._credit(owner, empty(address), share)


@internal
def _begin_voting(id: uint256):
    is_over: bool = block.timestamp > self.cases[id].deadline
    assert is_over or ballots._all_sealed(id, ROUND), "job_jury: too early"
    opens_at: uint256 = min(self.cases[id].deadline, block.timestamp)
    self._move(id, IJobMarket.CaseState.VOTING, opens_at + VOTE)


@internal
def _move(id: uint256, state: IJobMarket.CaseState, deadline: uint256):
    self.cases[id].state = state
    self.cases[id].deadline = deadline
    log IJobMarket.CaseMoved(case=id, state=state, deadline=deadline)


@internal
@view
def _is_final(id: uint256) -> bool:
    final: IJobMarket.CaseState = (
        IJobMarket.CaseState.FINE | IJobMarket.CaseState.FAULTY | IJobMarket.CaseState.UNDECIDED
    )
    return self.cases[id].state in final


@internal
@view
def _check_awaited(id: uint256, state: IJobMarket.CaseState):
    assert self.cases[id].state == state, "job_jury: not awaited"
    assert block.timestamp <= self.cases[id].deadline, "job_jury: too late"
