# pragma version 0.4.3
"""
@title What DA signers and dispersers sign
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the digest binds every field, the chain and the DAEntrance; equal digests mean equal statements.
"""
from ..shared import typed_data

NAME: constant(bytes32) = keccak256("Apogee DA")
VERSION: constant(bytes32) = keccak256("1")
ATTESTATION_TYPE: constant(bytes32) = keccak256(
    "Attestation(bytes32 blobId,uint64 epoch,uint32 quorumId,bytes32 seed,bytes32 dataRoot,bytes commitment,uint32 columns,uint64 length,uint64 expiry)"
)
DISPERSAL_TYPE: constant(bytes32) = keccak256("Dispersal(bytes32 blobId)")
ITEM_RECEIPT_TYPE: constant(bytes32) = keccak256(
    "ItemReceipt(bytes32 blobId,uint32 number,bytes32 itemHash,uint32 length)"
)


struct Attestation:
    blob_id: bytes32
    epoch: uint256
    quorum_id: uint256
    seed: bytes32  # of the blob's assignment
    data_root: bytes32
    commitment_hash: bytes32  # keccak-256 of the 48 bytes of C
    columns: uint256
    length: uint256  # payload bytes
    expiry: uint256  # seconds


@internal
@view
def _attestation_digest(attestation: Attestation, entrance: address) -> bytes32:
    domain: bytes32 = typed_data._domain(NAME, VERSION, entrance)
    struct_hash: bytes32 = keccak256(abi_encode(ATTESTATION_TYPE, attestation))
    return typed_data._digest(domain, struct_hash)


@internal
@view
def _dispersal_digest(blob_id: bytes32, entrance: address) -> bytes32:
    """
    @dev What a disperser that is not the payer signs to stake against the blob's encoding.
    """
    domain: bytes32 = typed_data._domain(NAME, VERSION, entrance)
    return typed_data._digest(domain, keccak256(abi_encode(DISPERSAL_TYPE, blob_id)))


@internal
@view
def _item_receipt_digest(
    blob_id: bytes32, number: uint256, item_hash: bytes32, length: uint256, entrance: address
) -> bytes32:
    """
    @dev What a disperser signs for item `number` of a shared matrix.
    """
    domain: bytes32 = typed_data._domain(NAME, VERSION, entrance)
    struct_hash: bytes32 = keccak256(abi_encode(ITEM_RECEIPT_TYPE, blob_id, number, item_hash, length))
    return typed_data._digest(domain, struct_hash)
