# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Tokens that own an agent
@license AGPL-3.0-only
@author Apogee
@notice EIP-7857 (status Final) on snekmate's ERC-721: a token with data changes its owner only together with proofs that
        the data were re-encrypted under a fresh key for the new one; then old users, approvals and sessions are over. A
        market locks a token while it is being paid for. Tokens without data are plain ERC-721.
@custom:kill Nothing stops it, and nobody can put another verifier in place; locks lapse by themselves.
@custom:security A seller who has read an agent's plaintext can keep a copy; what is exclusive is the token, its wallet and
                 whatever is written from now on. `transferFrom` refuses tokens with data: markets that know only ERC-721
                 cannot trade them. Descriptions and URIs are hostile text.
"""
from ..interfaces import IAgentNFT
from snekmate.auth import ownable
from snekmate.tokens import erc721
from snekmate.tokens.interfaces import IERC4906
from . import data_entries
from . import deliveries
from . import royalties
from . import stored_files
from . import token_accounts
from . import token_locks
from . import token_sheets
from . import usage_rights

implements: IAgentNFT
initializes: ownable
initializes: erc721[ownable := ownable]
initializes: token_sheets
initializes: data_entries[token_sheets := token_sheets]
initializes: token_locks
initializes: usage_rights[token_sheets := token_sheets]
initializes: royalties[erc721 := erc721, token_sheets := token_sheets]
initializes: stored_files
initializes: token_accounts
initializes: deliveries[data_entries := data_entries, token_sheets := token_sheets]
exports: (
    erc721.name,
    erc721.symbol,
    erc721.balanceOf,
    erc721.ownerOf,
    erc721.getApproved,
    erc721.isApprovedForAll,
    erc721.setApprovalForAll,
    erc721.totalSupply,
    erc721.tokenOfOwnerByIndex,
)
exports: (token_sheets.epoch_of, token_sheets.traits_of)
exports: (data_entries.intelligentDataOf, data_entries.entries_of, data_entries.data_root)
exports: (token_locks.is_locked, token_locks.lock_of)
exports: (usage_rights.authorizedUsersOf, usage_rights.authorised_until)
exports: royalties.royaltyInfo
exports: (token_accounts.account_of, token_accounts.leases, token_accounts.implementation)
exports: stored_files.STORAGE_MARKET
exports: (
    deliveries.verifier,
    deliveries.delivery_context,
    deliveries.getDelegateAccess,
    deliveries.delegateAccess,
)

# ERC-165 ids; a test derives each from its interface
ERC165: constant(uint32) = 33_540_519  # 0x01ffc9a7
ERC721: constant(uint32) = 2_158_778_573  # 0x80ac58cd
METADATA: constant(uint32) = 1_532_892_063  # 0x5b5e139f
ENUMERABLE: constant(uint32) = 2_014_223_715  # 0x780e9d63
ROYALTIES: constant(uint32) = 710_221_914  # 0x2a55205a: ERC-2981
UPDATES: constant(uint32) = 1_225_148_678  # 0x49064906: ERC-4906
AGENTS: constant(uint32) = 3_998_896_750  # 0xee5a526e: EIP-7857
AGENT_METADATA: constant(uint32) = 2_853_746_516  # 0xaa18b754

GOVERNANCE: public(immutable(address))


@deploy
def __init__(verifier: address, storage_market: address, governance: address, base_uri: String[80]):
    """
    @param verifier KeyDeliveryVerifier.
    @param storage_market StorageMarket: whether the file of an entry is kept.
    @param governance Wires AgentLeases and AgentAccount once, and can do nothing else.
    @param base_uri What comes before an id in a token's URI.
    """
    ownable.__init__()
    erc721.__init__("Apogee Agents", "AGENT", base_uri, "A", "1")
    ownable._transfer_ownership(empty(address))
    stored_files.__init__(storage_market)
    deliveries.__init__(verifier)
    GOVERNANCE = governance


# --- PERMISSIONLESS


@external
def mint(
    to: address,
    datas: DynArray[IAgentNFT.IntelligentData, token_sheets.MAX_ENTRIES],
    roots: DynArray[IAgentNFT.Roots, token_sheets.MAX_ENTRIES],
    sealed_keys: DynArray[Bytes[128], token_sheets.MAX_ENTRIES],
    threshold: uint256,
    royalty_bps: uint256,
) -> uint256:
    """
    @notice Make a token; whoever calls is its creator and earns its royalty.
    @param to Its owner; a contract must take ERC-721 tokens.
    @param roots Of the data, in order; their files are kept by storage now.
    @param sealed_keys The data keys, sealed to the owner.
    @param threshold How many oracles must sign a delivery of it, 1 to 5.
    @param royalty_bps Of each sale.
    @return Its id.
    """
    token: uint256 = erc721._total_supply() + 1
    token_accounts._check_receiver(token, to)
    erc721._mint(to, token)
    token_sheets._open(token, len(datas), threshold)
    royalties._set(token, msg.sender, royalty_bps)
    self._publish(token, to, datas, roots, sealed_keys)
    log IAgentNFT.Minted(token=token, creator=msg.sender, owner=to)

    assert erc721._check_on_erc721_received(empty(address), to, token, b"")  # dev: said so by the receiver
    return token


# --- OWNER, OR WHOM HE APPROVED


@external
def iTransfer(
    _to: address, _tokenId: uint256, _proofs: DynArray[IAgentNFT.TransferValidityProof, token_sheets.MAX_ENTRIES]
):
    """
    @notice Hand a token over with its data.
    """
    self._check_mover(_tokenId, _to)
    self._settle(
        erc721._owner_of(_tokenId),
        _to,
        _tokenId,
        deliveries._verify(_tokenId, deliveries.TRANSFER, _to, empty(bytes32), _tokenId, _proofs),
    )


@external
def transferFrom(owner: address, to: address, token_id: uint256):
    """
    @notice Hand a token without data over.
    """
    self._hand_over_plain(owner, to, token_id)


@external
def safeTransferFrom(owner: address, to: address, token_id: uint256, data: Bytes[1_024] = b""):
    """
    @notice The same to a receiver that takes ERC-721 tokens.
    """
    self._hand_over_plain(owner, to, token_id)
    assert erc721._check_on_erc721_received(owner, to, token_id, data)  # dev: said so by the receiver


@external
def approve(to: address, token_id: uint256):
    """
    @notice Let somebody else hand a token over or lock it; also by whoever may for all of the owner's. Also while it is
            locked: who locks again and again loses the leave to.
    """
    owner: address = erc721._owner_of(token_id)
    assert msg.sender == owner or erc721.isApprovedForAll[owner][msg.sender], "agent_nft: not its owner"

    erc721._approve(to, token_id)


# --- OWNER


@external
def iClone(
    _to: address, _tokenId: uint256, _proofs: DynArray[IAgentNFT.TransferValidityProof, token_sheets.MAX_ENTRIES]
) -> uint256:
    """
    @notice Make a clone of an own token; approved accounts cannot.
    @return The clone's id.
    """
    self._check_owner(_tokenId)
    assert token_sheets._may_clone(token_sheets.words[_tokenId]), "agent_nft: may not clone"
    clone: uint256 = self._next(_tokenId, _to)
    self._add_clone(
        clone,
        _to,
        _tokenId,
        royalties._inherited(_tokenId),
        True,
        deliveries._verify(_tokenId, deliveries.CLONE, _to, empty(bytes32), clone, _proofs),
    )
    return clone


@external
def authorizeUsage(_tokenId: uint256, _user: address):
    """
    @notice Let somebody use the agent until further notice.
    """
    self._check_owner(_tokenId)
    usage_rights._grant(_tokenId, _user, usage_rights.EVER, False)


@external
def revokeAuthorization(_tokenId: uint256, _user: address):
    """
    @notice End a right of use; a lease runs on.
    """
    self._check_owner(_tokenId)
    usage_rights._revoke(_tokenId, _user)


@external
def update(
    token: uint256,
    datas: DynArray[IAgentNFT.IntelligentData, token_sheets.MAX_ENTRIES],
    roots: DynArray[IAgentNFT.Roots, token_sheets.MAX_ENTRIES],
    sealed_keys: DynArray[Bytes[128], token_sheets.MAX_ENTRIES],
    threshold: uint256,
):
    """
    @notice Replace a token's data.
    @param sealed_keys Their keys, sealed to the owner.
    @param threshold How many oracles must sign from now on; zero: as before.
    """
    self._check_owner(token)
    assert len(datas) != 0, "agent_nft: no data"

    token_sheets._reshape(token, len(datas), threshold)
    self._publish(token, msg.sender, datas, roots, sealed_keys)
    log IERC4906.MetadataUpdate(_tokenId=token)


# --- OWNER OR AgentLeases


@external
def authorizeUsageUntil(token: uint256, user: address, until: uint256):
    """
    @notice Let somebody use the agent for a time. By AgentLeases: a lease, which the owner cannot revoke.
    """
    is_lease: bool = msg.sender == token_accounts.leases
    if not is_lease:
        self._check_owner(token)
    elif until > block.timestamp:  # a renter may leave while it is locked
        token_locks._check_free(token)
    usage_rights._grant(token, user, until, is_lease)


# --- AgentLeases


@external
def clone_for(
    token: uint256,
    to: address,
    key_hash: bytes32,
    royalty_bps: uint256,
    may_clone_again: bool,
    proofs: DynArray[IAgentNFT.TransferValidityProof, token_sheets.MAX_ENTRIES],
) -> uint256:
    """
    @notice Make a clone under a licence of the owner, which the caller keeps.
    @param key_hash keccak(B) where the buyer left B with the caller, so that his signature need not be asked for.
    @param royalty_bps Of each sale of the clone, to whoever owns the token then.
    @return The clone's id.
    """
    assert msg.sender == token_accounts.leases, "agent_nft: not AgentLeases"
    token_locks._check_free(token)
    clone: uint256 = self._next(token, to)
    self._add_clone(
        clone,
        to,
        token,
        royalties._licensed(token, royalty_bps),
        may_clone_again,
        deliveries._verify(token, deliveries.CLONE, to, key_hash, clone, proofs),
    )
    return clone


# --- A CONTRACT APPROVED FOR THE TOKEN


@external
def lock(token: uint256, until: uint256):
    """
    @notice Hold a token still: its data, rights, wallet and owner stay, until the caller ends it or the time is over.
    """
    is_approved: bool = self._is_approved(erc721._owner_of(token), token)
    assert is_approved and msg.sender.is_contract, "agent_nft: not approved"
    token_locks._lock(token, until)


# --- THE CONTRACT THAT LOCKED IT


@external
def prepare(
    token: uint256,
    to: address,
    key_hash: bytes32,
    proofs: DynArray[IAgentNFT.TransferValidityProof, token_sheets.MAX_ENTRIES],
    at_once: bool,
) -> DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]:
    """
    @notice Verify a delivery and keep what it makes of the data for `finish`, or hand the token over at once.
    @param key_hash keccak(B) where the receiver left B with the caller; zero: he has signed.
    """
    token_locks._check_holder(token)
    token_accounts._check_receiver(token, to)
    outputs: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES] = deliveries._verify(
        token, deliveries.TRANSFER, to, key_hash, token, proofs
    )
    if at_once:
        token_locks._release(token)
        self._settle(erc721._owner_of(token), to, token, outputs)
    else:
        token_locks._keep(token, to, outputs)
    return outputs


@external
def finish(token: uint256, to: address, outputs: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]):
    """
    @notice Hand over what was prepared.
    """
    token_locks._check_holder(token)
    token_locks._take(token, to, outputs)
    self._settle(erc721._owner_of(token), to, token, outputs)


@external
def abort(token: uint256):
    """
    @notice Let a token go; nothing has changed hands.
    """
    token_locks._check_holder(token)
    token_locks._release(token)


# --- GOVERNANCE


@external
def wire(leases: address, implementation: address):
    """
    @notice Name AgentLeases, and AgentAccount which tokens' accounts run, once.
    """
    is_due: bool = msg.sender == GOVERNANCE and token_accounts.leases == empty(address)
    assert is_due, "agent_nft: governance, once"
    token_accounts._wire(leases, implementation)


# --- VIEWS


@external
@view
@reentrant
def tokenURI(token_id: uint256) -> String[158]:
    """
    @notice Where a token is described.
    """
    erc721._require_minted(token_id)
    return concat(erc721._BASE_URI, uint2str(token_id))


@external
@view
@reentrant
def tokenByIndex(index: uint256) -> uint256:
    """
    @notice Ids run from 1, and none ends.
    """
    erc721._require_minted(index + 1)
    return index + 1


@external
@view
@reentrant
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice ERC-165.
    """
    id: uint32 = convert(interface_id, uint32)
    is_plain: bool = id == ERC165 or id == ERC721 or id == METADATA or id == ENUMERABLE
    return is_plain or id == ROYALTIES or id == UPDATES or id == AGENTS or id == AGENT_METADATA


# --- INTERNAL


@internal
@view
def _check_owner(token: uint256):
    """
    @dev Only its owner, and only while nobody holds it still.
    """
    assert erc721._owner_of(token) == msg.sender, "agent_nft: not its owner"
    token_locks._check_free(token)


@internal
def _publish(
    token: uint256,
    to: address,
    datas: DynArray[IAgentNFT.IntelligentData, token_sheets.MAX_ENTRIES],
    roots: DynArray[IAgentNFT.Roots, token_sheets.MAX_ENTRIES],
    sealed_keys: DynArray[Bytes[128], token_sheets.MAX_ENTRIES],
):
    """
    @dev Data from their owner's hand: with a key each, in files that storage keeps.
    """
    assert len(datas) == len(roots) and len(datas) == len(sealed_keys), "agent_nft: lengths differ"
    data_entries._write(token, datas, roots)
    for i: uint256 in range(len(datas), bound=token_sheets.MAX_ENTRIES):
        assert len(sealed_keys[i]) != 0, "agent_nft: no sealed key"
        stored_files._check_kept(roots[i].location, datas[i].dataHash)
    if len(datas) != 0:
        log IAgentNFT.PublishedSealedKey(receiver=to, token=token, sealed_keys=sealed_keys)


@internal
@view
def _check_mover(token: uint256, to: address):
    """
    @dev Owner or approved, and nobody holds the token still.
    """
    owner: address = erc721._owner_of(token)
    is_allowed: bool = msg.sender == owner or self._is_approved(owner, token)
    assert is_allowed, "agent_nft: not approved"
    token_locks._check_free(token)
    token_accounts._check_receiver(token, to)


@internal
@view
def _is_approved(owner: address, token: uint256) -> bool:
    return erc721._get_approved(token) == msg.sender or erc721.isApprovedForAll[owner][msg.sender]


@internal
def _hand_over_plain(owner: address, to: address, token: uint256):
    self._check_mover(token, to)
    assert token_sheets._count(token) == 0, "agent_nft: use iTransfer"
    self._settle(owner, to, token, [])


@internal
def _settle(
    owner: address,
    to: address,
    token: uint256,
    outputs: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES],
):
    """
    @dev It changes hands: new data, no approval, one epoch more, which ends users and licences.
    """
    data_entries._copy(token, token, outputs)
    token_sheets._turn(token)
    erc721._transfer(owner, to, token)
    token_accounts._follow(token)
    log IAgentNFT.Transferred(token=token, sender=owner, receiver=to)
    log IERC4906.MetadataUpdate(_tokenId=token)


@internal
@view
def _next(token: uint256, to: address) -> uint256:
    """
    @dev The id of a clone of a token for somebody.
    """
    assert token_sheets._count(token) != 0, "agent_nft: no data"
    clone: uint256 = erc721._total_supply() + 1
    token_accounts._check_receiver(clone, to)
    return clone


@internal
def _add_clone(
    clone: uint256,
    to: address,
    token: uint256,
    royalty: uint256,
    may_clone: bool,
    outputs: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES],
):
    erc721._mint(to, clone)
    token_sheets._open_clone(clone, token, royalty, may_clone)
    data_entries._copy(clone, token, outputs)
    log IAgentNFT.Cloned(token=token, clone=clone, sender=erc721._owner_of(token), receiver=to)
