# pragma version 0.4.3
"""
@title What is signed of a delivery
@license AGPL-3.0-only
@author Apogee
@notice Invariant: two deliveries, or a delivery and an access, never have one digest; nor has one of another chain,
        verifier, asking contract, token, epoch, operation, receiver or key.
@dev ownership proof = contentRoot || old keyRoot || old keyCommit || old location || keyRoot || keyCommit || location
     || u64 deadline || 65 a signature; access proof = u64 deadline || signature.
"""
from ..interfaces import IAgentNFT
from ..interfaces import IKeyDeliveryVerifier
from ..shared import typed_data

NAME_HASH: constant(bytes32) = keccak256("Apogee Key Delivery")
VERSION_HASH: constant(bytes32) = keccak256("1")
DELIVERY_TYPE: constant(bytes32) = keccak256(
    "Delivery(address collection,uint256 token,uint64 epoch,uint8 op,address receiver,bytes32 oldDataHash,bytes32 newDataHash,bytes32 contentRoot,bytes32 keyRoot,bytes32 keyCommit,bytes32 location,bytes32 sealedKeyHash,bytes32 keyHash,bytes32 nonceHash,uint64 deadline)"
)
ACCESS_TYPE: constant(bytes32) = keccak256(
    "Access(address collection,uint256 token,uint64 epoch,uint8 op,address receiver,bytes32 oldDataHash,bytes32 newDataHash,bytes32 keyHash,bytes32 nonceHash,uint64 deadline)"
)
LOCATION_AT: constant(uint256) = 192
DEADLINE_AT: constant(uint256) = 224
SIGNATURES_AT: constant(uint256) = 232
SIGNATURE_BYTES: constant(uint256) = 65
MAX_SIGNERS: constant(uint256) = 5
MAX_PROOF: constant(uint256) = SIGNATURES_AT + MAX_SIGNERS * SIGNATURE_BYTES
DEADLINE_BYTES: constant(uint256) = 8


@internal
@view
def _delivery(delivery: IKeyDeliveryVerifier.Delivery) -> bytes32:
    return typed_data._digest(
        typed_data._domain(NAME_HASH, VERSION_HASH, self),
        keccak256(abi_encode(DELIVERY_TYPE, delivery)),
    )


@internal
@view
def _access(access: IKeyDeliveryVerifier.Access) -> bytes32:
    return typed_data._digest(
        typed_data._domain(NAME_HASH, VERSION_HASH, self), keccak256(abi_encode(ACCESS_TYPE, access))
    )


@internal
@pure
def _delivery_of(
    collection: address, context: IAgentNFT.DeliveryContext, proof: IAgentNFT.OwnershipProof
) -> IKeyDeliveryVerifier.Delivery:
    """
    @dev What oracles signed, if this is their proof in this context.
    """
    assert len(proof.proof) > SIGNATURES_AT, "delivery_words: no signature"
    return IKeyDeliveryVerifier.Delivery(
        collection=collection,
        token=context.token,
        epoch=convert(context.epoch, uint64),
        op=convert(context.op, uint8),
        receiver=context.receiver,
        old_data_hash=proof.oldDataHash,
        new_data_hash=proof.newDataHash,
        content_root=extract32(proof.proof, 0),
        key_root=extract32(proof.proof, 128),
        key_commit=extract32(proof.proof, 160),
        location=extract32(proof.proof, LOCATION_AT),
        sealed_key_hash=keccak256(proof.sealedKey),
        key_hash=keccak256(proof.encryptedPubKey),
        nonce_hash=keccak256(proof.nonce),
        deadline=convert(slice(proof.proof, DEADLINE_AT, DEADLINE_BYTES), uint64),
    )


@internal
@pure
def _recover(digest: bytes32, signature: Bytes[SIGNATURE_BYTES]) -> address:
    """
    @dev Zero for anything but a signature.
    """
    if len(signature) != SIGNATURE_BYTES:
        return empty(address)
    return ecrecover(
        digest,
        convert(slice(signature, 64, 1), uint256),
        convert(slice(signature, 0, 32), uint256),
        convert(slice(signature, 32, 32), uint256),
    )
