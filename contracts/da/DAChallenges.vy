# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Judging DA offences
@license AGPL-3.0-only
@author Apogee
@notice SlashingCourt asks here whether evidence proves an offence of a DA signer. This contract moves no money and
        keeps no state: each offence has a module that verifies its evidence and says what it is about.
@custom:kill Nothing to stop: it only answers.
@custom:security The stake that answers is that of the epoch the blob was paid in, whatever epoch the statements name:
                 else a signer could spend its own offence id on an epoch of small stake.
"""
from ..interfaces import IAdjudicator
from ..interfaces import IDAChallenges
from ..interfaces import IDAEntrance
from ..interfaces import IStakeView
from ..shared import bls12_381
from ..shared import constants as C
from ..shared import point_evaluation
from . import equivocation

implements: IAdjudicator
implements: IDAChallenges

SERVICE_BITS: constant(uint256) = 8

ENTRANCE: public(immutable(address))
STAKE: public(immutable(address))
EVIDENCE: immutable(uint256)  # seconds


@deploy
def __init__(entrance: address, stake: address, evidence_seconds: uint256):
    """
    @param entrance DAEntrance, whose attestations are judged.
    @param stake StakeManager: whose key it is.
    @param evidence_seconds How long after an epoch's start its offences can be shown; at least the longest life of a
           blob paid in it.
    """
    bls12_381._prove_precompiles()
    point_evaluation._prove_precompile()
    terms: IDAEntrance.Terms = staticcall IDAEntrance(entrance).terms()
    windows: IDAEntrance.Windows = staticcall IDAEntrance(entrance).windows()
    needed: uint256 = terms.max_retention_days * windows.day + 2 * windows.answer
    needed += 2 * staticcall IStakeView(stake).epoch_length()
    assert evidence_seconds >= needed, "da_challenges: window too short"

    ENTRANCE = entrance
    STAKE = stake
    EVIDENCE = evidence_seconds


# --- VIEWS


@external
@view
def adjudicate(offence: uint256, evidence: Bytes[C.MAX_EVIDENCE]) -> IAdjudicator.Finding:
    """
    @notice What the evidence proves; reverts unless it does.
    @param offence DA_EQUIVOCATION.
    """
    assert offence == C.DA_EQUIVOCATION, "da_challenges: unknown offence"
    case: IDAChallenges.Equivocation = equivocation._parse(evidence)
    key_hash: bytes32 = equivocation._check(case, ENTRANCE)
    operator_id: uint256 = staticcall IStakeView(STAKE).operator_of_key(key_hash)
    assert operator_id != 0, "da_challenges: nobody's key"
    return IAdjudicator.Finding(
        offence=offence,
        pool=(operator_id << SERVICE_BITS) | C.DA,
        epoch=self._liable_epoch(case),
        subject=equivocation._subject(case.blob_id, case.seed, key_hash),
        amount=0,
        victim=empty(address),
        loss=0,
    )


@external
@view
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the start of an epoch evidence may arrive.
    """
    assert offence == C.DA_EQUIVOCATION, "da_challenges: unknown offence"
    return EVIDENCE


@external
@view
def equivocation_subject(blob_id: bytes32, seed: bytes32, key_hash: bytes32) -> bytes32:
    """
    @notice What an equivocation is about: one (blob id, seed) of one key is punished once.
    """
    return equivocation._subject(blob_id, seed, key_hash)


# --- INTERNAL


@internal
@view
def _liable_epoch(case: IDAChallenges.Equivocation) -> uint256:
    """
    @dev The epoch the blob was paid in. A blob that was never paid has no true seed, so no other evidence can share
         its subject, and the signer's own word decides.
    """
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(case.blob_id)
    return record.epoch if record.paid_at != 0 else case.first.epoch
