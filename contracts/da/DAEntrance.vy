# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Paying for a blob and confirming it
@license AGPL-3.0-only
@author Apogee
@notice A fee is held until a certificate shows that enough slices of the blob's quorum hold its rows; then it is earned,
        or, when the deadline passes without one, it belongs to the payer again.
@custom:kill `set_paused` stops new payments only. Certificates, refunds and withdrawals cannot be stopped.
@custom:security A certificate is judged against what the chain recomputes: epoch, quorum, seed and keys are never taken
                 from the caller. Rows are unknown until the block after the payment.
"""
from snekmate.utils import ecdsa
from ..interfaces import IDAEntrance
from ..interfaces import IDASigners
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import block_history
from ..shared import bls12_381
from ..shared import constants as C
from ..shared import governed
from ..shared import point_evaluation
from ..shared import typed_data
from . import attestation
from . import blob_records
from . import blob_terms
from . import fee_ledger
from . import quorum_table

implements: IDAEntrance
initializes: governed
initializes: blob_records
initializes: blob_terms
initializes: fee_ledger
exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)

MAX_BATCH: constant(uint256) = 8  # certificates in one `confirm_many`
CERTIFICATE_GAS: constant(uint256) = 400_000  # a certificate in a batch needs at most this much
ABSENT_GAS: constant(uint256) = 10_000  # and for each absent signer
MAX_WINDOW: constant(uint256) = 2**32  # seconds; keeps every sum of times far from overflow
ERROR_BYTES: constant(uint256) = 100  # Error(string): selector 4, offset 32, length 32, text 32
SERVICE_BITS: constant(uint256) = 8

SIGNERS: public(immutable(address))
STAKE: public(immutable(address))
TREASURY: public(immutable(address))
WINDOWS: immutable(IDAEntrance.Windows)

is_paused: public(bool)


@deploy
def __init__(
    signers: address,
    stake: address,
    treasury: address,
    governance: address,
    windows: IDAEntrance.Windows,
    terms: IDAEntrance.Terms,
):
    """
    @param signers DASigners: tables and keys.
    @param stake StakeManager: dispersers, epoch length, unbonding.
    @param treasury Is credited a tenth of all earned fees.
    @param governance Sets terms for later blobs and pauses payments.
    """
    bls12_381._prove_precompiles()
    point_evaluation._prove_precompile()
    assert signers.is_contract and stake.is_contract, "da_entrance: no contract"
    assert treasury != empty(address), "da_entrance: no treasury"
    assert windows.confirm > 0 and windows.confirm < MAX_WINDOW, "da_entrance: bad window"
    assert windows.day > 0 and windows.day < MAX_WINDOW, "da_entrance: bad window"
    assert windows.answer < MAX_WINDOW and windows.veto < MAX_WINDOW, "da_entrance: bad window"

    governed.__init__(governance)
    SIGNERS = signers
    STAKE = stake
    TREASURY = treasury
    WINDOWS = windows
    epoch_seconds: uint256 = staticcall IStakeView(stake).epoch_length()
    unbonding: uint256 = staticcall IStakeView(stake).unbonding_seconds(C.DA)
    evidence: uint256 = staticcall IStakeManager(stake).evidence_seconds(C.DA)
    blob_terms._set(terms, windows, epoch_seconds, unbonding, evidence)


# --- PAYER


@external
@payable
def pay(blob: IDAEntrance.Blob, commitment: Bytes[48], authorisation: Bytes[65]) -> bytes32:
    """
    @notice Pay for a blob. What exceeds the fee is credited to the payer.
    @param blob The blob; its payer is the caller.
    @param commitment C, 48 bytes.
    @param authorisation The disperser's signature of `dispersal_digest(id)`; empty when the payer belongs to the
           disperser's operator.
    @return The blob's id.
    """
    assert not self.is_paused, "da_entrance: paused"
    assert blob.payer == msg.sender, "da_entrance: not the payer"
    assert blob.columns == blob_terms._columns_for(blob.length), "da_entrance: wrong columns"
    assert len(commitment) == 48, "da_entrance: wrong commitment"
    assert keccak256(commitment) == blob.commitment_hash, "da_entrance: wrong commitment"
    fee: uint256 = blob_terms._fee(blob.length, blob.retention_days)
    assert msg.value >= fee, "da_entrance: fee too low"
    blob_id: bytes32 = blob_terms._blob_id(blob)
    disperser_id: uint256 = self._check_disperser(blob, blob_id, authorisation)
    assert blob_records.words[blob_id] == 0, "blob_records: already paid"

    epoch: uint256 = extcall IDASigners(SIGNERS).open_epoch()
    blob_records._create(
        blob_id,
        blob_records.Paid(
            epoch=epoch,
            disperser_id=disperser_id,
            confirm_slices=blob_terms.terms.confirm_slices,
            retention_days=blob.retention_days,
            fee=fee,
        ),
    )
    fee_ledger._hold(fee, msg.sender, msg.value - fee)
    log IDAEntrance.BlobPaid(
        blob_id=blob_id,
        payer=blob.payer,
        disperser=blob.disperser,
        data_root=blob.data_root,
        commitment=commitment,
        columns=blob.columns,
        length=blob.length,
        retention_days=blob.retention_days,
        salt=blob.salt,
        epoch=epoch,
        fee=fee,
    )
    return blob_id


@external
def withdraw(to: address) -> uint256:
    """
    @notice Take what is credited to the caller: refunds, excess, the Treasury's share.
    @param to Receives it.
    @return Amount in wei.
    """
    amount: uint256 = fee_ledger._withdraw(msg.sender, to)
    log IDAEntrance.Withdrawn(account=msg.sender, to=to, amount=amount)
    return amount


# --- PERMISSIONLESS


@external
def confirm(
    blob: IDAEntrance.Blob,
    absent: Bytes[quorum_table.ABSENT_BYTES * quorum_table.MAX_ABSENT],
    signature: Bytes[256],
):
    """
    @notice Show that enough slices of the blob's quorum have signed its attestation.
    @param absent Signers that have not, as DASigners reads them.
    @param signature Sum of the others' signatures, EIP-2537 G2.
    """
    blob_id: bytes32 = blob_terms._blob_id(blob)
    record: IDAEntrance.Record = blob_records._record(blob_id, WINDOWS)
    assert record.state == IDAEntrance.BlobState.PAID, "blob_records: not paid"
    assert block.timestamp <= record.deadline, "da_entrance: too late"
    entropy: bytes32 = block_history._block_hash(record.paid_block + 1)
    assert entropy != empty(bytes32), "da_entrance: no block hash"
    presence: IDASigners.Presence = staticcall IDASigners(SIGNERS).present(record.epoch, blob_id, entropy, absent)
    assert presence.slices >= record.confirm_slices, "da_entrance: too few slices"

    digest: bytes32 = attestation._attestation_digest(
        attestation.Attestation(
            blob_id=blob_id,
            epoch=record.epoch,
            quorum_id=presence.quorum_id,
            seed=presence.seed,
            data_root=blob.data_root,
            commitment_hash=blob.commitment_hash,
            columns=blob.columns,
            length=blob.length,
            expiry=record.expiry,
        ),
        self,
    )
    is_signed: bool = bls12_381._verify(presence.key, digest, bls12_381.DST_SIGNATURE, signature)
    assert is_signed, "da_entrance: wrong signature"

    certificate_hash: bytes32 = keccak256(abi_encode(presence.seed, keccak256(absent)))
    fee: uint256 = blob_records._settle(
        blob_id, IDAEntrance.BlobState.CONFIRMED, presence.operators, certificate_hash
    )
    fee_ledger._earn(fee)
    log IDAEntrance.BlobConfirmed(
        blob_id=blob_id,
        epoch=record.epoch,
        quorum_id=presence.quorum_id,
        seed=presence.seed,
        slices=presence.slices,
        operators=presence.operators,
    )


@external
@reentrant
def confirm_many(confirmations: DynArray[IDAEntrance.Confirmation, MAX_BATCH]):
    """
    @notice Judge each certificate alone, in a call of its own: one that fails is logged and stops no other.
    @dev Not locked itself, since each inner `confirm` takes the lock; it has no state of its own. Gas is asked for before
         each call: an estimate, or somebody's meanness, would else starve the inner call and see it refused.
    """
    for confirmation: IDAEntrance.Confirmation in confirmations:
        entries: uint256 = len(confirmation.absent) // quorum_table.ABSENT_BYTES
        assert msg.gas >= CERTIFICATE_GAS + ABSENT_GAS * entries, "da_entrance: too little gas"
        success: bool = False
        response: Bytes[ERROR_BYTES] = b""
        success, response = raw_call(
            self,
            abi_encode(
                confirmation.blob,
                confirmation.absent,
                confirmation.signature,
                method_id=method_id(
                    "confirm((address,address,bytes32,bytes32,uint256,uint256,uint256,bytes32),bytes,bytes)"
                ),
            ),
            max_outsize=ERROR_BYTES,
            revert_on_failure=False,
        )
        if not success:
            log IDAEntrance.CertificateRejected(
                blob_id=blob_terms._blob_id(confirmation.blob), reason=self._reason(response)
            )


@external
def refund(blob: IDAEntrance.Blob):
    """
    @notice Credit the fee of a blob that got no certificate in time to its payer.
    """
    blob_id: bytes32 = blob_terms._blob_id(blob)
    record: IDAEntrance.Record = blob_records._record(blob_id, WINDOWS)
    assert record.state == IDAEntrance.BlobState.PAID, "blob_records: not paid"
    assert block.timestamp > record.deadline, "da_entrance: too early"

    fee: uint256 = blob_records._settle(blob_id, IDAEntrance.BlobState.REFUNDED, 0, empty(bytes32))
    fee_ledger._give_back(fee, blob.payer)
    log IDAEntrance.BlobRefunded(blob_id=blob_id, payer=blob.payer, fee=fee)


@external
def collect() -> uint256:
    """
    @notice Credit the Treasury with its share of the fees earned since the last time.
    @return Amount in wei.
    """
    amount: uint256 = fee_ledger._collect(TREASURY)
    log IDAEntrance.Collected(treasury=TREASURY, amount=amount)
    return amount


# --- GOVERNANCE


@external
def set_terms(terms: IDAEntrance.Terms):
    """
    @notice Set price, thresholds and retention for later blobs; those already paid keep theirs.
    """
    governed._check_governance()

    epoch_seconds: uint256 = staticcall IStakeView(STAKE).epoch_length()
    unbonding: uint256 = staticcall IStakeView(STAKE).unbonding_seconds(C.DA)
    evidence: uint256 = staticcall IStakeManager(STAKE).evidence_seconds(C.DA)
    blob_terms._set(terms, WINDOWS, epoch_seconds, unbonding, evidence)


@external
def set_paused(is_paused: bool):
    """
    @notice Stop or resume new payments.
    """
    governed._check_governance()

    self.is_paused = is_paused
    log IDAEntrance.PauseSet(is_paused=is_paused)


# --- VIEWS


@external
@view
def quote(length: uint256, retention_days: uint256) -> uint256:
    """
    @notice The exact fee in wei at present terms.
    """
    return blob_terms._fee(length, retention_days)


@external
@view
def blob_id(blob: IDAEntrance.Blob) -> bytes32:
    """
    @notice The id of a blob on this chain in this contract.
    """
    return blob_terms._blob_id(blob)


@external
@view
def record(blob_id: bytes32) -> IDAEntrance.Record:
    """
    @notice What is known of a blob; all zero when it was never paid.
    """
    return blob_records._record(blob_id, WINDOWS)


@external
@view
def is_available(blob_id: bytes32) -> bool:
    """
    @notice Whether signers answer for the blob now.
    """
    record: IDAEntrance.Record = blob_records._record(blob_id, WINDOWS)
    return record.state == IDAEntrance.BlobState.CONFIRMED and block.timestamp < record.expiry


@external
@view
def dispersal_digest(blob_id: bytes32) -> bytes32:
    """
    @notice What a disperser signs to answer for a blob that somebody else pays.
    """
    return attestation._dispersal_digest(blob_id, self)


@external
@view
def domain_separator() -> bytes32:
    """
    @notice EIP-712 domain of attestations, dispersals and requests to nodes.
    """
    return typed_data._domain(attestation.NAME, attestation.VERSION, self)


@external
@view
def terms() -> IDAEntrance.Terms:
    """
    @notice Terms of blobs paid now.
    """
    return blob_terms.terms


@external
@view
def windows() -> IDAEntrance.Windows:
    """
    @notice Windows of every blob, seconds.
    """
    return WINDOWS


@external
@view
def credit_of(account: address) -> uint256:
    """
    @notice Wei that an account can withdraw.
    """
    return fee_ledger.credits[account]


@external
@view
def held() -> uint256:
    """
    @notice Wei of blobs that are PAID.
    """
    return fee_ledger._held()


@external
@view
def reward_pool() -> uint256:
    """
    @notice Wei earned by those who serve, not given out yet.
    """
    return fee_ledger._pool()


# --- INTERNAL


@internal
@view
def _check_disperser(blob: IDAEntrance.Blob, blob_id: bytes32, authorisation: Bytes[65]) -> uint256:
    """
    @dev The operator that answers for the encoding, which has agreed to it.
    """
    operator_id: uint256 = staticcall IStakeView(STAKE).operator_of(blob.disperser)
    assert operator_id != 0, "da_entrance: no such disperser"
    pool: uint256 = (operator_id << SERVICE_BITS) | C.DA
    assert staticcall IStakeView(STAKE).is_member(pool), "da_entrance: disperser unstaked"
    if staticcall IStakeView(STAKE).operator_of(blob.payer) == operator_id:
        return operator_id
    assert len(authorisation) == 65, "da_entrance: not authorised"
    digest: bytes32 = attestation._dispersal_digest(blob_id, self)
    assert ecdsa._recover_sig(digest, authorisation) == blob.disperser, "da_entrance: not authorised"
    return operator_id


@internal
@pure
def _reason(response: Bytes[ERROR_BYTES]) -> bytes32:
    """
    @dev The first 32 bytes of Error(string)'s text, zero-padded; zero for any other failure.
    """
    if len(response) < ERROR_BYTES:
        return empty(bytes32)
    return convert(slice(response, ERROR_BYTES - 32, 32), bytes32)
