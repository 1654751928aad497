# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Judging seats that stood for two roots
@license AGPL-3.0-only
@author Apogee
@notice A stream has one root at one entry of the log, so whoever signed two lied once. SlashingCourt asks here whether a
        key signed two roots, or another one than the one it stood for when its group posted it. Holds no money and no
        state.
@custom:kill No switch. A seat that signs one root for an entry, true or not, cannot be convicted here.
@custom:security That a root is false is not decided here: that takes replaying the log. Four seats that collude and sign
                 nothing else are not convicted; whoever replays the log sees it.
"""
from ..interfaces import IAdjudicator
from ..interfaces import IKVFraudProofs
from ..interfaces import IKVStreams
from ..interfaces import IStakeView
from ..interfaces import IStorageSeats
from ..shared import bls12_381
from ..shared import constants as C
from . import root_claims

implements: IAdjudicator
implements: IKVFraudProofs

SERVICE_BITS: constant(uint256) = 8
EQUIVOCATION_BYTES: constant(uint256) = 34 * 32
CONTRADICTION_BYTES: constant(uint256) = 21 * 32
MAX_SEATS: constant(uint256) = 48

STREAMS: public(immutable(address))
SEATS: public(immutable(address))
STAKE: public(immutable(address))
EVIDENCE: immutable(uint256)  # seconds


@deploy
def __init__(streams: address, seats: address, stake: address, evidence_seconds: uint256):
    """
    @param streams KVStreams: what seats sign, and which roots were posted.
    @param seats StorageSeats: who held a seat.
    @param stake StakeManager: whose key it is.
    @param evidence_seconds How long after the end of an epoch its offences can be shown.
    """
    bls12_381._prove_precompiles()
    are_contracts: bool = streams.is_contract and seats.is_contract and stake.is_contract
    assert are_contracts, "kv_fraud_proofs: no contract"
    assert evidence_seconds != 0, "kv_fraud_proofs: no window"

    STREAMS = streams
    SEATS = seats
    STAKE = stake
    EVIDENCE = evidence_seconds


# --- VIEWS


@external
@view
def adjudicate(offence: uint256, evidence: Bytes[C.MAX_EVIDENCE]) -> IAdjudicator.Finding:
    """
    @notice What the evidence proves; reverts unless it does.
    @param offence KV_FALSE_ROOT.
    """
    assert offence == C.KV_FALSE_ROOT, "kv_fraud_proofs: unknown offence"
    if len(evidence) == EQUIVOCATION_BYTES:
        return self._judge_signatures(
            abi_decode(slice(evidence, 0, EQUIVOCATION_BYTES), IKVFraudProofs.Equivocation)
        )
    assert len(evidence) == CONTRADICTION_BYTES, "kv_fraud_proofs: wrong length"
    return self._judge_posted(
        abi_decode(slice(evidence, 0, CONTRADICTION_BYTES), IKVFraudProofs.Contradiction)
    )


@external
@view
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    assert offence == C.KV_FALSE_ROOT, "kv_fraud_proofs: unknown offence"
    return EVIDENCE


@external
@view
def subject_of(stream: bytes32, seq: uint256, epoch: uint256) -> bytes32:
    """
    @notice What an offence is about: one (stream, entry, epoch) of one operator is punished once.
    @param epoch The later one of those that the two claims name.
    """
    return self._subject(stream, seq, epoch)


# --- INTERNAL


@internal
@view
def _judge_signatures(case: IKVFraudProofs.Equivocation) -> IAdjudicator.Finding:
    first: IKVStreams.StreamRoot = root_claims._root(case.stream, case.seq, case.first)
    second: IKVStreams.StreamRoot = root_claims._root(case.stream, case.seq, case.second)
    root_claims._require_other(root_claims._stream_root(first), root_claims._stream_root(second))
    key_hash: bytes32 = root_claims._require_signed(
        STREAMS, first, case.first, case.key, case.first_signature
    )
    root_claims._require_signed(STREAMS, second, case.second, case.key, case.second_signature)
    epoch: uint256 = max(case.first.epoch, case.second.epoch)
    return self._finding(self._operator(key_hash), case.stream, case.seq, epoch)


@internal
@view
def _judge_posted(case: IKVFraudProofs.Contradiction) -> IAdjudicator.Finding:
    claimed: IKVStreams.StreamRoot = root_claims._root(case.stream, case.seq, case.claim)
    post: IKVStreams.Post = staticcall IKVStreams(STREAMS).post_of(case.stream, case.seq)
    assert post.stream_root != empty(bytes32), "kv_fraud_proofs: not posted"
    root_claims._require_other(post.stream_root, root_claims._stream_root(claimed))
    has_signed: bool = case.seat < MAX_SEATS and (post.silent >> case.seat) & 1 == 0
    assert has_signed, "kv_fraud_proofs: seat was silent"
    key_hash: bytes32 = root_claims._require_signed(
        STREAMS, claimed, case.claim, case.key, case.signature
    )
    operator_id: uint256 = self._operator(key_hash)
    holder: IStorageSeats.Holder = staticcall IStorageSeats(SEATS).holder_at(
        post.group, case.seat, post.posted_at
    )
    assert holder.operator_id == operator_id, "kv_fraud_proofs: seat of another"
    return self._finding(operator_id, case.stream, case.seq, max(post.epoch, case.claim.epoch))


@internal
@view
def _operator(key_hash: bytes32) -> uint256:
    operator_id: uint256 = staticcall IStakeView(STAKE).operator_of_key(key_hash)
    assert operator_id != 0, "kv_fraud_proofs: nobody's key"
    return operator_id


@internal
@pure
def _finding(operator_id: uint256, stream: bytes32, seq: uint256, epoch: uint256) -> IAdjudicator.Finding:
    """
    @dev The later epoch answers, and is in the subject: an operator cannot spend its offence on one of small stake, nor be
         freed by it of a lie told in another.
    """
    return IAdjudicator.Finding(
        offence=C.KV_FALSE_ROOT,
        pool=(operator_id << SERVICE_BITS) | C.STORAGE,
        epoch=epoch,
        subject=self._subject(stream, seq, epoch),
        amount=0,
        victim=empty(address),
        loss=0,
    )


@internal
@pure
def _subject(stream: bytes32, seq: uint256, epoch: uint256) -> bytes32:
    return keccak256(abi_encode(stream, seq, epoch))
