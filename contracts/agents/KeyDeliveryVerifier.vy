# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Whether the data of an agent was re-encrypted for its receiver, and whether that was a lie
@license AGPL-3.0-only
@author Apogee
@notice A contract that moves agents asks here whether t oracles of different operators signed what is delivered, once
        and for this very transfer. Whoever holds a delivery can prove it wrong: then every market refunds it, and
        those who signed it lose stake. It holds no money.
@custom:kill No switch and no owner. An oracle ends with its verdict, its measurement or its stake.
@custom:security Integrity fails only where all t that signed lie, and then they pay; secrecy fails where one of them is
                 broken. What is false is said by DeliveryFraudProofs alone, for ever.
"""
from ..interfaces import IAgentNFT
from ..interfaces import IKeyDeliveryVerifier
from . import access_rules
from . import delivery_words
from . import false_deliveries
from . import oracle_book

implements: IKeyDeliveryVerifier
initializes: access_rules
initializes: oracle_book
initializes: false_deliveries[oracle_book := oracle_book]
exports: (
    oracle_book.enrol,
    oracle_book.announce,
    oracle_book.expel,
    oracle_book.oracle,
    oracle_book.is_oracle,
    oracle_book.endpoint_of,
)
exports: (
    false_deliveries.commit,
    false_deliveries.commitments,
    false_deliveries.punish,
    false_deliveries.find,
    false_deliveries.fraud_proofs,
    false_deliveries.is_false,
    false_deliveries.finding,
    false_deliveries.evidence_seconds,
)

interface Collection:
    def delivery_context() -> IAgentNFT.DeliveryContext: view


TEE: constant(uint8) = 0
OPERATIONS: constant(uint256) = 2  # TRANSFER, CLONE
SEALED_BYTES: constant(uint256) = 112
MAX_PROOFS: constant(uint256) = 4

spent: HashMap[bytes32, bool]  # keccak256(collection, token, nonce hash); for ever
verified: transient(HashMap[address, DynArray[bytes32, MAX_PROOFS]])


@deploy
def __init__(
    registry: address,
    stake: address,
    court: address,
    market: address,
    fraud_proofs: address,
    evidence_seconds: uint256,
):
    """
    @param registry AttestationRegistry: which keys run measured oracles.
    @param stake StakeManager.
    @param court SlashingCourt, which punishes.
    @param market StorageMarket, which says what storage owes.
    @param fraud_proofs DeliveryFraudProofs, which judges proofs.
    @param evidence_seconds How long after the end of an epoch its offences can be shown.
    """
    oracle_book.__init__(registry, stake)
    false_deliveries.__init__(court, fraud_proofs, evidence_seconds)
    access_rules.__init__(market)


# --- A CONTRACT THAT MOVES AGENTS


@external
def verifyTransferValidity(
    proofs: DynArray[IAgentNFT.TransferValidityProof, MAX_PROOFS]
) -> DynArray[IAgentNFT.TransferValidityProofOutput, MAX_PROOFS]:
    """
    @notice Let proofs count for the caller's transfer. He says what it is in `delivery_context`, and compares old
            hashes and roots with his own.
    """
    context: IAgentNFT.DeliveryContext = staticcall Collection(msg.sender).delivery_context()
    assert context.op != 0 and context.op <= OPERATIONS, "key_delivery: no such operation"
    assert context.threshold != 0, "key_delivery: no threshold"
    outputs: DynArray[IAgentNFT.TransferValidityProofOutput, MAX_PROOFS] = []
    digests: DynArray[bytes32, MAX_PROOFS] = []
    for proof: IAgentNFT.TransferValidityProof in proofs:
        owned: IAgentNFT.OwnershipProof = proof.ownershipProof
        assert owned.oracleType == TEE, "key_delivery: no TEE proof"
        assert len(owned.sealedKey) == SEALED_BYTES, "key_delivery: no sealed key"
        delivery: IKeyDeliveryVerifier.Delivery = delivery_words._delivery_of(msg.sender, context, owned)
        assert delivery.new_data_hash != delivery.old_data_hash, "key_delivery: nothing new"
        access_rules._check_deadline(delivery.deadline)
        digest: bytes32 = delivery_words._delivery(delivery)
        self._check_signed(digest, owned.proof, context.threshold)
        name: bytes32 = keccak256(abi_encode(msg.sender, context.token, delivery.nonce_hash))
        assert not self.spent[name], "key_delivery: nonce is spent"
        assistant: address = access_rules._assistant(proof.accessProof, delivery, context.key_hash)

        self.spent[name] = True
        digests.append(digest)
        outputs.append(
            IAgentNFT.TransferValidityProofOutput(
                oldDataHash=owned.oldDataHash,
                newDataHash=owned.newDataHash,
                sealedKey=owned.sealedKey,
                encryptedPubKey=owned.encryptedPubKey,
                wantedKey=owned.encryptedPubKey,
                accessAssistant=assistant,
                accessProofNonce=owned.nonce,
                ownershipProofNonce=owned.nonce,
            )
        )
        log IKeyDeliveryVerifier.DeliveryVerified(
            collection=msg.sender,
            token=context.token,
            digest=digest,
            nonce_hash=delivery.nonce_hash,
            deadline=delivery.deadline,
        )
    self.verified[msg.sender] = digests
    return outputs


# --- VIEWS


@external
@view
@reentrant
def delivered(collection: address) -> DynArray[bytes32, MAX_PROOFS]:
    """
    @notice Digests that a collection had verified last in this transaction.
    """
    return self.verified[collection]


@external
@view
@reentrant
def delivery_digest(
    collection: address, context: IAgentNFT.DeliveryContext, proof: IAgentNFT.OwnershipProof
) -> bytes32:
    """
    @notice What oracles sign; the threshold does not matter.
    """
    return delivery_words._delivery(delivery_words._delivery_of(collection, context, proof))


@external
@view
@reentrant
def access_digest(access: IKeyDeliveryVerifier.Access) -> bytes32:
    """
    @notice What a receiver, or his assistant, signs.
    """
    return delivery_words._access(access)


@external
@view
@reentrant
def is_spent(collection: address, token: uint256, nonce_hash: bytes32) -> bool:
    return self.spent[keccak256(abi_encode(collection, token, nonce_hash))]


# --- INTERNAL


@internal
@view
def _check_signed(digest: bytes32, proof: Bytes[delivery_words.MAX_PROOF], threshold: uint256):
    """
    @dev Reverts unless so many oracles of different operators signed, in the order of their addresses, and nobody else.
    """
    room: uint256 = len(proof) - delivery_words.SIGNATURES_AT
    count: uint256 = room // delivery_words.SIGNATURE_BYTES
    assert room == count * delivery_words.SIGNATURE_BYTES, "key_delivery: odd signatures"
    assert count >= threshold, "key_delivery: below quorum"
    operators: DynArray[uint256, delivery_words.MAX_SIGNERS] = []
    last: uint256 = 0
    for index: uint256 in range(count, bound=delivery_words.MAX_SIGNERS):
        at: uint256 = delivery_words.SIGNATURES_AT + index * delivery_words.SIGNATURE_BYTES
        signer: address = delivery_words._recover(
            digest, slice(proof, at, delivery_words.SIGNATURE_BYTES)
        )
        operator_id: uint256 = oracle_book._standing(signer)
        assert operator_id != 0, "key_delivery: not an oracle"
        assert convert(signer, uint256) > last, "key_delivery: not in order"
        last = convert(signer, uint256)
        assert operator_id not in operators, "key_delivery: one operator twice"
        operators.append(operator_id)
