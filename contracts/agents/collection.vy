# pragma version 0.4.3
"""
@title The collection whose tokens are let
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what an owner offers holds while he owns the token, and is changed by him alone, while nobody holds it
        still.
"""
from ..interfaces import IAgentNFT

NFT: public(immutable(address))
VERIFIER: public(immutable(address))


@deploy
def __init__(nft: address):
    assert nft.is_contract, "leases: no contract"

    NFT = nft
    VERIFIER = staticcall IAgentNFT(nft).verifier()


@internal
@view
def _check_owner(token: uint256):
    assert staticcall IAgentNFT(NFT).ownerOf(token) == msg.sender, "leases: not its owner"
    self._check_free(token)


@internal
@view
def _check_free(token: uint256):
    assert not staticcall IAgentNFT(NFT).is_locked(token), "leases: token is locked"


@internal
@view
def _epoch(token: uint256) -> uint256:
    return (staticcall IAgentNFT(NFT).epoch_of(token))[0]
