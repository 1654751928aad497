# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title English auctions of agents
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the highest bid of an auction is its sale's price and all that it holds beside the seller's bond; a bid
        that is topped is credit again at once, and nobody has less than ten minutes to answer one. The bond is that of the
        price the order asks, paid once: no bid can fail for what its seller has left.
"""
from ..interfaces import IAgentMarket
from ..shared import constants as C
from . import credits
from . import goods
from . import orders
from . import sale_book

uses: credits
uses: goods
uses: orders
uses: sale_book

EXTENSION: constant(uint256) = 10 * 60  # seconds that are left for another bid after a bid

auction_of: reentrant(public(HashMap[bytes32, uint256]))  # digest of an English order -> its sale


@external
@view
@reentrant
def least_bid(sale: uint256, min_step: uint16) -> uint256:
    """
    @notice What the next bid must be at least.
    @param min_step Of the order.
    """
    return self._least(sale_book._in_state(sale, IAgentMarket.SaleState.AUCTION).price, min_step)


@internal
def _bid(
    order: IAgentMarket.SellOrder,
    signature: Bytes[orders.MAX_SIGNATURE],
    buyer: address,
    price: uint256,
    key_hash: bytes32,
) -> (uint256, IAgentMarket.Sale):
    """
    @dev The auction's sale with this bid as its highest, not paid yet.
    """
    digest: bytes32 = orders._order_digest(order)
    id: uint256 = self.auction_of[digest]
    if id == 0:
        return self._open(order, signature, digest, sale_book._draft(order, buyer, price, key_hash))

    sale: IAgentMarket.Sale = sale_book._in_state(id, IAgentMarket.SaleState.AUCTION)
    orders._check_buyer(order, buyer)
    assert block.timestamp <= sale.until, "market: time is over"
    assert price >= self._least(sale.price, order.min_step), "market: bid too low"

    credits._credit(sale.buyer, sale.currency, sale.price)
    sale.buyer = buyer
    sale.price = price
    sale.key_hash = key_hash
    sale.until = max(sale.until, block.timestamp + EXTENSION)
    sale_book._bid(id, sale)
    return id, sale


@internal
def _open(
    order: IAgentMarket.SellOrder,
    signature: Bytes[orders.MAX_SIGNATURE],
    digest: bytes32,
    draft: IAgentMarket.Sale,
) -> (uint256, IAgentMarket.Sale):
    orders._check_order(order, goods.NFT, draft.buyer)
    assert order.kind == orders.ENGLISH, "market: no auction"
    orders._check_signed(order.seller, digest, signature)
    assert draft.price >= convert(order.price, uint256), "market: bid too low"
    goods._check_goods(draft, order.data_root, order.account, order.account_state)

    orders._use(order.seller, order.nonce)
    sale: IAgentMarket.Sale = draft
    sale.state = IAgentMarket.SaleState.AUCTION
    sale.seal = digest
    sale.bond = sale_book._bond(convert(order.price, uint256))
    sale.until = max(convert(order.end, uint256), block.timestamp + EXTENSION)
    credits._debit(sale.seller, sale.currency, sale.bond)
    id: uint256 = sale_book._open(sale)
    self.auction_of[digest] = id
    log IAgentMarket.AuctionOpened(sale=id, token=sale.token, seller=sale.seller, order=digest)
    return id, sale


@internal
@pure
def _least(price: uint256, min_step: uint16) -> uint256:
    return price + max((price * convert(min_step, uint256) + C.BPS - 1) // C.BPS, 1)
