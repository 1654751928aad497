# pragma version 0.4.3
"""
@title Two attestations of one key for one blob and seed
@license AGPL-3.0-only
@author Apogee
@notice Invariant: proven exactly when one key signed two different digests with equal (blob id, seed). A signature after
        a reorganisation names another seed and proves nothing.
"""
from ..interfaces import IDAChallenges
from ..shared import bls12_381
from . import attestation

EVIDENCE_BYTES: constant(uint256) = 36 * 32  # one IDAChallenges.Equivocation


@internal
@pure
def _parse(evidence: Bytes[4_096]) -> IDAChallenges.Equivocation:
    assert len(evidence) == EVIDENCE_BYTES, "equivocation: wrong length"
    return abi_decode(slice(evidence, 0, EVIDENCE_BYTES), IDAChallenges.Equivocation)


@internal
@view
def _check(evidence: IDAChallenges.Equivocation, entrance: address) -> bytes32:
    """
    @dev Reverts unless proven; returns the hash of the key.
    """
    first: bytes32 = self._digest(evidence, evidence.first, entrance)
    second: bytes32 = self._digest(evidence, evidence.second, entrance)
    assert first != second, "equivocation: same digest"

    key: Bytes[128] = concat(evidence.key[0], evidence.key[1], evidence.key[2], evidence.key[3])
    assert self._is_signed(key, first, evidence.first_signature), "equivocation: wrong signature"
    assert self._is_signed(key, second, evidence.second_signature), "equivocation: wrong signature"
    return keccak256(key)


@internal
@pure
def _subject(blob_id: bytes32, seed: bytes32, key_hash: bytes32) -> bytes32:
    return keccak256(abi_encode(blob_id, seed, key_hash))


@internal
@view
def _digest(
    evidence: IDAChallenges.Equivocation, statement: IDAChallenges.Statement, entrance: address
) -> bytes32:
    return attestation._attestation_digest(
        attestation.Attestation(
            blob_id=evidence.blob_id,
            epoch=statement.epoch,
            quorum_id=statement.quorum_id,
            seed=evidence.seed,
            data_root=statement.data_root,
            commitment_hash=statement.commitment_hash,
            columns=statement.columns,
            length=statement.length,
            expiry=statement.expiry,
        ),
        entrance,
    )


@internal
@view
def _is_signed(key: Bytes[128], digest: bytes32, words: bytes32[8]) -> bool:
    signature: Bytes[256] = concat(
        words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]
    )
    return bls12_381._verify(key, digest, bls12_381.DST_SIGNATURE, signature)
