# pragma version 0.4.3
"""
@title The token an account belongs to
@license AGPL-3.0-only
@author Apogee
@notice Invariant: whose an account is follows from its own code and the collection alone, never from what it stores.
@dev A proxy of the ERC-6551 registry is 173 bytes: 45 of ERC-1167, then salt, chain id, collection, token id. Under
     delegatecall `self.code` would read the implementation, an address in a variable reads the proxy. Everything here is
     open while a call of the account runs: others ask on the way, and send coin and tokens.
"""
from ..interfaces import IAgentNFT

PROXY_BYTES: constant(uint256) = 173
TOKEN_AT: constant(uint256) = 77
ERC721_TAKEN: constant(bytes4) = 0x150b7a02
ERC1155_TAKEN: constant(bytes4) = 0xf23a6e61
ERC1155_ALL_TAKEN: constant(bytes4) = 0xbc197c81


@external
@payable
def __default__():
    """
    @dev Coin is welcome at any time.
    """
    assert len(msg.data) == 0, "agent_account: no such function"


@external
@view
def token() -> (uint256, address, uint256):
    """
    @notice Chain id, collection and id of the token; all zero for the implementation itself.
    """
    return self._token()


@external
@view
def owner() -> address:
    """
    @notice Who owns the token; zero when it lives on another chain.
    """
    return self._owner()


@external
@view
def onERC721Received(operator: address, former: address, id: uint256, data: Bytes[1_024]) -> bytes4:
    """
    @notice Take a token, never the account's own: nobody could act for it again.
    """
    chain_id: uint256 = 0
    collection: address = empty(address)
    own: uint256 = 0
    chain_id, collection, own = self._token()
    is_own: bool = chain_id == chain.id and collection == msg.sender and own == id
    assert not is_own, "agent_account: own token"
    return ERC721_TAKEN


@external
@view
def onERC1155Received(
    operator: address, former: address, id: uint256, amount: uint256, data: Bytes[1_024]
) -> bytes4:
    """
    @notice Take a token of ERC-1155.
    """
    return ERC1155_TAKEN


@external
@view
def onERC1155BatchReceived(
    operator: address,
    former: address,
    ids: DynArray[uint256, 64],
    amounts: DynArray[uint256, 64],
    data: Bytes[1_024],
) -> bytes4:
    """
    @notice Take several tokens of ERC-1155.
    """
    return ERC1155_ALL_TAKEN


@internal
@view
def _token() -> (uint256, address, uint256):
    """
    @dev Chain id, collection, token id; all zero for the implementation itself.
    """
    me: address = self
    if me.codesize != PROXY_BYTES:
        return 0, empty(address), 0
    return abi_decode(slice(me.code, TOKEN_AT, 96), (uint256, address, uint256))


@internal
@view
def _here() -> (IAgentNFT, uint256):
    """
    @dev Collection and token id; reverts when the token lives on another chain.
    """
    chain_id: uint256 = 0
    collection: address = empty(address)
    id: uint256 = 0
    chain_id, collection, id = self._token()
    assert chain_id == chain.id, "bound_token: another chain"
    return IAgentNFT(collection), id


@internal
@view
def _owner() -> address:
    """
    @dev Zero on another chain.
    """
    chain_id: uint256 = 0
    collection: address = empty(address)
    id: uint256 = 0
    chain_id, collection, id = self._token()
    if chain_id != chain.id:
        return empty(address)
    return staticcall IAgentNFT(collection).ownerOf(id)


@internal
@view
def _epoch() -> (uint256, uint256):
    """
    @dev How often the token changed hands, and when it last did.
    """
    collection: IAgentNFT = empty(IAgentNFT)
    id: uint256 = 0
    collection, id = self._here()
    return staticcall collection.epoch_of(id)


@internal
@view
def _is_locked() -> bool:
    collection: IAgentNFT = empty(IAgentNFT)
    id: uint256 = 0
    collection, id = self._here()
    return staticcall collection.is_locked(id)
