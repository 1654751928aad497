# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Where the money of a sale goes
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what a sale has taken in is what it gives out when it ends, to the unit, and it ends once.
"""
from ..interfaces import IAgentMarket
from ..interfaces import IAgentNFT
from ..shared import constants as C
from . import credits
from . import goods
from . import sale_book

uses: credits
uses: goods
uses: sale_book

MAX_FEE_BPS: constant(uint256) = 250

TREASURY: public(immutable(address))
FEE_BPS: public(immutable(uint256))


@deploy
def __init__(treasury: address, fee_bps: uint256):
    assert treasury != empty(address), "payouts: no treasury"
    assert fee_bps <= MAX_FEE_BPS, "payouts: fee too high"

    TREASURY = treasury
    FEE_BPS = fee_bps


@internal
def _pay_out(id: uint256, sale: IAgentMarket.Sale, is_disputed: bool):
    """
    @dev The price to fee, royalty and seller; bonds to the seller. The royalty is what ERC-2981 says now, and no more than
         the seller signed.
    """
    record: IAgentMarket.Sale = sale
    record.state = IAgentMarket.SaleState.SETTLED
    sale_book._move(id, record)

    receiver: address = empty(address)
    royalty: uint256 = 0
    receiver, royalty = goods._royalty(sale)
    fee: uint256 = sale.price * FEE_BPS // C.BPS
    most: uint256 = min(sale.price * sale.royalty_max // C.BPS, sale.price - fee)
    royalty = min(royalty, most) if receiver != empty(address) else 0
    rest: uint256 = sale.price - fee - royalty
    credits._credit(TREASURY, sale.currency, fee)
    credits._credit(receiver, sale.currency, royalty)
    credits._credit(sale.seller, sale.currency, rest + sale.bond * (2 if is_disputed else 1))
    log IAgentMarket.SaleSettled(
        sale=id,
        buyer=sale.buyer,
        seller=sale.seller,
        to_seller=rest,
        fee=fee,
        royalty=royalty,
        royalty_receiver=receiver,
    )


@internal
def _return(id: uint256, sale: IAgentMarket.Sale, penalty: uint256):
    """
    @dev Price and an objector's bond back to the buyer, with what the seller forfeits.
    """
    own: uint256 = sale.price
    if sale.state == IAgentMarket.SaleState.DISPUTED:
        own += sale.bond
    is_held: bool = goods._is_held(sale)
    self._pay_back(id, sale, own + penalty, sale.bond - penalty)
    if is_held:
        extcall IAgentNFT(goods.NFT).abort(sale.token)


@internal
def _pay_back(id: uint256, sale: IAgentMarket.Sale, to_buyer: uint256, to_seller: uint256):
    record: IAgentMarket.Sale = sale
    record.state = IAgentMarket.SaleState.REFUNDED
    sale_book._move(id, record)
    credits._credit(sale.buyer, sale.currency, to_buyer)
    credits._credit(sale.seller, sale.currency, to_seller)
    log IAgentMarket.SaleRefunded(
        sale=id, buyer=sale.buyer, seller=sale.seller, to_buyer=to_buyer, to_seller=to_seller
    )
