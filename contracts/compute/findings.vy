# pragma version 0.4.3
"""
@title What the courts of the compute market tell SlashingCourt
@license AGPL-3.0-only
@author Apogee
@notice Invariant: telling it never stops a case here. Where nothing was at stake, or the court hears of that epoch no
        more, the finding is dropped and the refund stands.
"""
from ..interfaces import IAdjudicator
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeView

SERVICE_BITS: constant(uint256) = 8

STAKE: public(immutable(address))
COURT: public(immutable(address))
EVIDENCE: immutable(uint256)  # seconds after the end of an epoch
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)  # seconds


@deploy
def __init__(stake: address, court: address, evidence_seconds: uint256):
    assert court.is_contract, "findings: no contract"

    STAKE = stake
    COURT = court
    EVIDENCE = evidence_seconds
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = staticcall IStakeView(stake).epoch_length()


@internal
@view
def _epoch_at(time: uint256) -> uint256:
    return (time - GENESIS) // EPOCH


@internal
@view
def _operator_of(account: address) -> uint256:
    return staticcall IStakeView(STAKE).operator_of(account)


@internal
def _tell(
    offence: uint256,
    pool: uint256,
    epoch: uint256,
    subject: bytes32,
    amount: uint256,
    victim: address,
    loss: uint256,
    reporter: address,
) -> uint256:
    """
    @param amount Wei; 0 where the type has a rate.
    @return `amount`, or 0 when the finding is dropped.
    """
    is_late: bool = block.timestamp > GENESIS + (epoch + 1) * EPOCH + EVIDENCE
    if is_late or staticcall IStakeView(STAKE).stake_at(pool, epoch) == 0:
        return 0
    finding: IAdjudicator.Finding = IAdjudicator.Finding(
        offence=offence, pool=pool, epoch=epoch, subject=subject, amount=amount, victim=victim, loss=loss
    )
    if loss == 0:
        finding.victim = empty(address)

    extcall ISlashingCourt(COURT).convict(finding, reporter)
    return amount


@internal
@pure
def _pool(operator_id: uint256, service: uint256) -> uint256:
    return operator_id << SERVICE_BITS | service
