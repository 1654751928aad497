# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who gets what a slash took
@license AGPL-3.0-only
@author Apogee
@notice Invariant: reporter's share + victim's loss + insurance + Treasury's rest == taken, to the wei.
"""
from ..interfaces import ISlashingCourt
from ..shared import constants as C
from ..shared import governed
from . import credits
from . import insurance

uses: credits
uses: governed
uses: insurance

REPORTER_LIMIT: constant(uint256) = 10 * 10**18  # wei per case
INSURANCE_BPS: constant(uint256) = 200  # of all stake

treasury: reentrant(public(address))


@deploy
def __init__(treasury: address):
    assert treasury != empty(address), "court: no treasury"
    self.treasury = treasury


# --- ROLE-GATED: governance


@external
def set_treasury(treasury: address):
    """
    @notice Name who gets future remainders; credits of the former one stay his.
    """
    governed._check_governance()
    assert treasury != empty(address), "court: no treasury"

    self.treasury = treasury
    log ISlashingCourt.TreasuryChanged(treasury=treasury)


# --- INTERNAL


@internal
def _share_out(
    offence_id: bytes32, case: ISlashingCourt.Case, taken: uint256, total_stake: uint256
) -> uint256:
    """@dev Returns what the victim got. `case.taken` is what the case took before."""
    to_reporter: uint256 = 0
    if case.reporter != empty(address):
        former: uint256 = min(case.taken * case.reporter_bps // C.BPS, REPORTER_LIMIT)
        whole: uint256 = min((case.taken + taken) * case.reporter_bps // C.BPS, REPORTER_LIMIT)
        to_reporter = whole - former
        credits._credit(case.reporter, to_reporter)
    to_victim: uint256 = min(taken - to_reporter, case.loss)
    credits._credit(case.victim, to_victim)
    rest: uint256 = taken - to_reporter - to_victim
    to_insurance: uint256 = insurance._deposit(rest, total_stake * INSURANCE_BPS // C.BPS)
    if rest > to_insurance:
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
    return to_victim
