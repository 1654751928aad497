# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Challenges to silent signers, and judging contradictions
@license AGPL-3.0-only
@author Apogee
@notice Whoever doubts that a signer still holds a row asks it on chain, against a bond: the signer shows the leaf or the
        row in time and keeps the bond, or it is convicted of silence. SlashingCourt also asks here whether two
        statements contradict each other.
        Invariant: balance = bonds of open challenges + credits.
@custom:kill No switch. A challenge about a blob that is void or too old for the court only gives the bond back.
@custom:security An answer is paid for to the signer itself in the first half of the window, whoever sends it, so copying
                 it from the mempool earns nothing while the signer is in time. The stake that answers is that of the
                 epoch the blob was paid in, whatever epoch statements name: else a signer could spend its own
                 offence id on an epoch of small stake.
"""
from ..interfaces import IAdjudicator
from ..interfaces import IDAChallenges
from ..interfaces import IDAEntrance
from ..interfaces import IDASigners
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeView
from ..shared import bls12_381
from ..shared import constants as C
from ..shared import row_path
from ..shared import row_tree
from . import blob_identity
from . import blob_life
from . import bond_ledger
from . import challenge_book
from . import equivocation

implements: IAdjudicator
implements: IDAChallenges
initializes: challenge_book
initializes: bond_ledger

SERVICE_BITS: constant(uint256) = 8

ENTRANCE: public(immutable(address))
SIGNERS: public(immutable(address))
STAKE: public(immutable(address))
COURT: public(immutable(address))
EVIDENCE: immutable(uint256)  # seconds
WINDOW: immutable(uint256)  # seconds from a challenge to the last answer

is_punished: HashMap[bytes32, bool]  # silence subject -> its signer was convicted


@deploy
def __init__(
    entrance: address, signers: address, stake: address, court: address, evidence_seconds: uint256, min_bond: uint256
):
    """
    @param entrance DAEntrance, whose attestations and blobs are judged.
    @param signers DASigners: who owns which row.
    @param stake StakeManager: operators, keys, epochs.
    @param court SlashingCourt, which punishes silence.
    @param evidence_seconds How long after an epoch's start its offences can be shown.
    @param min_bond What an answerer earns at least, wei.
    """
    bls12_381._prove_precompiles()
    assert court.is_contract, "da_challenges: no contract"
    assert evidence_seconds >= blob_life._longest(entrance, stake), "da_challenges: window too short"

    bond_ledger.__init__(min_bond)
    ENTRANCE = entrance
    SIGNERS = signers
    STAKE = stake
    COURT = court
    EVIDENCE = evidence_seconds
    WINDOW = (staticcall IDAEntrance(entrance).windows()).answer


# --- PERMISSIONLESS


@external
@payable
def challenge(
    blob: IDAEntrance.Blob, row: uint256, leaf: uint256, seed: bytes32, absent: uint256[4]
) -> bytes32:
    """
    @notice Ask the signer that owns a row for a leaf of it, or for all of it. What exceeds the bond is credited back.
    @param blob A confirmed blob that has not expired.
    @param leaf The leaf, or 2**32 - 1 for the whole row.
    @param seed The blob's seed.
    @param absent Who was absent from its certificate; the record tells whether both are true.
    @return The challenge's id.
    """
    blob_id: bytes32 = blob_identity._id_of(blob, ENTRANCE)
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(blob_id)
    assert record.state == IDAEntrance.BlobState.CONFIRMED, "da_challenges: not confirmed"
    assert block.timestamp < record.expiry, "da_challenges: expired"
    is_true: bool = blob_identity._certificate_hash(seed, absent) == record.certificate_hash
    assert is_true, "da_challenges: wrong certificate"
    is_leaf: bool = leaf < blob.columns // row_path.COLUMNS_PER_LEAF
    assert is_leaf or leaf == challenge_book.WHOLE_ROW, "da_challenges: no such leaf"
    assert not self.is_punished[self._silence_subject(blob_id, row)], "da_challenges: punished already"
    operator_id: uint256 = staticcall IDASigners(SIGNERS).signing_owner(record.epoch, seed, row, absent)
    assert operator_id != 0, "da_challenges: owner was absent"
    bond: uint256 = bond_ledger._bond(blob.columns, leaf, challenge_book.waiting[operator_id])
    assert msg.value >= bond, "da_challenges: bond too low"

    challenge_id: bytes32 = challenge_book._id(blob_id, row, leaf)
    challenge_book._open(
        challenge_id,
        IDAChallenges.Challenge(
            challenger=msg.sender,
            operator_id=operator_id,
            epoch=record.epoch,
            opened_at=block.timestamp,
            deadline=block.timestamp + WINDOW,
            bond=bond,
        ),
    )
    bond_ledger._credit(msg.sender, msg.value - bond)
    log IDAChallenges.Challenged(
        challenge_id=challenge_id,
        blob_id=blob_id,
        operator_id=operator_id,
        row=row,
        leaf=leaf,
        challenger=msg.sender,
        bond=bond,
        deadline=block.timestamp + WINDOW,
    )
    return challenge_id


@external
def answer_leaf(blob: IDAEntrance.Blob, frame: Bytes[row_path.FRAME_BYTES]):
    """
    @notice Show the leaf that a challenge asks for.
    @param frame u32 row, u32 leaf, 256 bytes, siblings of leaf and row, b0, b1, b2.
    """
    row: uint256 = 0
    leaf: uint256 = 0
    row, leaf = row_path._check_leaf(frame, blob.columns, blob.data_root)
    self._answer(blob_identity._id_of(blob, ENTRANCE), row, leaf)


@external
def answer_row(
    blob: IDAEntrance.Blob, row: uint256, data: Bytes[row_tree.ROW_BYTES], path: Bytes[row_path.ROW_PATH_BYTES]
):
    """
    @notice Publish the row that a challenge asks for. Whether it belongs to an encoding is for a fraud proof to say.
    @param data Its 32 bytes a column.
    @param path Ten siblings, lowest first, b0, b1, b2.
    """
    blob_id: bytes32 = blob_identity._id_of(blob, ENTRANCE)
    leaves: uint256 = row_tree._leaves_of(len(data), blob.columns)
    digests: bytes32[row_tree.MAX_LEAVES] = empty(bytes32[row_tree.MAX_LEAVES])
    for leaf: uint256 in range(leaves, bound=row_tree.MAX_LEAVES):
        digests[leaf] = keccak256(slice(data, row_tree.LEAF_BYTES * leaf, row_tree.LEAF_BYTES))
    row_path._check_row(row_tree._fold(digests, leaves), row, path, blob.data_root)
    self._answer(blob_id, row, challenge_book.WHOLE_ROW)
    log IDAChallenges.RowPublished(blob_id=blob_id, row=row, data=data, path=path)


@external
def close(blob_id: bytes32, row: uint256, leaf: uint256) -> bool:
    """
    @notice End a challenge that nobody answered in time: the bond goes back, and the signer is convicted with the
            challenger as reporter, unless this row was punished before or the blob is void.
    @return Whether the signer was convicted.
    """
    challenge_id: bytes32 = challenge_book._id(blob_id, row, leaf)
    challenge: IDAChallenges.Challenge = challenge_book._read_open(challenge_id, WINDOW)
    assert block.timestamp > challenge.deadline, "da_challenges: answer may come"
    subject: bytes32 = self._silence_subject(blob_id, row)
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(blob_id)
    is_convicted: bool = record.state == IDAEntrance.BlobState.CONFIRMED and not self.is_punished[subject]

    challenge_book._end(challenge_id, challenge)
    bond_ledger._credit(challenge.challenger, challenge.bond)
    log IDAChallenges.Closed(
        challenge_id=challenge_id,
        blob_id=blob_id,
        operator_id=challenge.operator_id,
        row=row,
        leaf=leaf,
        is_convicted=is_convicted,
    )
    if is_convicted:
        self.is_punished[subject] = True

        extcall ISlashingCourt(COURT).convict(
            IAdjudicator.Finding(
                offence=C.DA_SILENCE,
                pool=(challenge.operator_id << SERVICE_BITS) | C.DA,
                epoch=challenge.epoch,
                subject=subject,
                amount=0,
                victim=empty(address),
                loss=0,
            ),
            challenge.challenger,
        )
    return is_convicted


@external
def reclaim(blob_id: bytes32, row: uint256, leaf: uint256):
    """
    @notice Give the bond of an unanswered challenge back once the court takes no more evidence of its epoch.
    """
    challenge_id: bytes32 = challenge_book._id(blob_id, row, leaf)
    challenge: IDAChallenges.Challenge = challenge_book._read_open(challenge_id, WINDOW)
    barred_at: uint256 = EVIDENCE + staticcall IStakeView(STAKE).epoch_start(challenge.epoch + 1)
    assert block.timestamp > barred_at, "da_challenges: court may judge"

    challenge_book._end(challenge_id, challenge)
    bond_ledger._credit(challenge.challenger, challenge.bond)
    log IDAChallenges.Reclaimed(
        challenge_id=challenge_id, challenger=challenge.challenger, bond=challenge.bond
    )


@external
def withdraw(to: address) -> uint256:
    """
    @notice Take what is credited to the caller: bonds earned or given back, excess.
    @param to Receives it.
    @return Amount in wei.
    """
    return bond_ledger._withdraw(msg.sender, to)


# --- VIEWS


@external
@view
def adjudicate(offence: uint256, evidence: Bytes[C.MAX_EVIDENCE]) -> IAdjudicator.Finding:
    """
    @notice What the evidence proves; reverts unless it does.
    @param offence DA_EQUIVOCATION; silence is convicted by `close`.
    """
    assert offence == C.DA_EQUIVOCATION, "da_challenges: unknown offence"
    if equivocation._is_about_receipts(evidence):
        return self._find_receipts(equivocation._parse_receipts(evidence))
    return self._find_attestations(equivocation._parse(evidence))


@external
@view
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the start of an epoch evidence may arrive.
    """
    is_ours: bool = offence == C.DA_EQUIVOCATION or offence == C.DA_SILENCE
    assert is_ours, "da_challenges: unknown offence"
    return EVIDENCE


@external
@view
def challenge_of(challenge_id: bytes32) -> IDAChallenges.Challenge:
    """
    @notice An open challenge; its challenger is empty when there is none.
    """
    return challenge_book._read(challenge_id, WINDOW)


@external
@view
def open_of(operator_id: uint256) -> uint256:
    """
    @notice Challenges that wait for an operator.
    """
    return challenge_book.waiting[operator_id]


@external
@view
def bond(operator_id: uint256, columns: uint256, leaf: uint256) -> uint256:
    """
    @notice Wei that a challenge of this operator would cost in this block.
    """
    return bond_ledger._bond(columns, leaf, challenge_book.waiting[operator_id])


@external
@view
def credit_of(account: address) -> uint256:
    """
    @notice Wei that an account can withdraw.
    """
    return bond_ledger.credits[account]


@external
@view
def silence_subject(blob_id: bytes32, row: uint256) -> bytes32:
    """
    @notice What a silence is about: one row is punished once, whichever of its leaves was asked for.
    """
    return self._silence_subject(blob_id, row)


@external
@view
def equivocation_subject(blob_id: bytes32, seed: bytes32, key_hash: bytes32) -> bytes32:
    """
    @notice What an equivocation is about: one (blob id, seed) of one key is punished once.
    """
    return equivocation._subject(blob_id, seed, key_hash)


@external
@view
def receipt_subject(blob_id: bytes32, number: uint256) -> bytes32:
    """
    @notice What two contradictory receipts are about: one item of one blob is punished once.
    """
    return equivocation._receipt_subject(blob_id, number)


# --- INTERNAL


@internal
def _answer(blob_id: bytes32, row: uint256, leaf: uint256):
    """
    @dev The answer lies under the blob's root.
    """
    challenge_id: bytes32 = challenge_book._id(blob_id, row, leaf)
    challenge: IDAChallenges.Challenge = challenge_book._read_open(challenge_id, WINDOW)
    assert block.timestamp <= challenge.deadline, "da_challenges: too late"
    answerer: address = msg.sender
    if block.timestamp <= challenge.opened_at + WINDOW // 2:
        answerer = self._signer_account(challenge.operator_id)

    challenge_book._end(challenge_id, challenge)
    bond_ledger._credit(answerer, challenge.bond)
    log IDAChallenges.Answered(
        challenge_id=challenge_id,
        blob_id=blob_id,
        operator_id=challenge.operator_id,
        row=row,
        leaf=leaf,
        answerer=answerer,
        bond=challenge.bond,
    )


@internal
@view
def _signer_account(operator_id: uint256) -> address:
    """
    @dev The caller if it is the operator's owner or signer, its owner otherwise.
    """
    if staticcall IStakeView(STAKE).operator_of(msg.sender) == operator_id:
        return msg.sender
    return (staticcall IStakeView(STAKE).operator(operator_id)).owner


@internal
@view
def _find_attestations(case: IDAChallenges.Equivocation) -> IAdjudicator.Finding:
    """
    @dev A blob that was never paid has no true seed, so no other evidence can share its subject, and the signer's own
         word decides which epoch's stake answers.
    """
    key_hash: bytes32 = equivocation._check(case, ENTRANCE)
    operator_id: uint256 = staticcall IStakeView(STAKE).operator_of_key(key_hash)
    assert operator_id != 0, "da_challenges: nobody's key"
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(case.blob_id)
    epoch: uint256 = record.epoch if record.paid_at != 0 else case.first.epoch
    subject: bytes32 = equivocation._subject(case.blob_id, case.seed, key_hash)
    return self._equivocation_of(operator_id, epoch, subject)


@internal
@view
def _find_receipts(case: IDAChallenges.ReceiptEquivocation) -> IAdjudicator.Finding:
    blob_id: bytes32 = equivocation._check_receipts(case, ENTRANCE)
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(blob_id)
    assert record.paid_at != 0, "da_challenges: never paid"
    subject: bytes32 = equivocation._receipt_subject(blob_id, case.number)
    return self._equivocation_of(record.disperser_id, record.epoch, subject)


@internal
@pure
def _equivocation_of(operator_id: uint256, epoch: uint256, subject: bytes32) -> IAdjudicator.Finding:
    return IAdjudicator.Finding(
        offence=C.DA_EQUIVOCATION,
        pool=(operator_id << SERVICE_BITS) | C.DA,
        epoch=epoch,
        subject=subject,
        amount=0,
        victim=empty(address),
        loss=0,
    )


@internal
@pure
def _silence_subject(blob_id: bytes32, row: uint256) -> bytes32:
    return keccak256(abi_encode(blob_id, row))
