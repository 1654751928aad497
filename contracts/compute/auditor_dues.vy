# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What auditors earn and lose
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an audit pays once, and a seat is punished once, both only after the end.
"""
from ..interfaces import IAuditCourt
from ..interfaces import IComputeEscrow
from ..interfaces import IStakeView
from ..shared import constants as C
from . import audit_book
from . import audit_life
from . import ballots
from . import committee
from . import court_credits
from . import findings
from . import openings

uses: audit_book
uses: ballots
uses: court_credits
uses: findings
uses: openings


# --- PERMISSIONLESS


@external
def punish(audit: uint256, round: uint256, seat: uint256):
    """
    @notice Take from an auditor who opened no ballot, or whom more than two thirds of the second committee contradict.
    """
    assert audit_book._is_final(audit), "auditor_dues: not decided"
    ballot: IAuditCourt.Ballot = ballots._ballot(audit, round, seat)
    # a provider that sent nothing gave the first committee nothing to do, and one seat alone is nobody
    was_asked: bool = not audit_book._has(audit, audit_book.SILENT)
    was_asked = was_asked and ballots._count(audit, round) >= audit_life.LEAST_SEATS
    assert was_asked and ballot.operator_id != 0, "auditor_dues: nobody was asked"
    offence: uint256 = C.AUD_SILENT
    if ballot.has_voted:
        is_against: bool = self._is_against(audit, ballot.failed)
        assert audit_book._round(audit) == 2 and is_against, "auditor_dues: nothing is wrong"
        offence = C.AUD_MINORITY

    ballots._mark_punished(audit, round, seat)
    log IAuditCourt.AuditorPunished(
        audit=audit, operator_id=ballot.operator_id, round=round, offence=offence
    )
    findings._tell(
        offence,
        findings._pool(ballot.operator_id, C.ALIGNMENT),
        ballots._epoch(audit, round),
        keccak256(abi_encode(audit, round, seat)),
        0,
        empty(address),
        0,
        empty(address),
    )


@external
def pay(audit: uint256):
    """
    @notice Pay those whose votes agree with the end of an audit: deposits and lost bonds, and the fee of a batch, which
            comes with its release.
    """
    assert audit_book._is_final(audit), "auditor_dues: not decided"
    assert not audit_book._has(audit, audit_book.PAID), "auditor_dues: paid already"
    batch: IComputeEscrow.Batch = openings._batch(audit_book._batch(audit))
    fee: uint256 = 0
    if not audit_book._is_request(audit):
        assert batch.state == IComputeEscrow.BatchState.RELEASED, "auditor_dues: not released"
        fee = convert(batch.fee, uint256)
    pot: uint256 = audit_book.pots[audit]
    earners: DynArray[address, committee.MAX_SEATS] = self._earners(audit)

    audit_book._flip(audit, audit_book.PAID)
    audit_book.pots[audit] = 0
    log IAuditCourt.AuditorsPaid(audit=audit, earners=earners, fee=fee, wei_amount=pot)
    if len(earners) == 0:
        to: address = audit_book.requesters[audit]
        court_credits._credit(audit_book.challengers[audit] if to == empty(address) else to, pot)
        self._give(batch.token, batch.provider, fee)
    count: uint256 = len(earners)
    for earner: address in earners:
        share: uint256 = fee // count
        pot_share: uint256 = pot // count
        count -= 1
        fee -= share
        pot -= pot_share
        court_credits._credit(earner, pot_share)
        self._give(batch.token, earner, share)


# --- INTERNAL


@internal
def _give(token: address, to: address, amount: uint256):
    if amount != 0:
        extcall openings.ESCROW.give(token, to, amount)


@internal
@view
def _is_against(audit: uint256, failed: uint256) -> bool:
    """
    @dev On a draw that the last committee decided.
    """
    return (failed ^ audit_book._failed(audit)) & audit_book._decided(audit) != 0


@internal
@view
def _earners(audit: uint256) -> DynArray[address, committee.MAX_SEATS]:
    """
    @return Owners of the operators whose votes agree with the end.
    """
    round: uint256 = audit_book._round(audit)
    owners: DynArray[address, committee.MAX_SEATS] = []
    for seat: uint256 in range(committee.MAX_SEATS):
        ballot: IAuditCourt.Ballot = ballots._ballot(audit, round, seat)
        if ballot.has_voted and not self._is_against(audit, ballot.failed):
            owners.append((staticcall IStakeView(findings.STAKE).operator(ballot.operator_id)).owner)
    return owners
