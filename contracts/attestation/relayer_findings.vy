# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What relayers are punished for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: each of those who signed a void verdict is named to the court once; nothing the court refuses keeps a
        verdict alive, because voiding and slashing are two calls.
"""
from ..interfaces import IAdjudicator
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeView
from ..shared import constants as C
from . import opened_verdicts

uses: opened_verdicts

LOW_160: constant(uint256) = 2**160 - 1
SHIFT_OFFENCE: constant(uint256) = 160
SHIFT_EPOCH: constant(uint256) = 168

STAKE: immutable(IStakeView)
COURT: immutable(ISlashingCourt)
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)  # seconds
EVIDENCE: immutable(uint256)  # seconds after the end of an epoch

sentences: HashMap[bytes32, uint256]  # reporter 160, offence 8, epoch, lowest first; 0: none waits


@deploy
def __init__(stake: address, court: address, evidence_seconds: uint256):
    assert court.is_contract, "relayer_findings: no contract"

    STAKE = IStakeView(stake)
    COURT = ISlashingCourt(court)
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = staticcall IStakeView(stake).epoch_length()
    EVIDENCE = evidence_seconds


# --- PERMISSIONLESS


@external
def punish(attestation_id: bytes32):
    """
    @notice Have those slashed who signed a verdict that was voided here. Where the court hears of their epoch no more, or
            nothing was at stake, nobody is.
    """
    sentence: uint256 = self.sentences[attestation_id]
    assert sentence != 0, "relayer_findings: nothing to punish"

    self.sentences[attestation_id] = 0
    reporter: address = convert(convert(sentence & LOW_160, uint160), address)
    offence: uint256 = (sentence >> SHIFT_OFFENCE) & 255
    epoch: uint256 = sentence >> SHIFT_EPOCH
    is_late: bool = block.timestamp > GENESIS + (epoch + 1) * EPOCH + EVIDENCE
    guilty: DynArray[uint256, 5] = staticcall opened_verdicts.REGISTRY.relayers_of(attestation_id)
    for operator_id: uint256 in guilty:
        if is_late or staticcall STAKE.stake_at(operator_id << 8 | C.RELAYER, epoch) == 0:
            continue
        self._convict(offence, operator_id, epoch, attestation_id, reporter)


# --- VIEWS


@external
@view
@reentrant
def is_sentenced(attestation_id: bytes32) -> bool:
    """
    @notice Whether those who signed a void verdict wait for `punish`.
    """
    return self.sentences[attestation_id] != 0


# --- INTERNAL


@internal
def _sentence(id: bytes32, offence: uint256, reporter: address):
    """
    @dev Void a verdict now, remember what for.
    """
    epoch: uint256 = 0
    guilty: DynArray[uint256, 5] = []
    epoch, guilty = extcall opened_verdicts.REGISTRY.void(id)
    self.sentences[id] = convert(reporter, uint256) | offence << SHIFT_OFFENCE | epoch << SHIFT_EPOCH


@internal
def _convict(
    offence: uint256, operator_id: uint256, epoch: uint256, subject: bytes32, reporter: address
):
    extcall COURT.convict(
        IAdjudicator.Finding(
            offence=offence,
            pool=operator_id << 8 | C.RELAYER,
            epoch=epoch,
            subject=subject,
            amount=0,
            victim=empty(address),
            loss=0,
        ),
        reporter,
    )
