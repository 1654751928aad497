# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Which signing keys run which measured code, until when, and who vouches for it
@license AGPL-3.0-only
@author Apogee
@notice Relayers drawn from the stake look at the evidence of a subject; t of n signatures over one verdict make it LIVE
        for the subject's key, for a day at most. It holds no money, and no role can make anything live.
@custom:kill The guardian and governance take measured code off the list, at once. Nothing stops an expiry.
@custom:security The contract judges no quote: t of n relayers do, and AttestationFraudProofs makes them pay for what a
                 quote contradicts. TCB level and revocation lists rest on the relayers alone. Evidence whose root is
                 not Intel's is simulated; it is taken on the chains of a laptop only, and is labelled wherever it is read.
"""
from ..interfaces import IAttestationRegistry
from ..shared import governed
from . import committees
from . import measurements
from . import notices
from . import verdict_book
from . import verdict_hash

implements: IAttestationRegistry
initializes: governed
initializes: committees
initializes: measurements[governed := governed]
initializes: notices[committees := committees]
initializes: verdict_book[measurements := measurements, notices := notices]
exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)
exports: (committees.draw, committees.committee, committees.nonce_of)
exports: (
    measurements.list_measurement,
    measurements.delist_measurement,
    measurements.set_guardian,
    measurements.guardian,
    measurements.measurement,
    measurements.measurement_at,
    measurements.measurement_count,
)
exports: (
    notices.grace,
    notices.revoke_collateral,
    notices.raise_evaluation,
    notices.min_eval_number,
    notices.is_collateral_revoked,
)
exports: (
    verdict_book.live,
    verdict_book.level,
    verdict_book.stood,
    verdict_book.verdict,
    verdict_book.attestation_of,
)

TDX: constant(uint8) = 129  # tee_type 0x81
# keccak-256 of x || y of the Intel SGX Root CA's key
INTEL_ROOT: constant(bytes32) = 0x89f72d7c488e5b53a77c23ebcb36970ef7eb5bcf6658e9b8292cfbe4703a8473
LOCAL_CHAINS: constant(uint256[2]) = [1_337, 31_337]  # chains that a laptop runs for itself

ALLOW_SIMULATED: immutable(bool)
LIFE: immutable(uint256)  # seconds a verdict lives at most

fraud_proofs: public(address)  # zero until wired
demands: public(address)


@deploy
def __init__(
    operators: address,
    stake: address,
    beacon: address,
    governance: address,
    life_seconds: uint256,
    grace_seconds: uint256,
):
    """
    @param operators OperatorRegistry: whom a draw over the RELAYER stake falls on.
    @param stake StakeManager: epochs, members, the accounts of operators.
    @param beacon RandomBeacon: draws, and nonces of quotes.
    @param governance Lists measured code, names the guardian, wires the court once.
    @param life_seconds How long a verdict lives at most.
    @param grace_seconds How long a platform may stay behind a newer evaluation number.
    """
    assert stake.is_contract, "attestation: no contract"
    assert life_seconds != 0, "attestation: no life"

    governed.__init__(governance)
    committees.__init__(operators, stake, beacon)
    notices.__init__(grace_seconds)
    LIFE = life_seconds
    ALLOW_SIMULATED = chain.id in LOCAL_CHAINS


# --- PERMISSIONLESS


@external
def register(
    verdict: IAttestationRegistry.Verdict,
    epoch: uint256,
    seats: uint256,
    signatures: Bytes[committees.SIGNATURE * committees.SEATS],
) -> bytes32:
    """
    @notice Make a verdict live that a quorum of an epoch's committee has signed, and end the one before.
    @param epoch Of the quote's nonce; its committee signs.
    @param seats Bit i: seat i signed.
    @param signatures r, s, v of each, lowest seat first.
    @return The attestation's id.
    """
    id: bytes32 = verdict_hash._verdict(self, verdict)
    self._check(verdict, epoch)
    simulated: bool = verdict.root_key_id != INTEL_ROOT
    assert ALLOW_SIMULATED or not simulated, "attestation: simulated"
    entry: uint256 = measurements._check_listed(verdict)
    committees._check_signed(id, epoch, seats, signatures)

    verdict_book._enter(id, verdict, entry, epoch, seats, simulated)
    log IAttestationRegistry.Registered(
        attestation_id=id,
        service=verdict.service_id,
        signer=verdict.signer,
        epoch=epoch,
        seats=seats,
        simulated=simulated,
        verdict=verdict,
    )
    return id


# --- SUBJECT


@external
def revoke(attestation_id: bytes32):
    """
    @notice End the newest verdict on the caller, which is a signing key.
    """
    verdict_book._revoke(attestation_id)


# --- ROLE-GATED: AttestationFraudProofs, AttestationDemands, governance


@external
def void(attestation_id: bytes32) -> (uint256, DynArray[uint256, committees.SEATS]):
    """
    @notice End a verdict that is a lie, and let those who signed it sign no more.
    @return The epoch of its committee, and the operators who signed.
    """
    is_court: bool = msg.sender == self.fraud_proofs or msg.sender == self.demands
    assert is_court, "attestation: not a court"
    sheet: uint256 = verdict_book._void(attestation_id)
    epoch: uint256 = verdict_book._epoch(sheet)
    guilty: DynArray[uint256, committees.SEATS] = committees._seated(epoch, verdict_book._seats(sheet))

    committees._unseat(guilty)
    log IAttestationRegistry.Voided(attestation_id=attestation_id, epoch=epoch, guilty=guilty)
    return epoch, guilty


@external
def wire(fraud_proofs: address, demands: address):
    """
    @notice Name who may void verdicts, once.
    """
    governed._check_governance()
    assert self.fraud_proofs == empty(address), "attestation: wired already"
    assert fraud_proofs.is_contract and demands.is_contract, "attestation: no contract"

    self.fraud_proofs = fraud_proofs
    self.demands = demands
    log IAttestationRegistry.Wired(fraud_proofs=fraud_proofs, demands=demands)


# --- VIEWS


@external
@view
@reentrant
def relayers_of(attestation_id: bytes32) -> DynArray[uint256, committees.SEATS]:
    """
    @notice Operators who signed a verdict.
    """
    sheet: uint256 = verdict_book.sheets[attestation_id]
    return committees._seated(verdict_book._epoch(sheet), verdict_book._seats(sheet))


@external
@view
@reentrant
def verdict_digest(verdict: IAttestationRegistry.Verdict) -> bytes32:
    """
    @notice What relayers sign, and the attestation's id.
    """
    return verdict_hash._verdict(self, verdict)


@external
@view
@reentrant
def allow_simulated() -> bool:
    """
    @notice Whether evidence under other roots than Intel's is taken here; decided by the chain id, for ever.
    """
    return ALLOW_SIMULATED


@external
@view
@reentrant
def life() -> uint256:
    """
    @notice How long a verdict lives at most, seconds.
    """
    return LIFE


# --- INTERNAL


@internal
@view
def _check(verdict: IAttestationRegistry.Verdict, epoch: uint256):
    """
    @dev What a verdict must say about itself.
    """
    nonce: bytes32 = committees.nonces[epoch]
    assert nonce != empty(bytes32) and verdict.nonce == nonce, "attestation: stale nonce"
    assert verdict.tee_type == TDX, "attestation: not TDX"
    assert verdict.signer != empty(address), "attestation: no signer"
    not_after: uint256 = convert(verdict.not_after, uint256)
    assert block.timestamp < not_after, "attestation: expired"
    assert not_after <= block.timestamp + LIFE, "attestation: lives too long"
    report: bytes32 = verdict_hash._report_data_hash(self, verdict)
    assert verdict.report_data_hash == report, "attestation: report data"
    evaluation: uint256 = convert(verdict.tcb_eval_number, uint256)
    assert evaluation >= notices._least(block.timestamp), "attestation: old platform"
    kept: uint256 = notices._kept(verdict.collateral_hash)
    assert not notices._is_revoked(kept, block.timestamp), "attestation: revoked collateral"
