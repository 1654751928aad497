# pragma version 0.4.3
"""
@title A verifier that believes every proof, and storage that keeps what it is told
@license AGPL-3.0-only
@author Apogee
@notice For tests only: stands for KeyDeliveryVerifier and StorageMarket where a test is about the token. It remembers in which
        context it was asked, says what is proven false as it is told, and may call somebody in the middle of a delivery.
"""
from contracts.interfaces import IAgentNFT
from contracts.interfaces import IStorageMarket

refuses: public(bool)
asked: IAgentNFT.DeliveryContext
hook: address
payload: Bytes[1024]
hook_succeeded: public(bool)
files: HashMap[bytes32, IStorageMarket.File]
last: DynArray[bytes32, 4]
is_false: public(HashMap[bytes32, bool])


@external
def refuse(refuses: bool):
    self.refuses = refuses


@external
def set_hook(hook: address, payload: Bytes[1024]):
    self.hook = hook
    self.payload = payload


@external
def keep(location: bytes32, root: bytes32, leaves: uint256, state: IStorageMarket.FileState):
    self.files[location].root = root
    self.files[location].leaves = leaves
    self.files[location].state = state


@external
def prove(digest: bytes32):
    self.is_false[digest] = True


@external
@view
def delivered(collection: address) -> DynArray[bytes32, 4]:
    return self.last


@external
@view
def file(id: bytes32) -> IStorageMarket.File:
    return self.files[id]


@external
@view
def context() -> IAgentNFT.DeliveryContext:
    return self.asked


@external
def verifyTransferValidity(
    proofs: DynArray[IAgentNFT.TransferValidityProof, 4]
) -> DynArray[IAgentNFT.TransferValidityProofOutput, 4]:
    assert not self.refuses, "twin: refused"
    self.asked = staticcall IAgentNFT(msg.sender).delivery_context()
    if self.hook != empty(address):
        self.hook_succeeded = raw_call(self.hook, self.payload, revert_on_failure=False)
    self.last = []
    outputs: DynArray[IAgentNFT.TransferValidityProofOutput, 4] = []
    for proof: IAgentNFT.TransferValidityProof in proofs:
        self.last.append(keccak256(proof.ownershipProof.proof))
        outputs.append(
            IAgentNFT.TransferValidityProofOutput(
                oldDataHash=proof.ownershipProof.oldDataHash,
                newDataHash=proof.ownershipProof.newDataHash,
                sealedKey=proof.ownershipProof.sealedKey,
                encryptedPubKey=proof.ownershipProof.encryptedPubKey,
                wantedKey=b"",
                accessAssistant=empty(address),
                accessProofNonce=proof.accessProof.nonce,
                ownershipProofNonce=proof.ownershipProof.nonce,
            )
        )
    return outputs
