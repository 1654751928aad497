# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Deliveries of re-encrypted data
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing counts as delivered that the verifier has not judged entry by entry, for this token, epoch,
        operation and receiver.
@dev The verifier reads the context back from this contract, so its address is in everything that is signed.
"""
from ..interfaces import IAgentNFT
from . import data_entries
from . import token_sheets

uses: data_entries
uses: token_sheets


# EIP-7857's verifier; what it answers repeats the proofs, so nothing is read of it
interface KeyVerifier:
    def verifyTransferValidity(proofs: DynArray[IAgentNFT.TransferValidityProof, 4]): nonpayable


TRANSFER: constant(uint256) = 1
CLONE: constant(uint256) = 2
OLD_ROOTS: constant(uint256) = 128  # bytes of a proof: content root and the old key root, key commit, location

context: transient(IAgentNFT.DeliveryContext)
assistants: HashMap[address, address]
verifier: public(immutable(address))  # for ever: nobody can put another in its place


@deploy
def __init__(key_verifier: address):
    assert key_verifier.is_contract  # dev: no contract

    verifier = key_verifier


@external
@view
@reentrant
def delivery_context() -> IAgentNFT.DeliveryContext:
    """
    @notice What is being delivered now, for the verifier; all zero outside a delivery.
    """
    return self.context


@external
@view
@reentrant
def getDelegateAccess(_user: address) -> address:
    """
    @notice Who else may sign access proofs for a user.
    """
    return self.assistants[_user]


@external
def delegateAccess(_assistant: address):
    """
    @notice Name who else may sign access proofs for the caller; zero: nobody.
    """
    self.assistants[msg.sender] = _assistant
    log IAgentNFT.DelegateAccess(user=msg.sender, assistant=_assistant)


@internal
def _verify(
    token: uint256,
    op: uint256,
    to: address,
    key_hash: bytes32,
    published: uint256,
    proofs: DynArray[IAgentNFT.TransferValidityProof, token_sheets.MAX_ENTRIES],
) -> DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]:
    """
    @dev What the entries of a token become; keys and roots are told under the id `published`.
    """
    entries: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES] = data_entries._entries(token)
    assert len(proofs) == len(entries), "agent_nft: one proof an entry"
    if len(entries) == 0:
        return entries

    word: uint256 = token_sheets.words[token]
    self.context = IAgentNFT.DeliveryContext(
        token=token,
        epoch=word & token_sheets.MASK,
        op=op,
        receiver=to,
        threshold=token_sheets._threshold(word),
        key_hash=key_hash,
    )
    extcall KeyVerifier(verifier).verifyTransferValidity(proofs)
    self.context = empty(IAgentNFT.DeliveryContext)
    keys: DynArray[Bytes[128], token_sheets.MAX_ENTRIES] = []
    for i: uint256 in range(len(entries), bound=token_sheets.MAX_ENTRIES):
        proof: IAgentNFT.OwnershipProof = proofs[i].ownershipProof
        is_next: bool = proof.oldDataHash == entries[i].data_hash and proof.newDataHash != proof.oldDataHash
        assert is_next, "agent_nft: other data"
        assert keccak256(slice(proof.proof, 0, OLD_ROOTS)) == entries[i].roots_hash, "agent_nft: other roots"
        entries[i] = data_entries._rooted(
            published,
            proof.newDataHash,
            IAgentNFT.Roots(
                content_root=extract32(proof.proof, 0),
                key_root=extract32(proof.proof, 128),
                key_commit=extract32(proof.proof, 160),
                location=extract32(proof.proof, 192),
            ),
        )
        keys.append(proof.sealedKey)
    log IAgentNFT.PublishedSealedKey(receiver=to, token=published, sealed_keys=keys)
    return entries
