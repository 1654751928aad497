# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Whether a receiver can get at what is delivered to him
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a delivery counts only where the receiver, or his assistant, signed for it; or where a contract that
        holds the receiver's key asks, and Apogee storage owes the new file.
"""
from ..interfaces import IAgentNFT
from ..interfaces import IKeyDeliveryVerifier
from ..interfaces import IStorageMarket
from . import delivery_words

MAX_SIGNATURE: constant(uint256) = 512
MAX_AHEAD: constant(uint256) = 86_400  # seconds until a deadline
MAGIC: constant(bytes4) = 0x1626ba7e  # ERC-1271

interface Wallet:  # ERC-1271
    def isValidSignature(hash: bytes32, signature: Bytes[MAX_SIGNATURE]) -> bytes4: view


interface Delegations:
    def getDelegateAccess(_user: address) -> address: view


MARKET: immutable(IStorageMarket)


@deploy
def __init__(market: address):
    assert market.is_contract, "access_rules: no contract"

    MARKET = IStorageMarket(market)


@internal
@view
def _check_deadline(deadline: uint64):
    time: uint256 = convert(deadline, uint256)
    assert block.timestamp <= time, "access_rules: expired"
    assert time <= block.timestamp + MAX_AHEAD, "access_rules: too far ahead"


@internal
@view
def _assistant(
    proof: IAgentNFT.AccessProof, delivery: IKeyDeliveryVerifier.Delivery, locked_key: bytes32
) -> address:
    """
    @dev Who signed for the receiver; zero where that was himself, or nobody needed to.
    """
    assert locked_key == empty(bytes32) or locked_key == delivery.key_hash, "access_rules: another key"
    if len(proof.proof) == 0:
        assert locked_key != empty(bytes32), "access_rules: nobody signed"
        duty: IStorageMarket.Duty = staticcall MARKET.duty(delivery.location)
        is_kept: bool = duty.end > block.timestamp and duty.root == delivery.new_data_hash
        assert is_kept, "access_rules: file is not kept"
        return empty(address)

    is_same: bool = (
        proof.oldDataHash == delivery.old_data_hash
        and proof.newDataHash == delivery.new_data_hash
        and keccak256(proof.nonce) == delivery.nonce_hash
        and keccak256(proof.encryptedPubKey) == delivery.key_hash
    )
    assert is_same, "access_rules: another delivery"
    assert len(proof.proof) > delivery_words.DEADLINE_BYTES, "access_rules: no signature"
    deadline: uint64 = convert(slice(proof.proof, 0, delivery_words.DEADLINE_BYTES), uint64)
    self._check_deadline(deadline)
    digest: bytes32 = delivery_words._access(
        IKeyDeliveryVerifier.Access(
            collection=delivery.collection,
            token=delivery.token,
            epoch=delivery.epoch,
            op=delivery.op,
            receiver=delivery.receiver,
            old_data_hash=delivery.old_data_hash,
            new_data_hash=delivery.new_data_hash,
            key_hash=delivery.key_hash,
            nonce_hash=delivery.nonce_hash,
            deadline=deadline,
        )
    )
    size: uint256 = len(proof.proof) - delivery_words.DEADLINE_BYTES
    return self._signer(
        delivery, digest, slice(proof.proof, delivery_words.DEADLINE_BYTES, size)
    )


@internal
@view
def _signer(
    delivery: IKeyDeliveryVerifier.Delivery, digest: bytes32, signature: Bytes[MAX_SIGNATURE]
) -> address:
    if len(signature) == delivery_words.SIGNATURE_BYTES:
        account: address = delivery_words._recover(
            digest, slice(signature, 0, delivery_words.SIGNATURE_BYTES)
        )
        if account != empty(address):
            if account == delivery.receiver:
                return empty(address)
            if account == staticcall Delegations(delivery.collection).getDelegateAccess(delivery.receiver):
                return account
    is_signed: bool = False
    if delivery.receiver.is_contract:
        answer: bytes4 = staticcall Wallet(delivery.receiver).isValidSignature(digest, signature)
        is_signed = answer == MAGIC
    assert is_signed, "access_rules: not the receiver"
    return empty(address)
