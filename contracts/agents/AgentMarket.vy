# pragma version 0.4.3
# pragma optimize codesize
# pragma nonreentrancy on
"""
@title Sales of agents: all of an agent for all of its price, or neither
@license AGPL-3.0-only
@author Apogee
@notice A buyer pays in, the token is locked, oracles deliver its data to his one-time key, and the token moves in the very
        transaction that pays its seller. What is not delivered in time, or proven false, is paid back out of the sale
        itself.
        Invariant: per currency, credits, prices and bonds of unfinished sales together are what has arrived
        and not left.
@custom:kill Nothing to stop: nobody can pause it, take from it or change its fee.
@custom:security A currency is chosen by who signs: one that takes a fee or lies about balances cannot be paid in
                 exactly and is refused then, one that shrinks balances later hurts those alone who accepted it. What
                 a wallet holds is watched by its `state()` only: look at what others may draw from it before signing.
"""
from ..interfaces import IAgentMarket
from ..interfaces import IAgentNFT
from ..interfaces import IKeyDeliveryVerifier
from ..shared import constants as C
from . import auctions
from . import credits
from . import delivery_key
from . import goods
from . import orders
from . import payouts
from . import sale_book

implements: IAgentMarket
initializes: credits
initializes: goods
initializes: orders
initializes: sale_book
initializes: auctions[credits := credits, goods := goods, orders := orders, sale_book := sale_book]
initializes: payouts[credits := credits, goods := goods, sale_book := sale_book]
exports: (
    auctions.auction_of,
    auctions.least_bid,
    credits.credit_of,
    credits.deposit,
    credits.withdraw,
    goods.NFT,
    goods.VERIFIER,
    orders.cancel,
    orders.is_used,
    orders.domain_separator,
    orders.order_digest,
    orders.offer_digest,
    payouts.FEE_BPS,
    payouts.TREASURY,
    sale_book.sale_count,
)

MAX_LOCK: constant(uint256) = 48 * 60 * 60  # seconds: AgentNFT locks no longer
SLACK: constant(uint256) = 12 * 60 * 60  # seconds in which anybody may settle before the lock lapses

WINDOWS: immutable(IAgentMarket.Windows)


@deploy
def __init__(nft: address, treasury: address, fee_bps: uint256, windows: IAgentMarket.Windows):
    """
    @param nft The one collection that is sold here.
    @param treasury Earns the fee.
    @param fee_bps Ten-thousandths of every price, for good.
    @param windows Seconds.
    """
    longest: uint256 = windows.deliver + windows.objection + windows.show + SLACK
    is_possible: bool = min(min(windows.deliver, windows.objection), windows.show) != 0
    assert is_possible and longest <= MAX_LOCK, "market: windows out of range"

    goods.__init__(nft)
    payouts.__init__(treasury, fee_bps)
    WINDOWS = windows


# --- BUYERS


@external
@payable
def buy(
    order: IAgentMarket.SellOrder, signature: Bytes[orders.MAX_SIGNATURE], key: Bytes[delivery_key.KEY_BYTES]
) -> uint256:
    """
    @notice Pay what a fixed or Dutch order asks now, out of the value sent and the caller's credit; locks the token.
    @param signature The seller's: 65 bytes, or what his contract takes.
    @param key One-time key of the caller, x || y: the oracles seal the data key to it.
    @return The sale.
    """
    orders._check_order(order, goods.NFT, msg.sender)
    assert order.kind != orders.ENGLISH, "market: is an auction"
    digest: bytes32 = orders._order_digest(order)
    orders._check_signed(order.seller, digest, signature)
    sale: IAgentMarket.Sale = sale_book._draft(order, msg.sender, orders._price(order), delivery_key._hash(key))
    goods._check_goods(sale, order.data_root, order.account, order.account_state)

    orders._use(order.seller, order.nonce)
    credits._pay(msg.sender, order.currency, sale.price)
    return self._lock(sale, digest, key)


@external
@payable
def bid(
    order: IAgentMarket.SellOrder,
    signature: Bytes[orders.MAX_SIGNATURE],
    key: Bytes[delivery_key.KEY_BYTES],
    amount: uint96,
) -> uint256:
    """
    @notice Outbid everybody in an English auction; who was highest finds his money in his credit.
    @param signature The seller's; looked at for the first bid.
    @param amount At least the order's price, or `least_bid`.
    @return The sale that the auction may become.
    """
    key_hash: bytes32 = delivery_key._hash(key)
    price: uint256 = convert(amount, uint256)
    id: uint256 = 0
    sale: IAgentMarket.Sale = empty(IAgentMarket.Sale)
    id, sale = auctions._bid(order, signature, msg.sender, price, key_hash)

    credits._pay(msg.sender, sale.currency, price)
    log IAgentMarket.KeyTold(sale=id, buyer=msg.sender, key=key)
    log IAgentMarket.BidPlaced(sale=id, bidder=msg.sender, price=price, until=sale.until)
    return id


@external
def accept(sale: uint256, proofs: DynArray[IAgentNFT.TransferValidityProof, 4]):
    """
    @notice Take what oracles have re-encrypted, looked at and found good: the token moves and the seller is paid.
    """
    record: IAgentMarket.Sale = sale_book._in_state(sale, IAgentMarket.SaleState.LOCKED)
    assert msg.sender == record.buyer, "market: not the buyer"
    assert block.timestamp <= record.until, "market: time is over"

    payouts._pay_out(sale, record, False)
    extcall IAgentNFT(goods.NFT).prepare(record.token, record.buyer, record.key_hash, proofs, True)


@external
def confirm(sale: uint256, outputs: DynArray[IAgentNFT.Entry, 4]):
    """
    @notice Take what somebody else had delivered, before the time to object has passed.
    @param outputs As AgentNFT's event `Prepared` tells them.
    """
    record: IAgentMarket.Sale = sale_book._in_state(sale, IAgentMarket.SaleState.DELIVERED)
    assert msg.sender == record.buyer, "market: not the buyer"
    assert goods._is_held(record), "market: lock has lapsed"

    payouts._pay_out(sale, record, False)
    extcall IAgentNFT(goods.NFT).finish(record.token, record.buyer, outputs)


@external
@payable
def dispute(sale: uint256):
    """
    @notice Ask for time to prove a delivery false. The bond is the seller's if it is not.
    """
    record: IAgentMarket.Sale = sale_book._in_state(sale, IAgentMarket.SaleState.DELIVERED)
    assert msg.sender == record.buyer, "market: not the buyer"
    assert block.timestamp <= record.until, "market: time is over"

    record.state = IAgentMarket.SaleState.DISPUTED
    record.until = block.timestamp + WINDOWS.show
    sale_book._move(sale, record)
    credits._pay(msg.sender, record.currency, record.bond)
    log IAgentMarket.SaleDisputed(sale=sale, until=record.until)


# --- SELLERS


@external
def take_offer(
    offer: IAgentMarket.Offer,
    signature: Bytes[orders.MAX_SIGNATURE],
    key: Bytes[delivery_key.KEY_BYTES],
    token: uint256,
    royalty_max: uint16,
) -> uint256:
    """
    @notice Sell to a signed offer: the price comes out of its buyer's credit, the token is locked.
    @param key Whose hash the buyer has signed.
    @param royalty_max Ten-thousandths of the price that the caller agrees to.
    @return The sale.
    """
    orders._check_offer(offer, goods.NFT, token)
    assert offer.buyer != msg.sender, "orders: own order"
    digest: bytes32 = orders._offer_digest(offer)
    orders._check_signed(offer.buyer, digest, signature)
    sale: IAgentMarket.Sale = IAgentMarket.Sale(
        state=empty(IAgentMarket.SaleState),
        seller=msg.sender,
        buyer=offer.buyer,
        token=token,
        currency=offer.currency,
        price=convert(offer.price, uint256),
        bond=sale_book._bond(convert(offer.price, uint256)),
        royalty_max=convert(royalty_max, uint256),
        until=0,
        lock_until=0,
        key_hash=delivery_key._hash(key),
        seal=empty(bytes32),
    )
    assert sale.key_hash == offer.key_hash, "market: another key"
    data_root: bytes32 = offer.data_root
    if offer.token == 0:
        data_root = staticcall IAgentNFT(goods.NFT).data_root(token)
    goods._check_goods(sale, data_root, offer.account, offer.account_state)

    orders._use(offer.buyer, offer.nonce)
    credits._debit(sale.buyer, sale.currency, sale.price)
    return self._lock(sale, digest, key)


# --- ANYBODY


@external
def close(sale: uint256, order: IAgentMarket.SellOrder) -> bool:
    """
    @notice End an auction: lock the token for the highest bidder, or give him his money and the seller's bond where the
            seller has let the token, its data or its wallet change, or takes no part any more.
    @return Whether it was locked.
    """
    record: IAgentMarket.Sale = sale_book._in_state(sale, IAgentMarket.SaleState.AUCTION)
    assert orders._order_digest(order) == record.seal, "market: another order"
    assert block.timestamp > record.until, "market: too early"

    # as much as `buy` asks, but answered: the bidder's money must not hang on the seller
    missing: String[32] = goods._missing(record, order.data_root, order.account, order.account_state)
    if missing == "" and goods._is_lockable(record.token, self._lock_end()):
        self._lock_in(sale, record, record.seal)
        return True
    payouts._pay_back(sale, record, record.price + record.bond, 0)
    return False


@external
def deliver(sale: uint256, proofs: DynArray[IAgentNFT.TransferValidityProof, 4]):
    """
    @notice Show what oracles have re-encrypted for the buyer; from now on he is bound, unless he proves it false.
    """
    record: IAgentMarket.Sale = sale_book._in_state(sale, IAgentMarket.SaleState.LOCKED)
    assert block.timestamp <= record.until, "market: time is over"

    record.state = IAgentMarket.SaleState.DELIVERED
    record.until = block.timestamp + WINDOWS.objection
    sale_book._move(sale, record)
    extcall IAgentNFT(goods.NFT).prepare(record.token, record.buyer, record.key_hash, proofs, False)
    digests: DynArray[bytes32, 4] = []
    if len(proofs) != 0:  # else the answer would be about another token, delivered in this transaction
        digests = staticcall IKeyDeliveryVerifier(goods.VERIFIER).delivered(goods.NFT)
    assert not goods._is_false(digests), "market: proven false"
    sale_book._seal(sale, digests)
    log IAgentMarket.SaleDelivered(sale=sale, until=record.until, digests=digests)


@external
def settle(
    sale: uint256, outputs: DynArray[IAgentNFT.Entry, 4], digests: DynArray[bytes32, 4]
):
    """
    @notice End a delivered sale that its buyer said nothing about, or disputed and proved nothing.
    @param outputs As AgentNFT's event `Prepared` tells them.
    @param digests As the event `SaleDelivered` tells them.
    """
    waiting: IAgentMarket.SaleState = IAgentMarket.SaleState.DELIVERED | IAgentMarket.SaleState.DISPUTED
    record: IAgentMarket.Sale = sale_book._in_state(sale, waiting)
    assert block.timestamp > record.until, "market: too early"
    sale_book._check_seal(record, digests)
    assert not goods._is_false(digests), "market: proven false"
    assert goods._is_held(record), "market: lock has lapsed"

    payouts._pay_out(sale, record, record.state == IAgentMarket.SaleState.DISPUTED)
    extcall IAgentNFT(goods.NFT).finish(record.token, record.buyer, outputs)


@external
def refund(sale: uint256):
    """
    @notice End a sale that nothing was delivered for in time: the buyer has his money and the seller's bond. One that
            nobody settled until its lock lapsed leaves everybody what he paid in.
    """
    open: IAgentMarket.SaleState = (
        IAgentMarket.SaleState.LOCKED | IAgentMarket.SaleState.DELIVERED | IAgentMarket.SaleState.DISPUTED
    )
    record: IAgentMarket.Sale = sale_book._in_state(sale, open)
    if record.state == IAgentMarket.SaleState.LOCKED:
        assert block.timestamp > record.until, "market: too early"
        payouts._return(sale, record, record.bond)
    else:
        assert not goods._is_held(record), "market: too early"
        payouts._return(sale, record, 0)


@external
def refund_false(sale: uint256, digests: DynArray[bytes32, 4]):
    """
    @notice End a sale whose delivery is proven false: the buyer has his money and the seller's bond.
    @param digests As the event `SaleDelivered` tells them.
    """
    waiting: IAgentMarket.SaleState = IAgentMarket.SaleState.DELIVERED | IAgentMarket.SaleState.DISPUTED
    record: IAgentMarket.Sale = sale_book._in_state(sale, waiting)
    sale_book._check_seal(record, digests)
    assert goods._is_false(digests), "market: not proven false"

    payouts._return(sale, record, record.bond)


# --- VIEWS


@external
@view
@reentrant
def sale(id: uint256) -> IAgentMarket.Sale:
    """
    @notice A sale; all zero when there is none.
    """
    return sale_book._load(id)


@external
@view
@reentrant
def price_of(order: IAgentMarket.SellOrder) -> uint256:
    """
    @notice What an order asks now of whoever may take it; reverts as `buy` would for an order that is not good now.
    """
    orders._check_order(order, goods.NFT, empty(address) if order.taker == empty(address) else order.taker)
    return orders._price(order)


@external
@pure
@reentrant
def bond_of(price: uint256) -> uint256:
    """
    @notice What a seller stakes on a sale, out of his credit; on an auction, for the price that his order asks.
    """
    return sale_book._bond(price)


@external
@view
@reentrant
def windows() -> IAgentMarket.Windows:
    """
    @notice Seconds of every window.
    """
    return WINDOWS


# --- INTERNAL


@internal
def _lock(
    sale: IAgentMarket.Sale, digest: bytes32, key: Bytes[delivery_key.KEY_BYTES]
) -> uint256:
    """
    @dev A paid sale begins.
    """
    id: uint256 = sale_book._open(sale)
    credits._debit(sale.seller, sale.currency, sale.bond)
    log IAgentMarket.KeyTold(sale=id, buyer=sale.buyer, key=key)
    extcall IAgentNFT(goods.NFT).lock(sale.token, self._lock_end())
    self._lock_in(id, sale, digest)
    return id


@internal
def _lock_in(id: uint256, sale: IAgentMarket.Sale, digest: bytes32):
    record: IAgentMarket.Sale = sale
    record.state = IAgentMarket.SaleState.LOCKED
    record.until = block.timestamp + WINDOWS.deliver
    record.lock_until = self._lock_end()
    sale_book._move(id, record)
    log IAgentMarket.SaleLocked(
        sale=id,
        token=sale.token,
        buyer=sale.buyer,
        seller=sale.seller,
        currency=sale.currency,
        price=sale.price,
        bond=sale.bond,
        until=record.until,
        order=digest,
    )


@internal
@view
def _lock_end() -> uint256:
    return block.timestamp + WINDOWS.deliver + WINDOWS.objection + WINDOWS.show + SLACK
