# pragma version 0.4.3
"""
@title Two roots of one stream at one entry
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a claim is a key's word exactly when the key has signed it for these streams.
"""
from ..interfaces import IKVFraudProofs
from ..interfaces import IKVStreams
from ..shared import bls12_381
from . import kv_path

MAX_NUMBER: constant(uint256) = 2**64


@internal
@view
def _require_signed(
    streams: address,
    root: IKVStreams.StreamRoot,
    claim: IKVFraudProofs.Claim,
    words: bytes32[4],
    signature_words: bytes32[8],
) -> bytes32:
    """
    @return The hash of the key.
    """
    digest: bytes32 = staticcall IKVStreams(streams).root_digest(root, claim.group, claim.epoch)
    key: Bytes[128] = concat(words[0], words[1], words[2], words[3])
    signature: Bytes[256] = concat(
        signature_words[0],
        signature_words[1],
        signature_words[2],
        signature_words[3],
        signature_words[4],
        signature_words[5],
        signature_words[6],
        signature_words[7],
    )
    valid: bool = bls12_381._verify(key, digest, bls12_381.DST_SIGNATURE, signature)
    assert valid, "root_claims: wrong signature"
    return keccak256(key)


@internal
@pure
def _root(stream: bytes32, seq: uint256, claim: IKVFraudProofs.Claim) -> IKVStreams.StreamRoot:
    assert max(max(seq, claim.generation), max(claim.keys, claim.byte_count)) < MAX_NUMBER, "root_claims: too large"
    assert max(claim.group, claim.epoch) < MAX_NUMBER, "root_claims: too large"
    return IKVStreams.StreamRoot(
        stream=stream,
        seq=convert(seq, uint64),
        generation=convert(claim.generation, uint64),
        tree_root=claim.tree_root,
        keys=convert(claim.keys, uint64),
        byte_count=convert(claim.byte_count, uint64),
    )


@internal
@pure
def _require_other(first: bytes32, second: bytes32):
    assert first != second, "root_claims: same root"


@internal
@pure
def _stream_root(root: IKVStreams.StreamRoot) -> bytes32:
    return kv_path._stream_root(root)
