# pragma version 0.4.3
"""
@title Two statements of one key that contradict each other
@license AGPL-3.0-only
@author Apogee
@notice Invariant: proven exactly when one key signed two different statements about one thing: a BLS key two attestations
        of one (blob id, seed), or a disperser two receipts for one item (blob id, number). An attestation after a
        reorganisation names another seed and proves nothing.
"""
from snekmate.utils import ecdsa
from ..interfaces import IDAChallenges
from ..shared import bls12_381
from . import attestation
from . import blob_identity

EVIDENCE_BYTES: constant(uint256) = 36 * 32  # one IDAChallenges.Equivocation
RECEIPT_EVIDENCE_BYTES: constant(uint256) = 19 * 32  # one IDAChallenges.ReceiptEquivocation


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
def _is_about_receipts(evidence: Bytes[4_096]) -> bool:
    return len(evidence) == RECEIPT_EVIDENCE_BYTES


@internal
@pure
def _parse_receipts(evidence: Bytes[4_096]) -> IDAChallenges.ReceiptEquivocation:
    assert len(evidence) == RECEIPT_EVIDENCE_BYTES, "equivocation: wrong length"
    return abi_decode(slice(evidence, 0, RECEIPT_EVIDENCE_BYTES), IDAChallenges.ReceiptEquivocation)


@internal
@view
def _check_receipts(evidence: IDAChallenges.ReceiptEquivocation, entrance: address) -> bytes32:
    """
    @dev Reverts unless proven; returns the blob's id. The signer is the account that the blob names as its disperser,
         whoever the operator's signer is now.
    """
    blob_id: bytes32 = blob_identity._id_of(evidence.blob, entrance)
    is_same: bool = (
        evidence.first.item_hash == evidence.second.item_hash and evidence.first.length == evidence.second.length
    )
    assert not is_same, "equivocation: same receipt"
    for receipt: IDAChallenges.Receipt in [evidence.first, evidence.second]:
        digest: bytes32 = attestation._item_receipt_digest(
            blob_id, evidence.number, receipt.item_hash, receipt.length, entrance
        )
        signer: address = ecdsa._recover_vrs(digest, receipt.v, receipt.r, receipt.s)
        assert signer == evidence.blob.disperser, "equivocation: wrong signature"
    return blob_id


@internal
@pure
def _receipt_subject(blob_id: bytes32, number: uint256) -> bytes32:
    return keccak256(abi_encode(attestation.ITEM_RECEIPT_TYPE, blob_id, number))


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
