# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who earns from sales of a token (ERC-2981)
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a token's royalty is fixed when it is made, and a clone never escapes it: it pays by the licence that it
        was made under, or as its parent does.
@dev One word for a token that is nobody's clone (receiver | bps << 160), nothing for a clone: its sheet names the source.
"""
from snekmate.tokens import erc721
from ..shared import constants
from . import token_sheets

uses: erc721
uses: token_sheets

MAX_ROYALTY: constant(uint256) = 1_000  # ten per cent

rates: HashMap[uint256, uint256]


@external
@view
@reentrant
def royaltyInfo(token_id: uint256, sale_price: uint256) -> (address, uint256):
    """
    @notice Who gets how much of a price, in its currency.
    """
    word: uint256 = token_sheets.words[token_id]
    source: uint256 = (word >> token_sheets.SOURCE) & token_sheets.MASK
    if (word >> token_sheets.FLAGS) & token_sheets.PAYS_OWNER != 0:
        bps: uint256 = (word >> token_sheets.BPS_AT) & 65_535
        return erc721._owner_of(source), sale_price * bps // constants.BPS
    rate: uint256 = self.rates[token_id if source == 0 else source]
    return convert(rate & (2**160 - 1), address), sale_price * (rate >> 160) // constants.BPS


@internal
def _set(token: uint256, receiver: address, bps: uint256):
    assert bps <= MAX_ROYALTY, "agent_nft: royalty > 10%"
    if bps != 0:
        self.rates[token] = (bps << 160) | convert(receiver, uint256)


@internal
@view
def _inherited(parent: uint256) -> uint256:
    """
    @dev What the sheet of a clone without a licence says: as its parent pays.
    """
    word: uint256 = token_sheets.words[parent]
    if (word >> token_sheets.SOURCE) & token_sheets.MASK == 0:
        return parent << token_sheets.SOURCE
    kept: uint256 = (token_sheets.MASK << token_sheets.SOURCE) | (65_535 << token_sheets.BPS_AT)
    return word & (kept | (token_sheets.PAYS_OWNER << token_sheets.FLAGS))


@internal
@pure
def _licensed(parent: uint256, bps: uint256) -> uint256:
    """
    @dev What the sheet of a clone under a licence says: its parent's owner gets the licence's share.
    """
    flag: uint256 = token_sheets.PAYS_OWNER << token_sheets.FLAGS
    return (parent << token_sheets.SOURCE) | (bps << token_sheets.BPS_AT) | flag
