# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What oracles are punished for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a delivery is false once and for ever, and each oracle that signed it is named to the court once;
        nothing the court refuses keeps a false delivery alive, because finding and slashing are two calls.
"""
from ..interfaces import IAdjudicator
from ..interfaces import IKeyDeliveryVerifier
from ..interfaces import ISlashingCourt
from ..shared import constants as C
from . import delivery_words
from . import oracle_book

uses: oracle_book

LOW_160: constant(uint256) = 2**160 - 1
SHIFT_KIND: constant(uint256) = 160
SHIFT_EPOCH: constant(uint256) = 168

COURT: immutable(ISlashingCourt)
fraud_proofs: public(immutable(address))
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)  # seconds
EVIDENCE: immutable(uint256)  # seconds after the end of an epoch

commitments: reentrant(public(HashMap[bytes32, uint256]))  # block number
findings: HashMap[bytes32, uint256]  # reporter 160, kind 8, epoch, lowest first; 0: not false
named: HashMap[bytes32, bool]  # keccak256(digest, operator id)


@deploy
def __init__(court: address, proofs: address, evidence_seconds: uint256):
    assert court.is_contract and proofs.is_contract, "false_deliveries: no contract"

    COURT = ISlashingCourt(court)
    fraud_proofs = proofs
    GENESIS = staticcall oracle_book.STAKE.epoch_start(0)
    EPOCH = staticcall oracle_book.STAKE.epoch_length()
    EVIDENCE = evidence_seconds


# --- PERMISSIONLESS


@external
def commit(commitment: bytes32):
    """
    @notice Announce a proof without showing it.
    @param commitment keccak256(abi_encode(digest of the delivery, reporter, salt)).
    """
    assert self.commitments[commitment] == 0, "false_deliveries: committed already"

    self.commitments[commitment] = block.number
    log IKeyDeliveryVerifier.Committed(commitment=commitment)


@external
def punish(digest: bytes32, signatures: Bytes[delivery_words.MAX_SIGNERS * delivery_words.SIGNATURE_BYTES]):
    """
    @notice Have those slashed who signed what was proven false. Where the court hears of their epoch no more, or
            nothing was at stake, nobody is.
    """
    kept: uint256 = self.findings[digest]
    assert kept != 0, "false_deliveries: not proven"
    reporter: address = convert(convert(kept & LOW_160, uint160), address)
    epoch: uint256 = kept >> SHIFT_EPOCH
    found: bool = False
    for index: uint256 in range(delivery_words.MAX_SIGNERS):
        at: uint256 = index * delivery_words.SIGNATURE_BYTES
        if at + delivery_words.SIGNATURE_BYTES > len(signatures):
            break
        signer: address = delivery_words._recover(
            digest, slice(signatures, at, delivery_words.SIGNATURE_BYTES)
        )
        operator_id: uint256 = oracle_book._operator(signer)
        name: bytes32 = keccak256(abi_encode(digest, operator_id))
        if operator_id == 0 or self.named[name]:
            continue

        found = True
        self.named[name] = True
        log IKeyDeliveryVerifier.OraclePunished(digest=digest, operator_id=operator_id)
        self._convict(operator_id, epoch, digest, reporter)
    assert found, "false_deliveries: nobody to punish"


# --- ROLE-GATED: DeliveryFraudProofs


@external
def find(
    delivery: IKeyDeliveryVerifier.Delivery,
    kind: IKeyDeliveryVerifier.Falsehood,
    prover: address,
    salt: bytes32,
):
    """
    @notice Keep what was proven. The stake of the epoch in which the signatures counted last answers for it.
    """
    assert msg.sender == fraud_proofs, "false_deliveries: not the proofs"
    digest: bytes32 = delivery_words._delivery(delivery)
    assert self.findings[digest] == 0, "false_deliveries: proven already"
    reporter: address = empty(address)
    announced: uint256 = self.commitments[keccak256(abi_encode(digest, prover, salt))]
    if announced != 0 and announced < block.number:
        reporter = prover
    time: uint256 = max(min(convert(delivery.deadline, uint256), block.timestamp), GENESIS)
    epoch: uint256 = (time - GENESIS) // EPOCH

    self.findings[digest] = (
        convert(reporter, uint256) | convert(kind, uint256) << SHIFT_KIND | epoch << SHIFT_EPOCH
    )
    log IKeyDeliveryVerifier.DeliveryProvenFalse(digest=digest, kind=kind, reporter=reporter)


# --- VIEWS


@external
@view
@reentrant
def is_false(digest: bytes32) -> bool:
    """
    @notice Whether a delivery was proven false.
    """
    return self.findings[digest] != 0


@external
@view
@reentrant
def finding(digest: bytes32) -> IKeyDeliveryVerifier.Finding:
    """
    @notice What was proven of a delivery, and who had announced it.
    """
    kept: uint256 = self.findings[digest]
    return IKeyDeliveryVerifier.Finding(
        kind=convert((kept >> SHIFT_KIND) & 255, IKeyDeliveryVerifier.Falsehood),
        reporter=convert(convert(kept & LOW_160, uint160), address),
        epoch=convert(kept >> SHIFT_EPOCH, uint64),
    )


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    assert offence == C.AGT_FALSE_DELIVERY, "false_deliveries: unknown offence"
    return EVIDENCE


# --- INTERNAL


@internal
def _convict(operator_id: uint256, last: uint256, digest: bytes32, reporter: address):
    """
    @dev A deadline lies a day ahead of the delivery at most: the stake of the epoch before may have to answer.
    """
    pool: uint256 = operator_id << 8 | C.RELAYER
    epoch: uint256 = last
    if staticcall oracle_book.STAKE.stake_at(pool, epoch) == 0:
        if epoch == 0:
            return
        epoch -= 1
        if staticcall oracle_book.STAKE.stake_at(pool, epoch) == 0:
            return
    if block.timestamp > GENESIS + (epoch + 1) * EPOCH + EVIDENCE:
        return
    extcall COURT.convict(
        IAdjudicator.Finding(
            offence=C.AGT_FALSE_DELIVERY,
            pool=pool,
            epoch=epoch,
            subject=digest,
            amount=0,
            victim=empty(address),
            loss=0,
        ),
        reporter,
    )
