# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The way of an audit to its end
@license AGPL-3.0-only
@author Apogee
@notice Invariant: every state that waits for somebody has a deadline, after which anyone moves the audit on; states are
        passed in one order and a final one is never left.
"""
from ..interfaces import IAuditCourt
from ..interfaces import IComputeEscrow
from ..interfaces import IServiceRegistry
from ..shared import constants as C
from . import audit_book
from . import ballots
from . import court_credits
from . import findings
from . import openings
from . import slash_size
from . import track_record

uses: audit_book
uses: ballots
uses: court_credits
uses: findings
uses: openings
uses: track_record

FIRST_SEATS: constant(uint256) = 3
SECOND_SEATS: constant(uint256) = 7
LEAST_SEATS: constant(uint256) = 2
SEED_BLOCKS: constant(uint256) = 2  # until the block whose hash draws
REST: constant(uint256) = slash_size.MAX_DRAWS  # in place of a draw's number: those that nobody showed

REGISTRY: immutable(IServiceRegistry)
REVEAL: immutable(uint256)  # seconds, as the next three
COMMIT: immutable(uint256)
VOTE: immutable(uint256)
ESCALATE: immutable(uint256)
AUDITOR_PAY: immutable(uint256)  # wei


@deploy
def __init__(registry: address, windows: IAuditCourt.Windows, auditor_pay: uint256):
    assert registry.is_contract, "audit_life: no contract"
    shortest: uint256 = min(min(windows.reveal, windows.commit), min(windows.vote, windows.escalate))
    assert shortest != 0, "audit_life: empty window"
    assert auditor_pay != 0 and auditor_pay < 2**96, "audit_life: pay out of range"

    REGISTRY = IServiceRegistry(registry)
    REVEAL = windows.reveal
    COMMIT = windows.commit
    VOTE = windows.vote
    ESCALATE = windows.escalate
    AUDITOR_PAY = auditor_pay


# --- VIEWS


@external
@view
@reentrant
def deposit() -> uint256:
    """
    @return Wei that a request costs.
    """
    return AUDITOR_PAY * FIRST_SEATS


@external
@view
@reentrant
def bond() -> uint256:
    """
    @return Wei that escalating costs.
    """
    return AUDITOR_PAY * SECOND_SEATS


# --- INTERNAL


@internal
def _advance(id: uint256):
    """
    @dev One step.
    """
    state: IAuditCourt.AuditState = audit_book._state(id)
    round: uint256 = audit_book._round(id)
    is_ready: bool = block.timestamp > audit_book._deadline(id)
    if state == IAuditCourt.AuditState.COMMITTING:
        is_ready = is_ready or ballots._all_sealed(id, round)
    elif state == IAuditCourt.AuditState.VOTING:
        is_ready = is_ready or ballots._all_opened(id, round)
    assert is_ready, "audit_life: too early"

    if state == IAuditCourt.AuditState.DRAWN:
        audit_book._flip(id, audit_book.SILENT)
        self._suspect(id)
        audit_book._judge(id, audit_book._full(id), audit_book._full(id))
        self._uphold(id)
    elif state == IAuditCourt.AuditState.COMMITTING:
        opens_at: uint256 = min(audit_book._deadline(id), block.timestamp)
        audit_book._move(id, IAuditCourt.AuditState.VOTING, opens_at + VOTE)
    elif state == IAuditCourt.AuditState.VOTING:
        self._decide(id, round)
    elif state == IAuditCourt.AuditState.DECIDED:
        if audit_book._failed(id) == 0:
            self._finish(id, IAuditCourt.AuditState.CLEARED)
        else:
            self._uphold(id)
    else:
        assert state == IAuditCourt.AuditState.UPHELD, "audit_life: nothing to wait for"
        left: uint256 = audit_book.left[id]
        audit_book.left[id] = 0
        self._punish(id, REST, left, empty(address), 0, 0)
        self._finish(id, IAuditCourt.AuditState.PUNISHED)


@internal
def _suspect(id: uint256):
    """
    @dev The service has an open failure.
    """
    track_record._suspect(self._service(id))
    audit_book._flip(id, audit_book.SUSPECT)


@internal
def _escalate(id: uint256):
    """
    @dev A new committee, drawn by what nobody knows yet.
    """
    audit_book._again(id, findings._epoch_at(block.timestamp), block.number + SEED_BLOCKS)
    audit_book._move(id, IAuditCourt.AuditState.ESCALATED, 0)


@internal
def _decide(id: uint256, round: uint256):
    """
    @dev Three who do not agree leave it to seven; where they do not agree either, nothing failed.
    """
    failed: uint256 = 0
    decided: uint256 = 0
    before: uint256 = audit_book._failed(id)
    failed, decided = ballots._tally(id, round, audit_book._draws(id))
    is_split: bool = decided != audit_book._full(id)
    if round == 1 and is_split:
        failed = 0
    audit_book._judge(id, failed, decided)
    if round == 1:
        if is_split or failed != 0:
            self._suspect(id)
        if is_split:
            self._escalate(id)
        else:
            deadline: uint256 = block.timestamp + ESCALATE
            audit_book._move(id, IAuditCourt.AuditState.DECIDED, deadline)
        return

    if not is_split and failed == before:
        audit_book.pots[id] += audit_book.bonds[id]
        audit_book.bonds[id] = 0
    if failed != 0:
        self._uphold(id)
    elif is_split:
        self._finish(id, IAuditCourt.AuditState.VOID)
    else:
        self._finish(id, IAuditCourt.AuditState.CLEARED)


@internal
def _uphold(id: uint256):
    """
    @dev What failed is to be shown, refunded and punished.
    """
    service: bytes32 = self._service(id)
    audit_book.left[id] = audit_book._failed(id)
    track_record._fail(service)
    audit_book._move(id, IAuditCourt.AuditState.UPHELD, block.timestamp + REVEAL)
    extcall REGISTRY.suspend(service)


@internal
def _finish(id: uint256, state: IAuditCourt.AuditState):
    service: bytes32 = self._service(id)
    self._give_bond_back(id)
    if audit_book._has(id, audit_book.SUSPECT):
        track_record._settle(service)
        audit_book._flip(id, audit_book.SUSPECT)
    audit_book._move(id, state, 0)
    if audit_book._is_request(id):
        extcall openings.ESCROW.close_case(audit_book._batch(id))
    elif state == IAuditCourt.AuditState.CLEARED:
        track_record._clear(service, audit_book._draws(id))


@internal
def _give_bond_back(id: uint256):
    court_credits._credit(audit_book.challengers[id], audit_book.bonds[id])
    audit_book.bonds[id] = 0


@internal
def _punish(
    id: uint256, number: uint256, draws: uint256, payer: address, refunded: uint256, loss: uint256
):
    """
    @param draws Bits: what they cost together is one finding. Requests of one item cost a failed draw once,
                 then the loss.
    """
    batch: IComputeEscrow.Batch = openings._batch(audit_book._batch(id))
    offence: uint256 = C.CMP_AUDIT_FAIL
    if audit_book._has(id, audit_book.SILENT):
        offence = C.CMP_SILENT_AUDIT
    told: uint256 = self._count(draws) * self._penalty(batch, audit_book._has(id, audit_book.WHOLE))
    if audit_book._is_request(id) and audit_book._charge(id):
        told = loss
    if told != 0:
        told = findings._tell(
            offence,
            findings._pool(self._operator_id(batch.service), C.COMPUTE),
            findings._epoch_at(convert(batch.posted_at, uint256)),
            keccak256(abi_encode(id, number)),
            told,
            payer,
            loss,
            audit_book.requesters[id],
        )
    log IAuditCourt.DrawConvicted(
        audit=id,
        batch=audit_book._batch(id),
        draws=draws,
        payer=payer,
        refunded=refunded,
        amount=told,
    )


@internal
@pure
def _count(bits: uint256) -> uint256:
    count: uint256 = 0
    rest: uint256 = bits
    for _: uint256 in range(slash_size.MAX_DRAWS):
        if rest == 0:
            break
        rest &= rest - 1
        count += 1
    return count


@internal
@view
def _service(id: uint256) -> bytes32:
    return openings._batch(audit_book._batch(id)).service


@internal
@view
def _penalty(batch: IComputeEscrow.Batch, is_whole: bool) -> uint256:
    total: uint256 = staticcall openings.ESCROW.wei_of(batch.token, convert(batch.total, uint256))
    draws: uint256 = slash_size._draws(convert(batch.leaves, uint256))
    return slash_size._penalty(total, slash_size.MAX_DRAWS if is_whole else draws)


@internal
@view
def _operator_id(service: bytes32) -> uint256:
    return convert((staticcall REGISTRY.settler_of(service))[1], uint256)
