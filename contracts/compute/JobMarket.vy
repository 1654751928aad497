# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title A market of jobs: sealed bids, milestones, juries
@license AGPL-3.0-only
@author Apogee
@notice A buyer posts a job with all of its money. Providers of a fitting service bid sealed, each against a bond; the
        lowest price x (1 + risk) works and is paid by the milestone, once the buyer accepts or says nothing in time. What
        he disputes seven drawn auditors judge: faulty work costs the rest of the price and the bond. Invariant: per
        token, free money, pots, bonds and juries' pots together are what has arrived and not left.
@custom:kill No switch and no governance. Every state that waits for somebody ends by its time, after which anyone moves
             the job on.
@custom:security Any token may be a job's: one that lies about balances harms its own jobs only, so bidders look at it.
                 Silence is acceptance. Seven auditors can be wrong; nobody stands above them.
"""
from ..interfaces import IAuditCourt
from ..interfaces import IJobMarket
from ..interfaces import IServiceRegistry
from ..interfaces import IStakeView
from ..shared import constants as C
from . import ballots
from . import committee
from . import findings
from . import free_money
from . import job_bids
from . import job_book
from . import job_jury
from . import job_record
from . import job_terms

implements: IJobMarket
initializes: ballots
initializes: findings
initializes: free_money
initializes: job_book
initializes: job_record
initializes: job_bids[job_book := job_book, job_record := job_record]
initializes: job_jury[ballots := ballots, findings := findings, free_money := free_money]

exports: (ballots.ballot, free_money.withdraw, free_money.free_of)
exports: (job_book.job_count, job_book.job, job_book.plan_of, job_book.bond_of)
exports: (job_bids.bid_of, job_record.record_of, job_record.risk_of)
exports: (job_jury.commit, job_jury.vote, job_jury.punish)
exports: (job_jury.case, job_jury.case_id, job_jury.jury_bond)

REGISTRY: public(immutable(IServiceRegistry))
SHORTEST: immutable(uint256)  # seconds


@deploy
def __init__(
    registry: address,
    operators: address,
    stake: address,
    beacon: address,
    court: address,
    windows: IJobMarket.Windows,
    juror_pay: uint256,
):
    """
    @param registry ServiceRegistry: whose services may bid.
    @param operators OperatorRegistry: whom a draw over the ALIGNMENT stake falls on.
    @param stake StakeManager: epochs, accounts.
    @param beacon RandomBeacon.
    @param court SlashingCourt, which punishes silent jurors.
    @param windows Seconds.
    @param juror_pay What a seat of a jury costs who disputes, wei.
    """
    assert registry.is_contract, "job_market: no contract"
    is_sane: bool = windows.shortest != 0 and windows.shortest <= job_terms.LONGEST
    assert is_sane, "job_market: empty window"

    findings.__init__(stake, court, windows.evidence)
    job_jury.__init__(operators, beacon, windows.commit, windows.vote, juror_pay)
    REGISTRY = IServiceRegistry(registry)
    SHORTEST = windows.shortest


# --- PERMISSIONLESS


@external
@payable
def post(terms: IJobMarket.Terms, amount: uint256) -> uint256:
    """
    @notice Ask for work, and put in the most it may cost.
    @param amount Base units of the job's token; what arrives of them is the budget.
    @return The job.
    """
    job_terms._check(terms, SHORTEST)
    budget: uint256 = free_money._take_in(terms.token, amount)
    assert budget != 0 and budget < 2**96, "job_market: budget out of range"

    id: uint256 = job_book._post(terms, msg.sender, budget)
    log IJobMarket.JobPosted(
        job=id,
        buyer=msg.sender,
        token=terms.token,
        kind=terms.kind,
        spec_hash=terms.spec_hash,
        budget=budget,
    )
    return id


@external
def award(job: uint256) -> bool:
    """
    @notice Give the job to the best opened bid, once the time for opening is over.
    @return False: there is none, and the job is cancelled.
    """
    job_book._check_state(job, IJobMarket.JobState.OPEN)
    assert block.timestamp > job_book.jobs[job].reveal_until, "job_market: bids may open"
    operator_id: uint256 = job_book.jobs[job].operator_id
    if operator_id == 0:
        self._end(job, IJobMarket.JobState.CANCELLED, 0, job_book.jobs[job].pot, 0)
        return False

    rest: uint256 = job_book._begin(job)
    self._credit(job, job_book.jobs[job].buyer, rest)
    log IJobMarket.JobAwarded(
        job=job,
        operator_id=operator_id,
        service=job_book.jobs[job].service,
        price=job_book.jobs[job].price,
    )
    return True


@external
def forfeit(job: uint256, operator_id: uint256):
    """
    @notice End a sealed bid that was not opened in time: a tenth of its bond is the buyer's.
    """
    assert block.timestamp > job_book.jobs[job].reveal_until, "job_market: bids may open"
    fine: uint256 = 0
    rest: uint256 = 0
    fine, rest = job_bids._forfeit(job, operator_id)

    self._credit(job, job_book.jobs[job].buyer, fine)
    self._credit(job, self._owner(operator_id), rest)


@external
def settle(job: uint256):
    """
    @notice Pay a milestone that its buyer neither accepted nor disputed in time.
    """
    job_book._check_state(job, IJobMarket.JobState.DELIVERED)
    assert block.timestamp > job_book.jobs[job].until, "job_market: under review"

    self._pay(job, True)


@external
def expire(job: uint256):
    """
    @notice End a job whose milestone is overdue: what is not paid and the bond are the buyer's.
    """
    job_book._check_state(job, IJobMarket.JobState.RUNNING)
    assert block.timestamp > job_book.jobs[job].until, "job_market: not overdue"

    self._fail(job, IJobMarket.JobState.FAILED)


@external
def draw(case: uint256, shown: DynArray[IAuditCourt.Candidate, committee.MAX_ATTEMPTS]):
    """
    @notice Show who judges. Fewer than two are nobody: the case is undecided.
    @param shown On whom each attempt to fill a seat falls; nobody where ALIGNMENT has no weight.
    """
    if not job_jury._draw(case, shown):
        self._rule(case)


@external
def advance(case: uint256):
    """
    @notice Move a case on, where its time has passed or everybody has acted.
    """
    if job_jury._advance(case):
        self._rule(case)


# --- BUYER


@external
def cancel(job: uint256):
    """
    @notice Take a job back that nobody has bid for.
    """
    job_book._check_state(job, IJobMarket.JobState.OPEN)
    self._check_buyer(job)
    assert job_book.jobs[job].bids == 0, "job_market: bids are sealed"

    self._end(job, IJobMarket.JobState.CANCELLED, 0, job_book.jobs[job].pot, 0)


@external
def accept(job: uint256):
    """
    @notice Have the milestone paid that was delivered.
    """
    job_book._check_state(job, IJobMarket.JobState.DELIVERED)
    self._check_buyer(job)

    self._pay(job, False)


@external
@payable
def dispute(job: uint256, statement: bytes32) -> uint256:
    """
    @notice Have seven auditors judge what was delivered. The bond is theirs; what exceeds it is credited back.
    @param statement Hash of what is said to be wrong.
    @return The case.
    """
    job_book._check_state(job, IJobMarket.JobState.DELIVERED)
    self._check_buyer(job)
    assert block.timestamp <= job_book.jobs[job].until, "job_market: too late"
    bond: uint256 = job_jury.JUROR_PAY * job_jury.SEATS
    assert msg.value >= bond, "job_market: bond too low"

    number: uint256 = job_book.jobs[job].milestone
    case: uint256 = job_jury._id(job, number)
    job_book._dispute(job)
    job_jury._open_case(case, job_book.jobs[job].operator_id, bond)
    free_money._credit(msg.sender, empty(address), msg.value - bond)
    log IJobMarket.MilestoneDisputed(job=job, milestone=number, case=case, statement=statement)
    return case


# --- PROVIDER


@external
@payable
def bid(job: uint256, service: bytes32, commitment: bytes32, amount: uint256):
    """
    @notice Seal a bid, as owner or signer of the service's operator.
    @param service Serves, of the job's kind and model, at its level at least.
    @param commitment keccak256(abi_encode(TAG_JOB_BID, job, operator id, price, salt)).
    @param amount Of the job's token for the bond; what arrives must be `bond_of`.
    """
    job_book._check_state(job, IJobMarket.JobState.OPEN)
    assert block.timestamp <= job_book.jobs[job].bid_until, "job_market: too late"
    operator_id: uint256 = self._check_fit(job, service)

    bond: uint256 = free_money._take_in(job_book.jobs[job].token, amount)
    job_bids._seal(job, operator_id, service, commitment, bond)


@external
def reveal(job: uint256, price: uint256, salt: bytes32):
    """
    @notice Open one's bid, once no more are sealed. A bid that is beaten has its bond back at once.
    """
    job_book._check_state(job, IJobMarket.JobState.OPEN)
    assert block.timestamp > job_book.jobs[job].bid_until, "job_market: bids are sealed"
    assert block.timestamp <= job_book.jobs[job].reveal_until, "job_market: too late"
    operator_id: uint256 = findings._operator_of(msg.sender)
    service: bytes32 = job_bids.bids[job][operator_id].service
    if service != empty(bytes32):
        self._check_fit(job, service)

    freed: uint256 = 0
    bond: uint256 = 0
    freed, bond = job_bids._open(job, operator_id, price, salt)
    if freed != 0:
        self._credit(job, self._owner(freed), bond)


@external
def deliver(job: uint256, result: bytes32, receipts: bytes32):
    """
    @notice Show what a milestone came to, in time and at the job's level.
    @param result Hash of what was made.
    @param receipts Root over receipts of the answers in it; zero: none.
    """
    job_book._check_state(job, IJobMarket.JobState.RUNNING)
    assert block.timestamp <= job_book.jobs[job].until, "job_market: too late"
    self._check_fit(job, job_book.jobs[job].service)
    assert result != empty(bytes32), "job_market: no result"

    job_book._deliver(job, result, receipts)
    log IJobMarket.MilestoneDelivered(
        job=job, milestone=job_book.jobs[job].milestone, result=result, receipts=receipts
    )


# --- VIEWS


@external
@view
@reentrant
def windows() -> IJobMarket.Windows:
    """
    @notice Seconds.
    """
    return IJobMarket.Windows(
        shortest=SHORTEST,
        commit=job_jury.COMMIT,
        vote=job_jury.VOTE,
        evidence=findings.EVIDENCE,
    )


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    assert offence == C.JOB_SILENT, "job_market: unknown offence"
    return findings.EVIDENCE


# --- INTERNAL


@internal
@view
def _check_buyer(job: uint256):
    assert msg.sender == job_book.jobs[job].buyer, "job_market: not your job"


@internal
@view
def _check_fit(job: uint256, service: bytes32) -> uint256:
    """
    @return The operator, whose owner or signer the caller is.
    """
    provider: address = empty(address)
    settler: uint64 = 0
    provider, settler = staticcall REGISTRY.settler_of(service)
    operator_id: uint256 = convert(settler, uint256)
    is_own: bool = operator_id != 0 and findings._operator_of(msg.sender) == operator_id
    assert is_own, "job_market: not your service"
    assert staticcall REGISTRY.is_serving(service), "job_market: not serving"
    offered: IServiceRegistry.Service = staticcall REGISTRY.service(service)
    asked: bytes32 = job_book.jobs[job].model_hash
    is_asked: bool = asked == empty(bytes32) or asked == offered.model_hash
    assert is_asked and offered.kind == job_book.jobs[job].kind, "job_market: other work"
    level: uint8 = job_book.jobs[job].level
    if level != 0:
        shown: IServiceRegistry.Verifiability = staticcall REGISTRY.verifiability_of(service)
        assert shown.level >= level, "job_market: level too low"
    return operator_id


@internal
@view
def _owner(operator_id: uint256) -> address:
    return (staticcall IStakeView(findings.STAKE).operator(operator_id)).owner


@internal
def _credit(job: uint256, account: address, amount: uint256):
    free_money._credit(account, job_book.jobs[job].token, amount)


@internal
def _pay(job: uint256, is_silent: bool):
    """
    @dev With the last milestone the bond is the provider's again.
    """
    number: uint256 = job_book.jobs[job].milestone
    operator_id: uint256 = job_book.jobs[job].operator_id
    amount: uint256 = 0
    is_last: bool = False
    amount, is_last = job_book._pay(job)
    self._credit(job, self._owner(operator_id), amount)
    log IJobMarket.MilestonePaid(job=job, milestone=number, amount=amount, is_silent=is_silent)
    if is_last:
        job_record._settle(operator_id)
        self._end(job, IJobMarket.JobState.SETTLED, job_book.jobs[job].bond, 0, operator_id)


@internal
def _fail(job: uint256, state: IJobMarket.JobState):
    job_record._fail(job_book.jobs[job].operator_id)
    left: uint256 = job_book.jobs[job].pot + job_book.jobs[job].bond
    self._end(job, state, 0, left, 0)


@internal
def _end(
    job: uint256, state: IJobMarket.JobState, to_provider: uint256, to_buyer: uint256, operator_id: uint256
):
    """
    @dev Both together are all that the job holds.
    @param operator_id Of the provider; 0 where nothing is his.
    """
    job_book._end(job, state)
    if operator_id != 0:
        self._credit(job, self._owner(operator_id), to_provider)
    self._credit(job, job_book.jobs[job].buyer, to_buyer)
    log IJobMarket.StateChanged(
        job=job, state=state, to_provider=to_provider, to_buyer=to_buyer
    )


@internal
def _rule(case: uint256):
    """
    @dev What a jury says moves its job on.
    """
    job: uint256 = job_jury._job(case)
    state: IJobMarket.CaseState = job_jury._decide(case, job_book.jobs[job].buyer)
    if state == IJobMarket.CaseState.FINE:
        self._pay(job, False)
    elif state == IJobMarket.CaseState.FAULTY:
        self._fail(job, IJobMarket.JobState.REFUNDED)
    else:
        half: uint256 = job_book._due_amount(job) // 2
        rest: uint256 = job_book.jobs[job].pot - half
        bond: uint256 = job_book.jobs[job].bond
        operator_id: uint256 = job_book.jobs[job].operator_id
        self._end(job, IJobMarket.JobState.SPLIT, half + bond, rest, operator_id)
