# pragma version 0.4.3
"""
@title What may be submitted, by whom
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a submission is accepted only when its owner calls, or has signed it for this chain and this log.
@dev Id = keccak256(tag, chain id, log, owner, root, nonce) as ABI words: it exists before the first transaction, and
     what the owner pays for twice by mistake has the same id.
"""
from snekmate.utils import ecdsa
from ..interfaces import IStorageLog
from ..shared import constants as C
from ..shared import typed_data

FILE: constant(uint256) = 1
SEGMENT_BYTES: constant(uint256) = 32_505_856  # all but a file's last are as long
MAX_SEGMENTS: constant(uint256) = 1_024
MAX_SIGNATURE: constant(uint256) = 1_024  # bytes; contract accounts bring several
ECDSA_BYTES: constant(uint256) = 65

NAME: constant(bytes32) = keccak256("Apogee Storage")
VERSION: constant(bytes32) = keccak256("1")
SUBMISSION_TYPE: constant(bytes32) = keccak256(
    "Submission(address owner,uint64 nonce,bytes32 root,uint32 segments,uint64 length,uint8 profile,uint8 kind,uint32 termEpochs,uint128 maxCost,uint64 validUntil)"
)
IS_VALID_SIGNATURE: constant(bytes4) = method_id("isValidSignature(bytes32,bytes)", output_type=bytes4)  # EIP-1271


@internal
@view
def _id_of(owner: address, root: bytes32, nonce: uint64, storage_log: address) -> bytes32:
    return keccak256(abi_encode(C.TAG_SUBMISSION, chain.id, storage_log, owner, root, nonce))


@internal
@view
def _digest(submission: IStorageLog.Submission, storage_log: address) -> bytes32:
    domain: bytes32 = typed_data._domain(NAME, VERSION, storage_log)
    return typed_data._digest(domain, keccak256(abi_encode(SUBMISSION_TYPE, submission)))


@internal
@view
def _check(submission: IStorageLog.Submission):
    """
    @dev Shape and time; price, profile and term are the market's to judge.
    """
    assert convert(submission.kind, uint256) == FILE, "storage_log: not a file"
    assert submission.owner != empty(address), "storage_log: no owner"
    assert submission.root != empty(bytes32), "storage_log: no root"
    assert block.timestamp <= convert(submission.valid_until, uint256), "storage_log: too late"
    length: uint256 = convert(submission.length, uint256)
    assert length > 0 and length <= MAX_SEGMENTS * SEGMENT_BYTES, "storage_log: wrong length"
    segments: uint256 = (length + SEGMENT_BYTES - 1) // SEGMENT_BYTES
    assert convert(submission.segments, uint256) == segments, "storage_log: wrong segments"


@internal
@view
def _check_owner(
    submission: IStorageLog.Submission, sender: address, signature: Bytes[MAX_SIGNATURE], storage_log: address
):
    """
    @dev A contract account is asked first; one whose key still rules it (EIP-7702) may also sign itself.
    """
    owner: address = submission.owner
    if sender == owner:
        return
    digest: bytes32 = self._digest(submission, storage_log)
    if owner.is_contract and self._is_vouched(owner, digest, signature):
        return
    assert len(signature) == ECDSA_BYTES, "storage_log: not authorised"
    key_signature: Bytes[ECDSA_BYTES] = slice(signature, 0, ECDSA_BYTES)
    assert ecdsa._recover_sig(digest, key_signature) == owner, "storage_log: not authorised"


@internal
@view
def _is_vouched(account: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> bool:
    """
    @dev Whether a contract account says that the signature is its own.
    """
    success: bool = False
    response: Bytes[33] = b""
    success, response = raw_call(
        account,
        abi_encode(digest, signature, method_id=IS_VALID_SIGNATURE),
        max_outsize=33,  # one more, so that a longer answer shows
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(response) != 32:
        return False
    return convert(slice(response, 0, 32), bytes32) == convert(IS_VALID_SIGNATURE, bytes32)
