# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What data a token has
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an entry's hash and the hash of its roots are written together, or not at all.
@dev Three words an entry. A description is printable ASCII, so that no reader stumbles over it; it is hostile text all the
     same.
"""
from ..interfaces import IAgentNFT
from . import token_sheets

uses: token_sheets

SPACES: constant(Bytes[32]) = b"                                "
HIGH: constant(uint256) = max_value(uint256) // 255 * 128
ONES: constant(uint256) = max_value(uint256) // 255  # 0x0101...01


struct Kept:
    description: bytes32  # 31 bytes of text, one of its length
    data_hash: bytes32
    roots_hash: bytes32


kept: HashMap[uint256, Kept[token_sheets.MAX_ENTRIES]]


@external
@view
@reentrant
def intelligentDataOf(_tokenId: uint256) -> DynArray[IAgentNFT.IntelligentData, token_sheets.MAX_ENTRIES]:
    """
    @notice Descriptions and hashes of a token's data, in order.
    """
    return self._datas(_tokenId)


@external
@view
@reentrant
def entries_of(token: uint256) -> DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]:
    """
    @notice Hashes of a token's data and of their roots, in order.
    """
    return self._entries(token)


@external
@view
@reentrant
def data_root(token: uint256) -> bytes32:
    """
    @notice One hash over all of a token's data and how many oracles must sign a delivery of them: what a buyer signs.
    """
    words: DynArray[bytes32, 2 * token_sheets.MAX_ENTRIES + 1] = []
    for i: uint256 in range(token_sheets._count(token), bound=token_sheets.MAX_ENTRIES):
        words.append(self.kept[token][i].data_hash)
        words.append(self.kept[token][i].roots_hash)
    words.append(convert(token_sheets._threshold(token_sheets.words[token]), bytes32))
    return keccak256(slice(abi_encode(words, ensure_tuple=False), 32, 32 * len(words)))


@internal
@view
def _datas(token: uint256) -> DynArray[IAgentNFT.IntelligentData, token_sheets.MAX_ENTRIES]:
    datas: DynArray[IAgentNFT.IntelligentData, token_sheets.MAX_ENTRIES] = []
    for i: uint256 in range(token_sheets._count(token), bound=token_sheets.MAX_ENTRIES):
        entry: Kept = self.kept[token][i]
        length: uint256 = convert(entry.description, uint256) & 255
        text: String[31] = convert(slice(slice(entry.description, 0, 31), 0, length), String[31])
        datas.append(IAgentNFT.IntelligentData(dataDescription=text, dataHash=entry.data_hash))
    return datas


@internal
@view
def _entries(token: uint256) -> DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]:
    entries: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES] = []
    for i: uint256 in range(token_sheets._count(token), bound=token_sheets.MAX_ENTRIES):
        entries.append(
            IAgentNFT.Entry(data_hash=self.kept[token][i].data_hash, roots_hash=self.kept[token][i].roots_hash)
        )
    return entries


@internal
def _write(
    token: uint256,
    datas: DynArray[IAgentNFT.IntelligentData, token_sheets.MAX_ENTRIES],
    roots: DynArray[IAgentNFT.Roots, token_sheets.MAX_ENTRIES],
):
    """
    @dev All entries, from their owner's hand.
    """
    for i: uint256 in range(len(datas), bound=token_sheets.MAX_ENTRIES):
        entry: IAgentNFT.Entry = self._rooted(token, datas[i].dataHash, roots[i])
        self.kept[token][i] = Kept(
            description=self._packed(datas[i].dataDescription),
            data_hash=entry.data_hash,
            roots_hash=entry.roots_hash,
        )


@internal
def _copy(token: uint256, parent: uint256, entries: DynArray[IAgentNFT.Entry, token_sheets.MAX_ENTRIES]):
    """
    @dev What a verified delivery made of a parent's entries, for its clone or for itself; descriptions stay.
    """
    for i: uint256 in range(len(entries), bound=token_sheets.MAX_ENTRIES):
        self.kept[token][i] = Kept(
            description=self.kept[parent][i].description,
            data_hash=entries[i].data_hash,
            roots_hash=entries[i].roots_hash,
        )


@internal
@pure
def _packed(text: String[31]) -> bytes32:
    """
    @dev Text and its length in one word.
    """
    plain: Bytes[31] = convert(text, Bytes[31])
    seen: uint256 = convert(extract32(concat(plain, SPACES), 0), uint256)
    # printable: no byte has its high bit, gets it by adding one (0x7f), or lacks it after adding 0x60 (below 0x20)
    is_printable: bool = (
        (seen | unsafe_add(seen, ONES)) & HIGH == 0 and unsafe_add(seen, 96 * ONES) & HIGH == HIGH
    )
    assert is_printable, "agent_nft: not printable"
    return convert(convert(extract32(concat(plain, empty(bytes32)), 0), uint256) | len(text), bytes32)


@internal
def _rooted(token: uint256, data_hash: bytes32, roots: IAgentNFT.Roots) -> IAgentNFT.Entry:
    """
    @dev Tell the roots of an entry, whose hash alone is kept.
    """
    log IAgentNFT.Rooted(
        token=token,
        data_hash=data_hash,
        content_root=roots.content_root,
        key_root=roots.key_root,
        key_commit=roots.key_commit,
        location=roots.location,
    )
    hashed: bytes32 = keccak256(concat(roots.content_root, roots.key_root, roots.key_commit, roots.location))
    return IAgentNFT.Entry(data_hash=data_hash, roots_hash=hashed)
