# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Paying for a blob and confirming it
@license AGPL-3.0-only
@author Apogee
@notice A fee is held until a certificate shows that enough slices of the blob's quorum hold its rows; then it is earned,
        or, when the deadline passes without one, it belongs to the payer again.
@custom:kill `set_paused` stops new payments only. Certificates, refunds, rewards and withdrawals cannot be stopped.
@custom:security A certificate is judged against what the chain recomputes: epoch, quorum, seed and keys are never taken
                 from the caller. Rows are unknown until the block after the payment. Two contracts are wired once:
                 the one that proves bad encodings may void a blob, the one that samples may pay out of the pool.
"""
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
from . import blob_identity
from . import blob_records
from . import blob_terms
from . import dispersers
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
    fee_ledger.withdraw,
    fee_ledger.credit_of,
    fee_ledger.held,
    fee_ledger.reward_pool,
    blob_terms.quote,
    blob_terms.terms,
)

MAX_BATCH: constant(uint256) = 8  # certificates in one `confirm_many`
CERTIFICATE_GAS: constant(uint256) = 400_000  # a certificate in a batch needs at most this much
ABSENT_GAS: constant(uint256) = 10_000  # and for each absent signer
OPEN_ROUND_GAS: constant(uint256) = 120_000  # the first payment of a sampling round opens it
MAX_WINDOW: constant(uint256) = 2**32  # seconds; keeps every sum of times far from overflow
ERROR_BYTES: constant(uint256) = 100  # Error(string): selector 4, offset 32, length 32, text 32

SERVICE_BITS: constant(uint256) = 8

SIGNERS: public(immutable(address))
STAKE: public(immutable(address))
TREASURY: public(immutable(address))
WINDOWS: immutable(IDAEntrance.Windows)

is_paused: public(bool)
challenges: public(address)  # may void blobs; zero until wired
sampling: public(address)  # may pay out of the pool; zero until wired


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
    blob_terms._set(terms, windows, self._stake_times(stake))


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
    blob_id: bytes32 = blob_identity._id_of(blob, self)
    disperser_id: uint256 = dispersers._answerable(blob, blob_id, authorisation, STAKE, self)
    assert blob_records.words[blob_id] == 0, "blob_records: already paid"

    epoch: uint256 = extcall IDASigners(SIGNERS).open_epoch()
    # one that joined after the epoch's cut-off is a member, but the court would find nothing to take
    at_stake: uint256 = staticcall IStakeView(STAKE).stake_at((disperser_id << SERVICE_BITS) | C.DA, epoch)
    assert at_stake != 0, "da_entrance: disperser unstaked"
    blob_records._create(
        blob_id,
        blob_records.Paid(
            epoch=epoch,
            disperser_id=disperser_id,
            confirm_slices=blob_terms.terms.confirm_slices,
            retention_days=blob.retention_days,
            fee=fee,
            terms_number=blob_terms.number,
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
    self._open_round()
    return blob_id


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
    blob_id: bytes32 = blob_identity._id_of(blob, self)
    record: IDAEntrance.Record = self._confirmable(blob_id)
    entropy: bytes32 = self._entropy(record)
    presence: IDASigners.Presence = staticcall IDASigners(SIGNERS).present(record.epoch, blob_id, entropy, absent)
    self._certify(blob, blob_id, record, presence, signature)


@external
def confirm_wide(
    blob: IDAEntrance.Blob,
    absent: Bytes[quorum_table.ABSENT_BYTES * quorum_table.WIDE_ABSENT],
    signature: Bytes[256],
):
    """
    @notice `confirm` for any number of absent signers: many small ones that never sign hold nothing back.
    @dev Apart, because every certificate pays for the memory that its longest list needs.
    """
    blob_id: bytes32 = blob_identity._id_of(blob, self)
    record: IDAEntrance.Record = self._confirmable(blob_id)
    entropy: bytes32 = self._entropy(record)
    presence: IDASigners.Presence = staticcall IDASigners(SIGNERS).present_wide(
        record.epoch, blob_id, entropy, absent
    )
    self._certify(blob, blob_id, record, presence, signature)


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
                blob_id=blob_identity._id_of(confirmation.blob, self), reason=self._reason(response)
            )


@external
def refund(blob: IDAEntrance.Blob):
    """
    @notice Credit the fee of a blob that got no certificate in time to its payer.
    """
    blob_id: bytes32 = blob_identity._id_of(blob, self)
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


# --- ROLE-GATED


@external
def void(blob: IDAEntrance.Blob):
    """
    @notice Mark a blob whose encoding was proven bad. A fee still held goes back to the payer, an earned one stays earned.
    """
    assert msg.sender == self.challenges, "da_entrance: not the challenges"
    blob_id: bytes32 = blob_identity._id_of(blob, self)

    fee: uint256 = blob_records._void(blob_id)
    if fee > 0:
        fee_ledger._give_back(fee, blob.payer)
    log IDAEntrance.BlobVoided(blob_id=blob_id, payer=blob.payer, fee=fee)


@external
def reward(to: address, amount: uint256):
    """
    @notice Credit somebody who serves out of the pool.
    @param amount Wei; at most the pool.
    """
    assert msg.sender == self.sampling, "da_entrance: not the sampling"

    fee_ledger._reward(to, amount)
    log IDAEntrance.Rewarded(to=to, amount=amount)


# --- GOVERNANCE


@external
def wire(challenges: address, sampling: address):
    """
    @notice Name who may void blobs and who may pay out of the pool; once.
    """
    governed._check_governance()
    assert self.challenges == empty(address), "da_entrance: wired already"
    assert challenges.is_contract and sampling.is_contract, "da_entrance: no contract"

    self.challenges = challenges
    self.sampling = sampling
    log IDAEntrance.Wired(challenges=challenges, sampling=sampling)


@external
def set_terms(terms: IDAEntrance.Terms):
    """
    @notice Set price, thresholds and retention for later blobs; those already paid keep theirs.
    """
    governed._check_governance()

    blob_terms._set(terms, WINDOWS, self._stake_times(STAKE))


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
def blob_id(blob: IDAEntrance.Blob) -> bytes32:
    """
    @notice The id of a blob on this chain in this contract.
    """
    return blob_identity._id_of(blob, self)


@external
@view
def record(blob_id: bytes32) -> IDAEntrance.Record:
    """
    @notice What is known of a blob; all zero when it was never paid.
    """
    return blob_records._record(blob_id, WINDOWS)


@external
@view
def fee_of(blob: IDAEntrance.Blob) -> uint256:
    """
    @notice The fee that was paid for a blob, in wei, whatever became of it; 0 when it was never paid.
    """
    number: uint256 = blob_records._terms_number(blob_identity._id_of(blob, self))
    return blob_terms._fee_under(number, blob.length, blob.retention_days)


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
def windows() -> IDAEntrance.Windows:
    """
    @notice Windows of every blob, seconds.
    """
    return WINDOWS


# --- INTERNAL


@internal
@view
def _stake_times(stake: address) -> blob_terms.StakeTimes:
    return blob_terms.StakeTimes(
        epoch=staticcall IStakeView(stake).epoch_length(),
        cutoff=staticcall IStakeView(stake).epoch_start(1) - staticcall IStakeView(stake).epoch_cutoff(1),
        unbonding=staticcall IStakeView(stake).unbonding_seconds(C.DA),
        evidence=staticcall IStakeManager(stake).evidence_seconds(C.DA),
    )


@internal
@view
def _confirmable(blob_id: bytes32) -> IDAEntrance.Record:
    record: IDAEntrance.Record = blob_records._record(blob_id, WINDOWS)
    assert record.state == IDAEntrance.BlobState.PAID, "blob_records: not paid"
    assert block.timestamp <= record.deadline, "da_entrance: too late"
    return record


@internal
@view
def _entropy(record: IDAEntrance.Record) -> bytes32:
    """
    @dev Hash of the block after the payment.
    """
    entropy: bytes32 = block_history._block_hash(record.paid_block + 1)
    assert entropy != empty(bytes32), "da_entrance: no block hash"
    return entropy


@internal
def _certify(
    blob: IDAEntrance.Blob,
    blob_id: bytes32,
    record: IDAEntrance.Record,
    presence: IDASigners.Presence,
    signature: Bytes[256],
):
    """
    @dev Confirm the blob if those present hold enough slices and have signed.
    """
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

    fee: uint256 = blob_records._settle(
        blob_id,
        IDAEntrance.BlobState.CONFIRMED,
        presence.operators,
        blob_identity._certificate_hash(presence.seed, presence.absent),
    )
    fee_ledger._earn(fee)
    log IDAEntrance.BlobConfirmed(
        blob_id=blob_id,
        epoch=record.epoch,
        quorum_id=presence.quorum_id,
        seed=presence.seed,
        slices=presence.slices,
        operators=presence.operators,
        absent=presence.absent,
    )


@internal
def _open_round():
    """
    @dev Payments keep the rounds of sampling going; whatever happens there, the payment stands.
    """
    sampling: address = self.sampling
    if sampling == empty(address):
        return
    success: bool = raw_call(sampling, method_id("open_round()"), gas=OPEN_ROUND_GAS, revert_on_failure=False)
    if not success:
        log IDAEntrance.RoundNotOpened(sampling=sampling)


@internal
@pure
def _reason(response: Bytes[ERROR_BYTES]) -> bytes32:
    """
    @dev The first 32 bytes of Error(string)'s text, zero-padded; zero for any other failure.
    """
    if len(response) < ERROR_BYTES:
        return empty(bytes32)
    return convert(slice(response, ERROR_BYTES - 32, 32), bytes32)
