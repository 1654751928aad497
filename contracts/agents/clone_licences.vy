# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What clones an owner sells
@license AGPL-3.0-only
@author Apogee
@notice Invariant: clones ordered or made under an epoch's licences never exceed what the licence in force allows when
        one is ordered.
@dev Kept under (token, epoch): an offer ends when its maker does not own the token any more.
"""
from ..interfaces import IAgentLeases
from ..interfaces import IAgentNFT
from . import collection

uses: collection

MAX_ROYALTY: constant(uint256) = 1_000  # ten per cent

licences: HashMap[uint256, HashMap[uint256, IAgentLeases.Licence]]
made: HashMap[uint256, HashMap[uint256, uint256]]


@external
@view
@reentrant
def licence_of(token: uint256) -> IAgentLeases.Licence:
    """
    @notice On which terms clones are sold now; all zero: not at all.
    """
    licence: IAgentLeases.Licence = self.licences[token][collection._epoch(token)]
    return licence if block.timestamp < convert(licence.expiry, uint256) else empty(IAgentLeases.Licence)


@external
@view
@reentrant
def clones_of(token: uint256) -> uint256:
    """
    @notice Clones ordered or made under licences of this epoch.
    """
    return self.made[token][collection._epoch(token)]


@external
def set_licence(token: uint256, licence: IAgentLeases.Licence):
    """
    @notice Sell clones of an own token while the caller owns it; no clones: sell none. Orders that run are not touched.
    """
    collection._check_owner(token)
    assert convert(licence.royalty_bps, uint256) <= MAX_ROYALTY, "leases: royalty > 10%"
    may_clone: bool = (staticcall IAgentNFT(collection.NFT).traits_of(token))[2]
    assert may_clone, "leases: may not clone"
    epoch: uint256 = collection._epoch(token)

    self.licences[token][epoch] = licence
    log IAgentLeases.LicenceSet(token=token, epoch=epoch, licence=licence)


@internal
def _take(token: uint256, epoch: uint256, shown: IAgentLeases.Licence):
    """
    @dev One clone more, on the terms that its buyer was shown.
    """
    licence: IAgentLeases.Licence = self.licences[token][epoch]
    is_sold: bool = licence.max_clones != 0 and block.timestamp < convert(licence.expiry, uint256)
    assert is_sold, "leases: no licence"
    is_same: bool = keccak256(abi_encode(shown)) == keccak256(abi_encode(licence))
    assert is_same, "leases: licence changed"
    count: uint256 = self.made[token][epoch]
    assert count < convert(licence.max_clones, uint256), "leases: licence used up"

    self.made[token][epoch] = count + 1


@internal
def _give_back(token: uint256, epoch: uint256):
    """
    @dev An ordered clone will not be made.
    """
    self.made[token][epoch] -= 1
