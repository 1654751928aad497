# pragma version 0.4.3
"""
@title A contract that has deliveries verified, and storage that keeps files
@license AGPL-3.0-only
@author Apogee
@notice For tests only: says of its transfer, and of a file, what it was told to say.
"""
from contracts.interfaces import IAgentNFT
from contracts.interfaces import IKeyDeliveryVerifier
from contracts.interfaces import IStorageMarket

delivery_context: public(IAgentNFT.DeliveryContext)
getDelegateAccess: public(HashMap[address, address])
duties: HashMap[bytes32, IStorageMarket.Duty]


@external
def set_context(context: IAgentNFT.DeliveryContext):
    self.delivery_context = context


@external
def set_assistant(user: address, assistant: address):
    self.getDelegateAccess[user] = assistant


@external
def keep(id: bytes32, root: bytes32, end: uint256):
    self.duties[id].root = root
    self.duties[id].end = end


@external
@view
def duty(id: bytes32) -> IStorageMarket.Duty:
    return self.duties[id]


@external
def deliver(
    verifier: address, proofs: DynArray[IAgentNFT.TransferValidityProof, 4]
) -> DynArray[IAgentNFT.TransferValidityProofOutput, 4]:
    return extcall IKeyDeliveryVerifier(verifier).verifyTransferValidity(proofs)


@external
def deliver_and_tell(
    verifier: address, proofs: DynArray[IAgentNFT.TransferValidityProof, 4]
) -> DynArray[bytes32, 4]:
    extcall IKeyDeliveryVerifier(verifier).verifyTransferValidity(proofs)
    return staticcall IKeyDeliveryVerifier(verifier).delivered(self)
