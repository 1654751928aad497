# pragma version 0.4.3
"""
@title Somebody else's market
@license AGPL-3.0-only
@author Apogee
@notice For tests only: locks a token and hands it over at once.
"""
from contracts.interfaces import IAgentNFT


@external
def carry(
    nft: address,
    token: uint256,
    to: address,
    key_hash: bytes32,
    proofs: DynArray[IAgentNFT.TransferValidityProof, 4],
):
    extcall IAgentNFT(nft).lock(token, block.timestamp + 60)
    extcall IAgentNFT(nft).prepare(token, to, key_hash, proofs, True)
