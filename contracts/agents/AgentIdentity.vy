# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Agents as ERC-8004 knows them
@license AGPL-3.0-only
@author Apogee
@notice Tools of ERC-8004 find every token of AgentNFT here, with URI and metadata. Invariant: owner, approvals and wallet
        are the collection's own answers; nothing of them is kept here.
@custom:kill Nothing to stop: it holds no money and decides nothing.
@custom:security URIs and metadata are hostile text. The wallet of an agent is its account and cannot be set; it goes with
                 the token, so the ERC's clearing on transfer has nothing to clear. Transfers and approvals are made at the
                 collection.
"""
from ..interfaces import IAgentIdentity
from ..interfaces import IAgentNFT

implements: IAgentIdentity

interface Named:
    def name() -> String[64]: view
    def symbol() -> String[32]: view
    def tokenURI(token_id: uint256) -> String[512]: view


MAX_METADATA: constant(uint256) = 8
RESERVED: constant(String[64]) = "agentWallet"

COLLECTION: public(immutable(address))  # AgentNFT

uris: HashMap[uint256, String[512]]
metadata: HashMap[uint256, HashMap[String[64], Bytes[512]]]


@deploy
def __init__(collection: address):
    """
    @param collection AgentNFT.
    """
    assert collection.is_contract, "agent_identity: no contract"

    COLLECTION = collection


# --- PERMISSIONLESS


@external
def register(
    agentURI: String[512] = "", metadata: DynArray[IAgentIdentity.MetadataEntry, MAX_METADATA] = []
) -> uint256:
    """
    @notice Mint a token without data to the caller, who may give it data later.
    @return The agent's id, which is the token's.
    """
    datas: DynArray[IAgentNFT.IntelligentData, 4] = []
    roots: DynArray[IAgentNFT.Roots, 4] = []
    keys: DynArray[Bytes[128], 4] = []
    id: uint256 = extcall IAgentNFT(COLLECTION).mint(msg.sender, datas, roots, keys, 3, 0)
    self.uris[id] = agentURI
    log IAgentIdentity.Registered(agentId=id, agentURI=agentURI, owner=msg.sender)
    for one: IAgentIdentity.MetadataEntry in metadata:
        self._set(id, one.metadataKey, one.metadataValue)
    return id


# --- OWNER


@external
def setAgentURI(agentId: uint256, newURI: String[512]):
    """
    @notice Say where the agent's card lies.
    """
    self._check_entitled(agentId)

    self.uris[agentId] = newURI
    log IAgentIdentity.URIUpdated(agentId=agentId, newURI=newURI, updatedBy=msg.sender)


@external
def setMetadata(agentId: uint256, metadataKey: String[64], metadataValue: Bytes[512]):
    """
    @notice Keep a word on chain; the wallet's is reserved.
    """
    self._check_entitled(agentId)

    self._set(agentId, metadataKey, metadataValue)


# --- VIEWS


@external
@view
def getMetadata(agentId: uint256, metadataKey: String[64]) -> Bytes[512]:
    """
    @notice A word that was kept; for the wallet its 20 bytes.
    """
    if metadataKey == RESERVED:
        return concat(convert(staticcall IAgentNFT(COLLECTION).account_of(agentId), bytes20), b"")
    return self.metadata[agentId][metadataKey]


@external
@view
def getAgentWallet(agentId: uint256) -> address:
    """
    @notice The agent's account (ERC-6551), created or not.
    """
    return staticcall IAgentNFT(COLLECTION).account_of(agentId)


@external
@view
def isAuthorizedOrOwner(spender: address, agentId: uint256) -> bool:
    """
    @notice Whether somebody owns the agent or is approved for it.
    """
    return self._is_entitled(spender, agentId)


@external
@view
def ownerOf(tokenId: uint256) -> address:
    """
    @notice The token's owner.
    """
    return staticcall IAgentNFT(COLLECTION).ownerOf(tokenId)


@external
@view
def balanceOf(owner: address) -> uint256:
    """
    @notice How many agents somebody owns.
    """
    return staticcall IAgentNFT(COLLECTION).balanceOf(owner)


@external
@view
def getApproved(tokenId: uint256) -> address:
    """
    @notice Who is approved for the agent.
    """
    return staticcall IAgentNFT(COLLECTION).getApproved(tokenId)


@external
@view
def isApprovedForAll(owner: address, operator: address) -> bool:
    """
    @notice Whether somebody is approved for all agents of an owner.
    """
    return staticcall IAgentNFT(COLLECTION).isApprovedForAll(owner, operator)


@external
@view
def tokenURI(tokenId: uint256) -> String[512]:
    """
    @notice The agent's card, or the token's own URI where none was said.
    """
    if len(self.uris[tokenId]) != 0:
        return self.uris[tokenId]
    return staticcall Named(COLLECTION).tokenURI(tokenId)


@external
@view
def name() -> String[64]:
    """
    @notice The collection's.
    """
    return staticcall Named(COLLECTION).name()


@external
@view
def symbol() -> String[32]:
    """
    @notice The collection's.
    """
    return staticcall Named(COLLECTION).symbol()


# --- INTERNAL


@internal
@view
def _is_entitled(spender: address, id: uint256) -> bool:
    collection: IAgentNFT = IAgentNFT(COLLECTION)
    owner: address = staticcall collection.ownerOf(id)
    if spender == owner or staticcall collection.isApprovedForAll(owner, spender):
        return True
    return spender == staticcall collection.getApproved(id)


@internal
@view
def _check_entitled(id: uint256):
    assert self._is_entitled(msg.sender, id), "agent_identity: not entitled"


@internal
def _set(id: uint256, key: String[64], content: Bytes[512]):
    assert key != RESERVED, "agent_identity: reserved key"

    self.metadata[id][key] = content
    log IAgentIdentity.MetadataSet(
        agentId=id, indexedMetadataKey=key, metadataKey=key, metadataValue=content
    )
