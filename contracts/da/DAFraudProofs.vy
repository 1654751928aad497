# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Proving that an encoding is bad
@license AGPL-3.0-only
@author Apogee
@notice A row under a blob's root whose combination is not what the commitment opens to at its point, an element that is
        no field element, or a data byte that no encoding has: the blob is void, its disperser loses its stake, its payer
        is paid back from it, and a signer of the bad row is punished too. It holds no money.
@custom:kill No switch. Proofs are arithmetic; an honest encoding cannot be voided.
@custom:security A proof must have been announced in an earlier block by the account that brings it, so whoever copies it
                 from the mempool comes too late for anything.
"""
from ..interfaces import IAdjudicator
from ..interfaces import IDAEntrance
from ..interfaces import IDAFraudProofs
from ..interfaces import IDASigners
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import constants as C
from ..shared import point_evaluation
from ..shared import row_code
from ..shared import row_path
from ..shared import row_tree
from . import blob_identity
from . import blob_life

implements: IDAFraudProofs

SERVICE_BITS: constant(uint256) = 8
WHOLE_ROW: constant(uint256) = 2**32 - 1  # the leaf of evidence that is a row
OPENING_BYTES: constant(uint256) = 128  # C 48, y 32, proof 48
REPORTER_DIVISOR: constant(uint256) = 5  # the court gives a reporter a fifth of a slash at most

ENTRANCE: public(immutable(address))
SIGNERS: public(immutable(address))
STAKE: public(immutable(address))
COURT: public(immutable(address))
EVIDENCE: immutable(uint256)  # seconds

commitments: reentrant(public(HashMap[bytes32, uint256]))  # block number


@deploy
def __init__(entrance: address, signers: address, stake: address, court: address, evidence_seconds: uint256):
    """
    @param entrance DAEntrance, where blobs become void.
    @param signers DASigners: who owns which row.
    @param stake StakeManager: what is at stake.
    @param court SlashingCourt, which punishes.
    @param evidence_seconds How long after an epoch's start its offences can be shown.
    """
    point_evaluation._prove_precompile()
    assert court.is_contract, "da_fraud_proofs: no contract"
    assert evidence_seconds >= blob_life._longest(entrance, stake), "da_fraud_proofs: window too short"

    ENTRANCE = entrance
    SIGNERS = signers
    STAKE = stake
    COURT = court
    EVIDENCE = evidence_seconds


# --- PERMISSIONLESS


@external
def commit(commitment: bytes32):
    """
    @notice Announce a proof without showing it.
    @param commitment keccak256(abi_encode(hash of the evidence, reporter, salt)).
    """
    assert self.commitments[commitment] == 0, "da_fraud_proofs: committed already"

    self.commitments[commitment] = block.number
    log IDAFraudProofs.Committed(commitment=commitment)


@external
def prove_bad_row(
    blob: IDAEntrance.Blob,
    row: uint256,
    data: Bytes[row_tree.ROW_BYTES],
    path: Bytes[row_path.ROW_PATH_BYTES],
    opening: Bytes[OPENING_BYTES],
    seed: bytes32,
    absent: uint256[4],
    salt: bytes32,
):
    """
    @notice Void a blob with a row that is not of its encoding; where it is void already, convict the row's signer.
    @param data The row, 32 bytes a column.
    @param path Ten siblings, lowest first, b0, b1, b2.
    @param opening C 48, the value of the committed polynomial at the row's point 32, proof 48; empty when an element
           of the row is no field element.
    @param seed The blob's seed; zero while it has no certificate.
    @param absent Who was absent from the certificate.
    @param salt Of the caller's commitment.
    """
    blob_id: bytes32 = blob_identity._id_of(blob, ENTRANCE)
    evidence: bytes32 = staticcall IDAFraudProofs(self).check_bad_row(blob, row, data, path, opening)
    self._check_announced(evidence, salt)
    self._convict(blob, blob_id, row, WHOLE_ROW, self._signer_of(blob_id, row, seed, absent))


@external
def prove_bad_leaf(
    blob: IDAEntrance.Blob,
    frame: Bytes[row_path.FRAME_BYTES],
    seed: bytes32,
    absent: uint256[4],
    salt: bytes32,
):
    """
    @notice The same with one leaf: in a data row a top byte, or a byte past the payload's end, that is not zero; in a
            parity row an element that is no field element.
    @param frame u32 row, u32 leaf, 256 bytes, siblings of leaf and row, b0, b1, b2.
    """
    blob_id: bytes32 = blob_identity._id_of(blob, ENTRANCE)
    row: uint256 = 0
    leaf: uint256 = 0
    evidence: bytes32 = empty(bytes32)
    row, leaf, evidence = self._check_leaf(blob, blob_id, frame)
    self._check_announced(evidence, salt)
    self._convict(blob, blob_id, row, leaf, self._signer_of(blob_id, row, seed, absent))


# --- VIEWS


@external
@view
@reentrant
def check_bad_row(
    blob: IDAEntrance.Blob,
    row: uint256,
    data: Bytes[row_tree.ROW_BYTES],
    path: Bytes[row_path.ROW_PATH_BYTES],
    opening: Bytes[OPENING_BYTES],
) -> bytes32:
    """
    @notice Hash of the evidence that this row is; reverts unless the row is bad.
    @dev The row is read where it lies in the calldata, leaf by leaf: memory for the widest would cost every proof.
    """
    leaves: uint256 = row_tree._leaves_of(len(data), blob.columns)
    rho: uint256 = row_code._challenge(blob.data_root, blob.columns, blob.length)
    digests: bytes32[row_tree.MAX_LEAVES] = empty(bytes32[row_tree.MAX_LEAVES])
    largest: uint256 = 0
    combination: uint256 = 0
    for step: uint256 in range(leaves, bound=row_tree.MAX_LEAVES):
        leaf: uint256 = leaves - 1 - step
        part: Bytes[row_tree.LEAF_BYTES] = slice(data, row_tree.LEAF_BYTES * leaf, row_tree.LEAF_BYTES)
        largest_here: uint256 = 0
        digests[leaf] = keccak256(part)
        largest_here, combination = row_code._absorb(part, rho, combination)
        largest = max(largest, largest_here)
    root: bytes32 = row_tree._fold(digests, leaves)
    row_path._check_row(root, row, path, blob.data_root)
    if largest < point_evaluation.SCALAR_FIELD:
        self._check_opening(blob, row, combination, opening)
    return keccak256(abi_encode(blob_identity._id_of(blob, ENTRANCE), row, WHOLE_ROW, root))


@external
@view
def check_bad_leaf(blob: IDAEntrance.Blob, frame: Bytes[row_path.FRAME_BYTES]) -> bytes32:
    """
    @notice Hash of the evidence that this leaf is; reverts unless the leaf is bad.
    """
    row: uint256 = 0
    leaf: uint256 = 0
    evidence: bytes32 = empty(bytes32)
    row, leaf, evidence = self._check_leaf(blob, blob_identity._id_of(blob, ENTRANCE), frame)
    return evidence


@external
@view
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the start of an epoch evidence may arrive.
    """
    is_ours: bool = offence == C.DA_BAD_ROW or offence == C.DA_BAD_ENCODING
    assert is_ours, "da_fraud_proofs: unknown offence"
    return EVIDENCE


# --- INTERNAL


@internal
@view
def _check_opening(blob: IDAEntrance.Blob, row: uint256, combination: uint256, opening: Bytes[OPENING_BYTES]):
    """
    @dev Reverts unless the commitment opens to something else than the row's combination.
    """
    assert len(opening) == OPENING_BYTES, "da_fraud_proofs: no opening"
    commitment: Bytes[48] = slice(opening, 0, 48)
    assert keccak256(commitment) == blob.commitment_hash, "da_fraud_proofs: other commitment"
    opened: uint256 = convert(slice(opening, 48, 32), uint256)
    point: uint256 = row_code._point(row)
    is_open: bool = point_evaluation._opens(commitment, point, opened, slice(opening, 80, 48))
    assert is_open, "da_fraud_proofs: wrong opening"
    assert opened != combination, "da_fraud_proofs: row is sound"


@internal
@view
def _check_leaf(
    blob: IDAEntrance.Blob, blob_id: bytes32, frame: Bytes[row_path.FRAME_BYTES]
) -> (uint256, uint256, bytes32):
    """
    @dev Row, leaf and hash of the evidence.
    """
    row: uint256 = 0
    leaf: uint256 = 0
    row, leaf = row_path._check_leaf(frame, blob.columns, blob.data_root)
    data: Bytes[row_path.LEAF_BYTES] = slice(frame, row_path.DATA_AT, row_path.LEAF_BYTES)
    is_bad: bool = row_code._is_bad_leaf(data, row, leaf, blob.columns, blob.length)
    assert is_bad, "da_fraud_proofs: leaf is sound"
    return row, leaf, keccak256(abi_encode(blob_id, row, leaf, keccak256(data)))


@internal
@view
def _check_announced(evidence: bytes32, salt: bytes32):
    announced: uint256 = self.commitments[keccak256(abi_encode(evidence, msg.sender, salt))]
    assert announced != 0 and announced < block.number, "da_fraud_proofs: not announced"


@internal
@view
def _signer_of(blob_id: bytes32, row: uint256, seed: bytes32, absent: uint256[4]) -> uint256:
    """
    @dev The operator that signed for a row; 0 when its owner was absent or the blob has no certificate.
    """
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(blob_id)
    if record.certificate_hash == empty(bytes32):
        return 0
    is_true: bool = blob_identity._certificate_hash(seed, absent) == record.certificate_hash
    assert is_true, "da_fraud_proofs: wrong certificate"
    return staticcall IDASigners(SIGNERS).signing_owner(record.epoch, seed, row, absent)


@internal
def _convict(blob: IDAEntrance.Blob, blob_id: bytes32, row: uint256, leaf: uint256, signer_id: uint256):
    """
    @dev The disperser once a blob, the signer once a row.
    """
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(blob_id)
    is_void: bool = record.state == IDAEntrance.BlobState.VOID
    assert not is_void or signer_id != 0, "da_fraud_proofs: void already"
    disperser_id: uint256 = 0 if is_void else record.disperser_id
    log IDAFraudProofs.BadEncodingProven(
        blob_id=blob_id,
        reporter=msg.sender,
        row=row,
        leaf=leaf,
        disperser_id=disperser_id,
        signer_id=signer_id,
    )

    if not is_void:
        extcall IDAEntrance(ENTRANCE).void(blob)
        self._convict_disperser(blob, blob_id, record)
    if signer_id != 0:
        extcall ISlashingCourt(COURT).convict(
            IAdjudicator.Finding(
                offence=C.DA_BAD_ROW,
                pool=(signer_id << SERVICE_BITS) | C.DA,
                epoch=record.epoch,
                subject=keccak256(abi_encode(blob_id, row)),
                amount=0,
                victim=empty(address),
                loss=0,
            ),
            msg.sender,
        )


@internal
def _convict_disperser(blob: IDAEntrance.Blob, blob_id: bytes32, record: IDAEntrance.Record):
    """
    @dev The payer's loss is the fee that was earned; one that was still held is his already. It never exceeds what
         this slash can pay: the insurance must not refund fees that others went on to earn.
    """
    pool: uint256 = (record.disperser_id << SERVICE_BITS) | C.DA
    loss: uint256 = 0
    if record.state == IDAEntrance.BlobState.CONFIRMED:
        left: uint256 = staticcall IStakeView(STAKE).stake_at(pool, record.epoch)
        left -= min(left, staticcall IStakeManager(STAKE).slashed_at(pool, record.epoch))
        left = min(left, staticcall IStakeManager(STAKE).exposed(pool, record.epoch))
        loss = min(staticcall IDAEntrance(ENTRANCE).fee_of(blob), left - left // REPORTER_DIVISOR)

    extcall ISlashingCourt(COURT).convict(
        IAdjudicator.Finding(
            offence=C.DA_BAD_ENCODING,
            pool=pool,
            epoch=record.epoch,
            subject=blob_id,
            amount=0,
            victim=blob.payer if loss != 0 else empty(address),
            loss=loss,
        ),
        msg.sender,
    )
